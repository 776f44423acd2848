"""What the block corruption network sees of a picture: 48 planes with a value per cell of 8 x 8 pixels.

Damaged blocks have straight edges, one pixel sharp, and any reduction blurs just those. So the edges are measured at
native resolution and only then reduced: at each of the eight places of a cell the step of the mean over eight pixels,
which real edges, slanted or rough, seldom show. On the coder's grid or, scaled and encoded again, off it: the network
sees where in each cell a step is, and so whether steps of several cells lie in one line. The same is done to the change
since the picture before, where damage has edges and movement has few. Workshop and product call the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

SUMMARIES = (
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
"""One plane each."""

LINES = ("step across", "step down", "step of the change across", "step of the change down")
"""Eight planes each: one for each place in a cell."""

NAMES = (*SUMMARIES, *(f"{name} at {place}" for name in LINES for place in range(CELL)))
"""The planes, in order."""

NEUTRAL = 128
"""Value of a signed plane where there is nothing."""

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

UNEVEN = 2
"""Cells by which one of two opposite bars may be thicker. A bar on one side alone is what a lost slice leaves."""

SMALLEST = 64
"""Pixels; smaller pictures are not looked at."""

Cells = NDArray[np.float32]
Lines = NDArray[np.int16]
"""Sums of eight pixels, or differences of such."""


def _codes() -> NDArray[np.uint8]:
    """The signed root of each possible step of such sums, indexed by the step: from behind where it is negative."""
    most = 2 * 255 * CELL
    steps = np.roll(np.arange(-most, most + 1), most + 1)
    coded = NEUTRAL + np.sign(steps) * 8 * np.sqrt(np.abs(steps) / CELL)
    return np.asarray(np.clip(np.rint(coded), 0, 255), np.uint8)


CODES = _codes()


def block_planes(picture: Picture) -> Plane:
    """(48, height // 8, width // 8) planes of `picture` in 8-bit codes; without a predecessor nothing has changed.

    Luma and colour are means; `signed change` is 128 for none. The other summaries are 16 times the square root of a
    difference in code values, which gives faint edges room and strong ones an end; the steps at each place are 8 times
    that, above 128 where it grows brighter, rightwards or downwards, and below where darker.
    """
    now = _reduced(picture)
    steps = [_steps(lines) for lines in now.lines]
    summaries = [
        _cell_means(now.lines[0]),
        *now.colour,
        _root(_cell_means(_line_sums(_activity(now.luma)))),
        *_strengths(steps),
    ]
    if picture.previous is not None and _fits(picture, picture.previous):
        before = _reduced(picture.previous)
        changes = [_steps(new - old) for new, old in zip(now.lines, before.lines, strict=True)]
        summaries += _changes(now, before, changes)
        steps += changes
    return _coded(summaries, steps)


def between_bars(planes: Plane, black: int) -> tuple[slice, slice]:
    """Rows and columns of the map's blocks that lie wholly between the black bars of a picture; all without bars.

    The edge of a letterbox is straight, sharp and, as often as not, on the coder's grid: just what damage looks like.
    But it has an opposite: where one side alone is black, something may be lost.
    `black` is the code value of black.
    """
    dark = (planes[0] <= black + DARK) & (planes[3] <= PLAIN)
    rows = _inside(dark.mean(axis=1))
    columns = _inside(dark[rows.start * MAP_CELLS : rows.stop * MAP_CELLS].mean(axis=0))
    return rows, columns


def _inside(dark: NDArray[np.float64]) -> slice:
    """Blocks between two bars, from the share of each row of cells that is dark."""
    bars = []
    for profile in (dark, dark[::-1]):
        lit = np.flatnonzero(profile < WRITTEN)
        bar = int(lit[0]) if lit.size and profile[0] >= BARRED else 0
        if profile[bar : bar + MAP_CELLS].mean() > LIT or bar > THICKEST * len(dark):
            bar = 0
        bars.append(bar)
    thinner = min(bars)
    # The edge lies within a cell, or at its border: that cell shows it, too.
    ends = [min(bar, thinner + UNEVEN) + 1 if thinner else 0 for bar in bars]
    blocks, last = -(-len(dark) // MAP_CELLS), (len(dark) - ends[1]) // MAP_CELLS
    inside = slice(-(-ends[0] // MAP_CELLS), last if ends[1] else blocks)
    return inside if inside.start < inside.stop else slice(0, blocks)


def network_input(planes: Plane) -> NDArray[np.float32]:
    """`planes` as the network takes them: 0..1."""
    return np.multiply(planes, np.float32(1 / 255), dtype=np.float32)


@dataclass(frozen=True)
class _Reduced:
    """Luma in whole cells; mean Cb and Cr of each cell; sums of eight pixels down the columns, and along the rows."""

    luma: Plane
    colour: tuple[Cells, Cells]
    lines: tuple[Lines, Lines]


def _reduced(picture: Picture) -> _Reduced:
    luma = _luma(picture)
    colour = _colour(picture, (luma.shape[0] // CELL, luma.shape[1] // CELL))
    return _Reduced(luma, colour, (_line_sums(luma), _line_sums(_turned(luma))))


def _changes(now: _Reduced, before: _Reduced, steps: Sequence[Lines]) -> list[Cells]:
    """The summaries of what differs from the picture before, whose steps are known."""
    moved = np.asarray(cv2.absdiff(now.luma, before.luma), np.uint8)
    blue, red = (np.abs(new - old) for new, old in zip(now.colour, before.colour, strict=True))
    return [
        _root(_cell_means(_line_sums(moved))),
        NEUTRAL + 2 * _cell_means(now.lines[0] - before.lines[0]),
        *_strengths(steps),
        _root(blue + red),
        _root(_peaks(moved, blue.shape)),
    ]


def _coded(summaries: Sequence[Cells], steps: Sequence[Lines]) -> Plane:
    """All planes in 8 bits, from those there are: without a predecessor, the last ones hold nothing."""
    planes = np.zeros((len(NAMES), *summaries[0].shape), np.uint8)
    planes[SUMMARIES.index("signed change")] = planes[len(SUMMARIES) :] = NEUTRAL
    for number, summary in enumerate(summaries):
        planes[number] = np.clip(np.rint(summary), 0, 255)
    for number, each in enumerate(steps):
        first = len(SUMMARIES) + CELL * number
        upright = number % 2 == 1
        planes[first : first + CELL] = CODES[each.astype(np.intp)].transpose((2, 1, 0) if upright else (2, 0, 1))
    return planes


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


def _line_sums(plane: Plane) -> Lines:
    """(rows / 8, width) sum of each run of eight pixels down a column."""
    height, width = plane.shape
    sums = plane.reshape(height // CELL, CELL, width).sum(axis=1, dtype=np.int16)
    return np.asarray(sums, np.int16)


def _turned(plane: Plane) -> Plane:
    return np.asarray(cv2.transpose(plane), np.uint8)


def _steps(lines: Lines) -> Lines:
    """(rows, columns, 8) the step before each place of each cell; none at the picture's edge."""
    steps = np.zeros_like(lines)
    np.subtract(lines[:, 1:], lines[:, :-1], out=steps[:, 1:])
    return steps.reshape(lines.shape[0], -1, CELL)


def _strengths(steps: Sequence[Lines]) -> list[Cells]:
    """Of steps across and down: those at the cell's first edge, less what its neighbours show, and the greatest of the
    other seven."""
    across, down = (_strongest(np.abs(each)) for each in steps)
    return [*across, *(plane.T for plane in down)]


def _strongest(steps: Lines) -> tuple[Cells, Cells]:
    edge = np.asarray(steps[:, :, 0] / np.float32(CELL), np.float32)
    edge[:, 1:] -= (steps[:, :-1, CELL - 1] + steps[:, 1:, 1]) / np.float32(2 * CELL)
    greatest = _greatest(steps[:, :, 1:]).astype(np.float32) / np.float32(CELL)
    return _root(edge), _root(greatest)


def _activity(luma: Plane) -> Plane:
    """Absolute step to the neighbour up and left."""
    steps = np.zeros_like(luma)
    cv2.absdiff(luma[1:, 1:], luma[:-1, :-1], dst=steps[1:, 1:])
    return steps


def _cell_means(lines: Lines) -> Cells:
    """Mean of each cell from the sums of its columns."""
    places = lines.reshape(lines.shape[0], -1, CELL)
    total = places[:, :, 0].copy()
    for number in range(1, CELL):
        total += places[:, :, number]
    return np.asarray(total / np.float32(CELL * CELL))


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
