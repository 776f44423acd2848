"""Whole clean recordings at their own size, as the agent looks at them.

Some of their looks are trained on, and all have a say in the threshold: those of the trained sources, too, because
there are few. One .npz file each, as those of the simulated clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from quantize.block_corruption.material import find_sources, split_of
from quantize.block_corruption.simulate import Look, save
from quantize.block_corruption.truth import clean_truth
from vqa_agent.block_planes import block_planes
from vqa_agent.capture import Source, open_source
from vqa_agent.detect.block_corruption import STRUCTURE
from vqa_agent.media import Picture
from vqa_agent.sample import Sampler

TRAIN, VALIDATION = "whole_train", "whole_validation"
"""What the splits of these recordings are called among those of the simulated clips."""


def recordings(media: Path, sources: Mapping[str, Any]) -> Iterator[tuple[str, Source]]:
    """The split and the file of every clean recording; `sources` are those of the configuration."""
    for source in find_sources(media, sources["damaged"]):
        if source.path is not None and source.kind != "stills":
            yield split_of(source, sources), Source(name=source.name, url=str(source.path), live=False)


def make(media: Path, data: Path, sources: Mapping[str, Any], split: str) -> None:
    """The looks at each recording of `split`: train, validation or test."""
    data.mkdir(parents=True, exist_ok=True)
    chosen = [source for part, source in recordings(media, sources) if part == split]
    for number, source in enumerate(tqdm(chosen, desc=f"whole {split}", mininterval=5)):
        path = data / f"whole_{split}-{number:05d}.npz"
        if not path.exists():
            save(path, list(looks(source)), {"source": source.name, "kind": "none", "baked": False})


def looks(source: Source) -> Iterator[Look]:
    """What the network would see of a recording that is taken as clean."""
    sampler = Sampler()
    with open_source(source) as capture:
        for picture in capture.samples():
            if not isinstance(picture, Picture) or not (sampler.wants(picture) and sampler.wants_neural(picture)):
                continue
            if float(picture.small.std()) >= STRUCTURE:
                planes = block_planes(picture)
                truth = clean_truth((planes.shape[1], planes.shape[2]))
                yield Look(planes, truth, picture.index, damaged_version=False, corrupt=picture.corrupt)
