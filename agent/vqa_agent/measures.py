"""Measures of a picture that more than one detector needs, each computed at most once a picture."""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import DeepPlane, Picture, Plane, shared


@shared
def block_means(picture: Picture) -> NDArray[np.float32]:
    """Mean luma of blocks of 8 x 8 of `small`, in code values; smaller pictures have fewer and smaller blocks."""
    blocks: NDArray[np.float32] = picture.small.astype(np.float32)
    for _ in range(3):
        rows, columns = blocks.shape[0] // 2, blocks.shape[1] // 2
        if min(rows, columns) < 4:
            break
        even = blocks[: rows * 2, : columns * 2]
        blocks = np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)
    return blocks


LAYOUT = (32, 18)
"""Columns and rows of a layout."""

MARGIN = (4, 2)
"""Columns and rows of a layout by which a camera may have moved for it still to be alike."""

STRUCTURE = 3.0
"""Deviation of a layout, in code values, below which there is nothing to recognise a scene by."""

STRIPS, STRIP_ROWS = 12, 8
"""Strips of adjacent rows, evenly spread, by which a picture is judged at its full resolution."""

WIDE = 1280
"""Wider pictures have enough pixels in half the rows."""


class Layout:
    """(18, 32) rough luma of a picture in code values: enough to tell one scene from another."""

    def __init__(self, luma: NDArray[np.float32]) -> None:
        self.luma = luma
        self.core = luma[MARGIN[1] : -MARGIN[1], MARGIN[0] : -MARGIN[0]]

    @cached_property
    def has_structure(self) -> bool:
        """Whether there is anything in it to recognise it by."""
        return min(_deviation(self.core), _deviation(self.luma)) >= STRUCTURE


@shared
def layout(picture: Picture) -> Layout:
    """The layout of the picture."""
    return Layout(np.asarray(cv2.resize(block_means(picture), LAYOUT, interpolation=cv2.INTER_AREA), dtype=np.float32))


@lru_cache(maxsize=16)
def likeness(one: Layout, other: Layout) -> float:
    """Correlation of two layouts, give or take a little movement of the camera; 0 where there is no structure.

    Several detectors compare the same two.
    """
    if not (one.has_structure and other.has_structure):
        return 0.0
    return float(cv2.matchTemplate(other.luma, one.core, cv2.TM_CCOEFF_NORMED).max())


def _deviation(values: NDArray[np.float32]) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0])


@shared
def steadiness(picture: Picture) -> float:
    """Likeness of the picture to the one before: near 1 within a scene, however the camera moves; 0: none before."""
    before = picture.previous
    return 0.0 if before is None else likeness(layout(before), layout(picture))


@shared
def strips(picture: Picture) -> Plane:
    """(96, width) luma of `STRIPS` strips of `STRIP_ROWS` rows at full resolution, in 8 bit; (48, width) if wide."""
    luma = picture.luma
    count = min(STRIP_ROWS if picture.width <= WIDE else STRIP_ROWS // 2, picture.height)
    room = picture.height - count
    tops = [room * (2 * number + 1) // (2 * STRIPS) for number in range(STRIPS)]
    rows = np.concatenate([luma[top : top + count] for top in tops])
    return to_8_bit(rows, picture.depth)


def to_8_bit(plane: DeepPlane, depth: int) -> Plane:
    """`plane` in 8-bit code values, contiguous."""
    if depth > 8:
        return np.right_shift(plane, depth - 8).astype(np.uint8)
    return np.ascontiguousarray(plane, dtype=np.uint8)
