"""What the block corruption network sees of a picture: 16 planes with a value per cell of 8 x 8 pixels.

Damaged blocks have straight edges on the coder's grid, one pixel sharp, and any reduction blurs just those. So the
edges are measured at native resolution and only then reduced: along each side of a cell the step of the mean over its
eight pixels, which real edges, slanted or rough, seldom show. The same is done to the change since the picture before,
where damage has edges and movement has few. Workshop and product call the same function.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.measures import to_8_bit
from vqa_agent.media import DeepPlane, Picture, Plane

CELL = 8
"""Pixels of the side of a cell."""

MAP_CELLS = 4
"""Cells of the side of a block of the network's map: 32 pixels."""

NAMES = (
    "luma",
    "cb",
    "cr",
    "activity",
    "step on the grid across",
    "step elsewhere across",
    "step on the grid down",
    "step elsewhere down",
    "change",
    "signed change",
    "step of the change on the grid across",
    "step of the change elsewhere across",
    "step of the change on the grid down",
    "step of the change elsewhere down",
    "change of colour",
    "peak of change",
)
"""The planes, in order."""

LARGEST_WIDTH = 2560
"""Wider pictures are halved first: their coders use larger blocks."""

DARK, PLAIN = 6, 12
"""Luma of a cell above black, in code values, and its plane of activity, that a cell of a black bar has at most."""

BARRED, WRITTEN = 0.95, 0.6
"""Share of the cells of a row that are such where a bar begins, and as far as it goes: it may carry a subtitle."""

LIT = 0.5
"""Share of such cells, in the block just inside, beyond which there is no edge: credits and night scenes are dark."""

THICKEST = 0.4
"""Share of the height, or of the width, that one bar has at most."""

SMALLEST = 64
"""Pixels; smaller pictures are not looked at."""

Cells = NDArray[np.float32]


def block_planes(picture: Picture) -> Plane:
    """(16, height // 8, width // 8) planes of `picture` in 8-bit codes; those of change are 0 without a predecessor.

    Luma and colour are means; `signed change` is 128 for none; the others are 16 times the square root of a difference
    in code values, which gives faint edges room and strong ones an end.
    """
    luma = _luma(picture)
    before = picture.previous if picture.previous is not None and _fits(picture, picture.previous) else None
    shape = (luma.shape[0] // CELL, luma.shape[1] // CELL)
    blue, red = _colour(picture, shape)
    across, down = _line_means(luma), _line_means(_turned(luma))
    planes = [
        _cell_means(across),
        blue,
        red,
        _root(_cell_means(_line_means(_activity(luma)))),
        *_steps(across),
        *(plane.T for plane in _steps(down)),
    ]
    planes += _changes(picture, before, luma, across, down, (blue, red)) if before else _no_changes(shape)
    return np.stack([np.asarray(np.clip(np.rint(plane), 0, 255), np.uint8) for plane in planes])


def between_bars(planes: Plane, black: int) -> tuple[slice, slice]:
    """Rows and columns of the map's blocks that lie wholly between the black bars of a picture; all without bars.

    The edge of a letterbox is straight, sharp and, as often as not, on the coder's grid: just what damage looks like.
    `black` is the code value of black.
    """
    dark = (planes[0] <= black + DARK) & (planes[3] <= PLAIN)
    rows = _inside(dark.mean(axis=1))
    columns = _inside(dark[rows.start * MAP_CELLS : rows.stop * MAP_CELLS].mean(axis=0))
    return rows, columns


def _inside(dark: NDArray[np.float64]) -> slice:
    """Blocks between two bars, from the share of each row of cells that is dark."""
    ends = []
    for profile in (dark, dark[::-1]):
        lit = np.flatnonzero(profile < WRITTEN)
        bar = int(lit[0]) if lit.size and profile[0] >= BARRED else 0
        if profile[bar : bar + MAP_CELLS].mean() > LIT:
            bar = 0
        # The edge lies within a cell, or at its border: that cell shows it, too.
        ends.append(bar + 1 if 0 < bar <= THICKEST * len(dark) else 0)
    blocks, last = -(-len(dark) // MAP_CELLS), (len(dark) - ends[1]) // MAP_CELLS
    inside = slice(-(-ends[0] // MAP_CELLS), last if ends[1] else blocks)
    return inside if inside.start < inside.stop else slice(0, blocks)


def network_input(planes: Plane) -> NDArray[np.float32]:
    """`planes` as the network takes them: 0..1."""
    return np.multiply(planes, np.float32(1 / 255), dtype=np.float32)


def _changes(
    picture: Picture, before: Picture, luma: Plane, across: Cells, down: Cells, colour: tuple[Cells, Cells]
) -> list[Cells]:
    """Planes 8 to 15: what differs from the picture before."""
    earlier = _luma(before)
    shape = (luma.shape[0] // CELL, luma.shape[1] // CELL)
    moved = np.asarray(cv2.absdiff(luma, earlier), np.uint8)
    across, down = across - _line_means(earlier), down - _line_means(_turned(earlier))
    old_blue, old_red = _colour(before, shape)
    return [
        _root(_cell_means(_line_means(moved))),
        128 + 2 * _cell_means(across),
        *_steps(across),
        *(plane.T for plane in _steps(down)),
        _root(np.abs(colour[0] - old_blue) + np.abs(colour[1] - old_red)),
        _root(_peaks(moved, shape)),
    ]


def _no_changes(shape: tuple[int, int]) -> list[Cells]:
    nothing = np.zeros(shape, np.float32)
    return [nothing, nothing + 128, *[nothing] * 6]


def _fits(one: Picture, other: Picture) -> bool:
    return one.luma.shape == other.luma.shape and one.depth == other.depth


def _luma(picture: Picture) -> Plane:
    """Luma in 8 bit, halved where it is very wide, cut to whole cells."""
    luma = picture.luma
    if picture.width > LARGEST_WIDTH:
        luma = _halved(luma)
    height, width = (side // CELL * CELL for side in luma.shape)
    return to_8_bit(luma[:height, :width], picture.depth)


def _halved(plane: DeepPlane) -> DeepPlane:
    height, width = (side // 2 for side in plane.shape)
    even = plane[: height * 2, : width * 2]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _colour(picture: Picture, shape: tuple[int, int]) -> tuple[Cells, Cells]:
    """Mean Cb and Cr of each cell; neutral where there is no colour."""
    if picture.chroma is None:
        neutral = np.full(shape, 128, np.float32)
        return neutral, neutral
    blue, red = (_colour_means(plane, picture, shape) for plane in picture.chroma)
    return blue, red


def _colour_means(plane: DeepPlane, picture: Picture, shape: tuple[int, int]) -> Cells:
    scale = 2 if picture.width > LARGEST_WIDTH else 1
    height = round(plane.shape[0] * shape[0] * CELL * scale / picture.height)
    width = round(plane.shape[1] * shape[1] * CELL * scale / picture.width)
    means = cv2.resize(np.ascontiguousarray(plane[:height, :width]), shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32) / np.float32(1 << (picture.depth - 8))


def _line_means(plane: Plane) -> Cells:
    """(rows / 8, width) mean of each run of eight pixels down a column."""
    height, width = plane.shape
    sums = plane.reshape(height // CELL, CELL, width).sum(axis=1, dtype=np.uint16)
    return np.asarray(sums, np.float32) / np.float32(CELL)


def _turned(plane: Plane) -> Plane:
    return np.asarray(cv2.transpose(plane), np.uint8)


def _steps(lines: Cells) -> tuple[Cells, Cells]:
    """Steps along the rows of `lines`, per cell: at the cell's first edge, less what its neighbours show, and the
    greatest of the other seven."""
    moves = np.zeros_like(lines)
    np.abs(lines[:, 1:] - lines[:, :-1], out=moves[:, 1:])
    by_place = moves.reshape(lines.shape[0], -1, CELL)
    edge = by_place[:, :, 0].copy()
    edge[:, 1:] -= (by_place[:, :-1, CELL - 1] + by_place[:, 1:, 1]) / 2
    return _root(edge), _root(_greatest(by_place[:, :, 1:]))


def _activity(luma: Plane) -> Plane:
    """Absolute step to the neighbour up and left."""
    steps = np.zeros_like(luma)
    cv2.absdiff(luma[1:, 1:], luma[:-1, :-1], dst=steps[1:, 1:])
    return steps


def _cell_means(lines: Cells) -> Cells:
    """Mean of each cell from the means of its columns."""
    places = lines.reshape(lines.shape[0], -1, CELL)
    total = places[:, :, 0].copy()
    for number in range(1, CELL):
        total += places[:, :, number]
    return np.asarray(total / np.float32(CELL))


def _peaks(plane: Plane, shape: tuple[int, int]) -> Cells:
    """Greatest value in each cell."""
    rows = plane.reshape(shape[0], CELL, -1).max(axis=1)
    return _greatest(rows.reshape(*shape, CELL)).astype(np.float32)


def _greatest(values: NDArray[Any]) -> NDArray[Any]:
    """Maximum along the short last axis, on which NumPy's own is ten times as slow."""
    greatest = values[..., 0].copy()
    for number in range(1, values.shape[-1]):
        np.maximum(greatest, values[..., number], out=greatest)
    return greatest


def _root(values: Cells) -> Cells:
    return 16 * np.sqrt(np.maximum(values, 0))
