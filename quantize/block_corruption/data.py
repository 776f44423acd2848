"""The simulated clips, read back: pictures for training, looks in order for measuring."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize.block_corruption.augment import augment, picture_label
from quantize.block_corruption.truth import CLEAN, DAMAGED, DOUBTFUL
from quantize.samples import read_samples
from vqa_agent.block_planes import MAP_CELLS, block_planes, network_input
from vqa_agent.errors import InputError
from vqa_agent.media import Picture

NAME = "block_corruption"
Planes = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipLooks:
    """The looks of one simulated clip; one entry (first axis) per look."""

    name: str
    origin: Mapping[str, Any]
    planes: Planes
    blocks: Planes
    picture: Planes
    damaged_version: NDArray[np.bool_]
    corrupt: NDArray[np.bool_]
    blockdetect: NDArray[np.float32]

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of damaged blocks of each look."""
        return np.asarray((self.blocks == DAMAGED).mean(axis=(1, 2)))


BY_LOOK = ("planes", "blocks", "picture", "damaged_version", "corrupt", "blockdetect")
"""The fields of a clip that have an entry per look."""


def read_split(folder: Path, split: str, limit: int | None = None) -> list[ClipLooks]:
    """The clips of a split, by number. Raises InputError where there are none."""
    files = [path for path in sorted(folder.glob(f"{split}-*.npz")) if not path.stem.endswith(".part")][:limit]
    if not files:
        raise InputError(f"reading {split} clips from {folder}: there are none; run quantize.block_corruption.simulate")
    return [_read(path) for path in files]


def _read(path: Path) -> ClipLooks:
    with np.load(path) as stored:
        origin = json.loads(str(stored["origin"]))
        return ClipLooks(path.stem, origin, *(stored[name] for name in BY_LOOK))


def thinned(clips: Iterable[ClipLooks], most: int) -> Iterator[ClipLooks]:
    """The clips with `most` looks each at most, evenly spread."""
    for clip in clips:
        count = len(clip.picture)
        chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
        yield replace(clip, **{name: getattr(clip, name)[chosen] for name in BY_LOOK})


def read_field(place: Path) -> Iterator[ClipLooks]:
    """Labelled pictures from the field, each a clip of one look; nobody said where the damage is."""
    for sample in read_samples(place, NAME):
        if not sample.labels:
            continue
        depth = int(sample.detail.get("depth", 8))
        before = None
        if sample.previous is not None:
            before = Picture(time=0.0, duration=0.04, luma=sample.previous, depth=depth)
        planes = block_planes(Picture(time=0.04, duration=0.04, luma=sample.data, depth=depth, previous=before))
        rows, columns = (-(-side // MAP_CELLS) for side in planes.shape[1:])
        clean = sample.labels == ("clean",)
        no = np.zeros(1, np.bool_)
        yield ClipLooks(
            name=sample.id,
            origin={"source": f"field/{sample.source}"},
            planes=planes[None],
            blocks=np.full((1, rows, columns), CLEAN if clean else DOUBTFUL, np.uint8),
            picture=np.array([CLEAN if clean else DAMAGED], np.uint8),
            damaged_version=no,
            corrupt=no,
            blockdetect=np.zeros(1, np.float32),
        )


Plan = list[tuple[ClipLooks, int]]
"""Looks of one shape that make a batch: a clip and the number of a look in it."""

Batch = tuple[NDArray[np.float32], Planes, Planes]
"""Planes as the network takes them, blocks and pictures."""


def plan_batches(clips: list[ClipLooks], size: int, rng: np.random.Generator) -> list[Plan]:
    """Every look once, mixed over clips, in batches of one shape."""
    looks = [(clip, number) for clip in clips for number in range(len(clip.picture))]
    groups: dict[tuple[int, ...], Plan] = {}
    for place in rng.permutation(len(looks)):
        clip, number = looks[place]
        groups.setdefault(clip.planes.shape[2:], []).append((clip, number))
    plans = [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]
    return [plans[place] for place in rng.permutation(len(plans))]


def assemble_ahead(plans: Iterable[Plan], largest: int, rng: np.random.Generator) -> Iterator[Batch]:
    """The batches of `plans` in turn, each made while the one before is used."""
    with ThreadPoolExecutor(1) as beside:
        coming: Future[Batch] | None = None
        for plan in plans:
            made, coming = coming, beside.submit(assemble, plan, largest, rng)
            if made:
                yield made.result()
        if coming:
            yield coming.result()


def assemble(plan: Plan, largest: int, rng: np.random.Generator) -> Batch:
    """Planes as the network takes them, blocks and pictures of a batch, augmented.

    Pictures of more than `largest` cells are mostly cut to a random quarter, whose truth is that of its blocks: whole
    ones cost as much as all others together.
    """
    planes = np.stack([clip.planes[number] for clip, number in plan])
    blocks = np.stack([clip.blocks[number] for clip, number in plan])
    pictures = np.array([clip.picture[number] for clip, number in plan])
    if planes.shape[2] * planes.shape[3] > largest and rng.random() < 0.8:
        planes, blocks = _part(planes, blocks, rng)
        pictures = np.where(pictures == CLEAN, CLEAN, picture_label(blocks)).astype(np.uint8)
    return augment(network_input(planes), blocks, pictures, rng)


def _part(planes: Planes, blocks: Planes, rng: np.random.Generator) -> tuple[Planes, Planes]:
    """A quarter of the pictures, on the grid of blocks."""
    rows, columns = (side // 2 for side in blocks.shape[1:])
    top, left = int(rng.integers(blocks.shape[1] - rows)), int(rng.integers(blocks.shape[2] - columns))
    cells = planes[:, :, 4 * top : 4 * (top + rows), 4 * left : 4 * (left + columns)]
    return cells, blocks[:, top : top + rows, left : left + columns]
