"""More pictures from those there are: what changes a picture's planes, but not what is damaged in it.

Damage is most easily seen at its onset, by what changes; most looks come later. So some looks lose their change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.block_corruption.truth import CLEAN, DAMAGED, DOUBTFUL
from vqa_agent.block_planes import CELL, LINES, MAP_CELLS, NAMES, SUMMARIES
from vqa_agent.block_planes import NEUTRAL as NEUTRAL_CODE

Input = NDArray[np.float32]
Labels = NDArray[np.uint8]

NEUTRAL = NEUTRAL_CODE / 255
STILL, PASTED, MIRRORED, BRIGHTENED, RECOLOURED = 0.25, 0.25, 0.5, 0.5, 0.2
"""Shares of the looks that this is done to."""

CHANGE = NAMES.index("change")
SIGNED = NAMES.index("signed change")
COLOUR = [NAMES.index("cb"), NAMES.index("cr")]
ROOTS = [number for number, name in enumerate(SUMMARIES) if name not in ("luma", "cb", "cr", "signed change")]
"""Planes that hold the square root of a difference."""

STEPS = slice(len(SUMMARIES), None)
"""Planes that hold the signed root of a step, by place in the cell."""

AXES = {"across": 3, "down": 2}
PLACES = {
    name: slice(start, start + CELL) for name, start in zip(LINES, range(len(SUMMARIES), len(NAMES), CELL), strict=True)
}
CHANGED = np.array([SIGNED, *(plane for name in LINES[2:] for plane in range(len(NAMES))[PLACES[name]])])
"""Signed planes that are neutral where nothing has changed."""


def augment(planes: Input, blocks: Labels, pictures: Labels, rng: np.random.Generator) -> tuple[Input, Labels, Labels]:
    """A batch (n, 48, h, w) as the network takes it, its blocks (n, h / 4, w / 4) and pictures (n,), changed in place
    where that may be."""
    for number in np.flatnonzero(rng.random(len(planes)) < PASTED):
        pictures[number] = _paste(planes, blocks, pictures, int(number), rng)
    _hold(planes, rng.random(len(planes)) < STILL)
    _brighten(planes, rng)
    _recolour(planes, rng.random(len(planes)) < RECOLOURED)
    if rng.random() < MIRRORED:
        planes, blocks = _mirror(planes, "across"), blocks[:, :, ::-1]
    if rng.random() < MIRRORED:
        planes, blocks = _mirror(planes, "down"), blocks[:, ::-1]
    return np.ascontiguousarray(planes), np.ascontiguousarray(blocks), pictures


def picture_label(blocks: Labels) -> NDArray[np.uint8]:
    """What parts of pictures are, from their blocks (n, rows, columns): clean if few blocks are doubtful."""
    damaged = (blocks == DAMAGED).sum(axis=(1, 2))
    rest = np.where((blocks == DOUBTFUL).mean(axis=(1, 2)) < 0.01, CLEAN, DOUBTFUL)
    return np.where(damaged >= 3, DAMAGED, np.where(damaged > 0, DOUBTFUL, rest)).astype(np.uint8)


def _paste(planes: Input, blocks: Labels, pictures: Labels, number: int, rng: np.random.Generator) -> int:
    """Put a rectangle of another look in; returns what the picture then is."""
    other = int(rng.integers(len(planes)))
    rows, columns = (_span(side, rng) for side in blocks.shape[1:])
    down, across = (slice(MAP_CELLS * span.start, MAP_CELLS * span.stop) for span in (rows, columns))
    planes[number, :, down, across] = planes[other, :, down, across]
    blocks[number, rows, columns] = blocks[other, rows, columns]
    both_clean = pictures[number] == CLEAN and pictures[other] == CLEAN
    return CLEAN if both_clean else int(picture_label(blocks[number : number + 1])[0])


def _span(side: int, rng: np.random.Generator) -> slice:
    """Some successive blocks of a side."""
    length = max(2, int(side * rng.uniform(0.15, 0.7)))
    start = int(rng.integers(max(1, side - length + 1)))
    return slice(start, start + length)


def _hold(planes: Input, chosen: NDArray[np.bool_]) -> None:
    """As if nothing had changed, or no picture were known before."""
    planes[chosen, CHANGE : len(SUMMARIES)] = 0
    planes[np.ix_(chosen, CHANGED)] = NEUTRAL


def _brighten(planes: Input, rng: np.random.Generator) -> None:
    """Another contrast and brightness."""
    count = len(planes)
    gain = np.where(rng.random(count) < BRIGHTENED, rng.uniform(0.6, 1.4, count), 1.0)
    gain = gain.astype(np.float32)[:, None, None]
    shift = np.where(gain != 1, rng.uniform(-0.1, 0.1, (count, 1, 1)), 0).astype(np.float32)
    planes[:, 0] = np.clip((planes[:, 0] - NEUTRAL) * gain + NEUTRAL + shift, 0, 1)
    planes[:, SIGNED] = np.clip((planes[:, SIGNED] - NEUTRAL) * gain + NEUTRAL, 0, 1)
    planes[:, ROOTS] = np.minimum(planes[:, ROOTS] * np.sqrt(gain)[:, None], 1)
    planes[:, STEPS] = np.clip((planes[:, STEPS] - NEUTRAL) * np.sqrt(gain)[:, None] + NEUTRAL, 0, 1)


def _recolour(planes: Input, chosen: NDArray[np.bool_]) -> None:
    """Blue and red change places."""
    one, other = COLOUR
    planes[chosen, one], planes[chosen, other] = planes[chosen, other], planes[chosen, one].copy()


def _mirror(planes: Input, direction: str) -> Input:
    """Turned `across` or `down`; a cell's first edge becomes the first of the next one, and what rose falls."""
    axis = AXES[direction]
    turned = np.flip(planes, axis).copy()
    firsts = {NAMES.index(f"step {which}on the grid {direction}"): 0.0 for which in ("", "of the change ")}
    for name in (f"step {which}{direction}" for which in ("", "of the change ")):
        places = turned[:, PLACES[name]]
        places[:, 1:] = places[:, :0:-1].copy()
        np.subtract(2 * NEUTRAL, places, out=places)
        firsts[PLACES[name].start] = NEUTRAL
    for plane, nothing in firsts.items():
        turned[:, plane] = np.roll(turned[:, plane], 1, axis - 1)
        np.moveaxis(turned[:, plane], axis - 1, 0)[0] = nothing
    return turned
