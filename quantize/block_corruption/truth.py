"""What is damaged, as a viewer would say: the least difference of each block to what was meant to be shown.

Concealment that copies an older picture, a lost time stamp, and blocks displaced by a pixel or two are not seen. So a
picture is compared with several clean ones about the same moment, each moved a little, and a cell counts by the least
difference. What is neither clearly visible nor clearly invisible is doubtful and stays out of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.block_planes import CELL, MAP_CELLS
from vqa_agent.media import Plane

CLEAN, DAMAGED, DOUBTFUL = 0, 1, 255
Cells = NDArray[np.float32]


@dataclass(frozen=True)
class Planes:
    """Luma and chroma (4:2:0) of a picture."""

    luma: Plane
    chroma: tuple[Plane, Plane]

    @cached_property
    def small(self) -> Cells:
        """Mean luma of each cell."""
        return _cells(self.luma, CELL)


@dataclass(frozen=True)
class Truth:
    """(rows, columns) of 32-pixel blocks, and the picture as a whole: CLEAN, DAMAGED or DOUBTFUL."""

    blocks: Plane
    picture: int

    @property
    def share(self) -> float:
        """Share of the blocks that are damaged."""
        return float((self.blocks == DAMAGED).mean())


def find_damage(shown: Planes, clean: Sequence[Planes], number: int, labels: Mapping[str, Any]) -> Truth:
    """The truth about `shown`, which stands where number `number` of the `clean` pictures should be."""
    return judge(*differences(shown, clean, number, labels), activity(clean[number]), labels)


def differences(shown: Planes, clean: Sequence[Planes], number: int, labels: Mapping[str, Any]) -> tuple[Cells, Cells]:
    """Difference of each cell to the picture meant, and the least to those around, in code values."""
    plain = _difference(shown, clean[number], 0)
    if plain.max() <= labels["invisible"]:
        return plain, plain
    around = range(max(0, number - labels["window"]), min(len(clean), number + labels["window"] + 1))
    others = {*around, _most_alike(shown, clean)}
    least = np.min([_difference(shown, clean[other], labels["reach"]) for other in sorted(others)], axis=0)
    return plain, np.minimum(plain, least)


def judge(plain: Cells, least: Cells, busy: Cells, labels: Mapping[str, Any]) -> Truth:
    """From differences per cell to blocks and picture."""
    threshold = labels["visible"] + labels["masking"] * busy
    visible = least > threshold
    doubtful = ~visible & ((least > labels["invisible"] + labels["masking"] * busy / 2) | (plain > threshold))
    seen, unsure = _block_share(visible), _block_share(doubtful)
    blocks = np.full(seen.shape, DOUBTFUL, np.uint8)
    blocks[(seen == 0) & (unsure <= labels["share"])] = CLEAN
    blocks[seen >= labels["share"]] = DAMAGED
    return Truth(blocks, _picture(blocks, labels))


def _picture(blocks: Plane, labels: Mapping[str, Any]) -> int:
    enough = max(3.0, labels["picture"] * blocks.size)
    damaged = int((blocks == DAMAGED).sum())
    if damaged >= enough:
        return DAMAGED
    return CLEAN if damaged == 0 and int((blocks == DOUBTFUL).sum()) <= enough else DOUBTFUL


def clean_truth(shape: tuple[int, int]) -> Truth:
    """The truth about a clean picture of (rows, columns) cells."""
    rows, columns = (-(-side // MAP_CELLS) for side in shape)
    return Truth(np.zeros((rows, columns), np.uint8), CLEAN)


def activity(picture: Planes) -> Cells:
    """Mean step to the neighbour up and left in each cell: what hides differences."""
    luma = picture.luma
    steps = np.zeros_like(luma)
    cv2.absdiff(luma[1:, 1:], luma[:-1, :-1], dst=steps[1:, 1:])
    return _cells(steps, CELL)


def _difference(shown: Planes, clean: Planes, reach: int) -> Cells:
    """Mean absolute difference of each cell: the greater of luma, the least of small displacements, and chroma."""
    padded = np.pad(clean.luma, reach, "edge")
    height, width = shown.luma.shape
    moves = [(0, 0), *((d * s, d * (1 - s)) for d in range(-reach, reach + 1) if d for s in (0, 1))]
    pieces = (padded[reach + y : reach + y + height, reach + x : reach + x + width] for y, x in moves)
    luma = np.min([_distance(shown.luma, piece, CELL) for piece in pieces], axis=0)
    blue, red = (_distance(one, other, CELL // 2) for one, other in zip(shown.chroma, clean.chroma, strict=True))
    return np.asarray(np.maximum(luma, blue + red), np.float32)


def _distance(one: Plane, other: Plane, side: int) -> Cells:
    return _cells(np.asarray(cv2.absdiff(one, other), np.uint8), side)


def _most_alike(shown: Planes, clean: Sequence[Planes]) -> int:
    """The clean picture that looks most like `shown` as a whole: a decoder that repeats one does no harm to it."""
    return int(np.argmin([np.minimum(np.abs(shown.small - other.small), 10).mean() for other in clean]))


def _cells(plane: Plane, side: int) -> Cells:
    """Mean of each square of `side` pixels."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    sums = plane[: rows * side, : columns * side].reshape(rows, side, -1).sum(axis=1, dtype=np.uint16)
    places = sums.reshape(rows, columns, side)
    total = places[..., 0].astype(np.float32)
    for place in range(1, side):
        total += places[..., place]
    return np.asarray(total / np.float32(side * side))


def _block_share(cells: NDArray[np.bool_]) -> Cells:
    """Share of the marked cells in each block of 4 x 4; blocks that the edge cuts count what they have."""
    rows, columns = (-(-side // MAP_CELLS) for side in cells.shape)
    padded = np.full((rows * MAP_CELLS, columns * MAP_CELLS), np.nan, np.float32)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    return np.asarray(np.nanmean(padded.reshape(rows, MAP_CELLS, columns, MAP_CELLS), axis=(1, 3)), np.float32)
