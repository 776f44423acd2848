"""How a wave meets its greatest values: one that was cut comes to the same height again and again, and stays there.

A codec makes flat tops uneven and lets some overshoot, but the tops of most waves still lie close together, and a wave
still spends more time near them than on the way there. A limiter leaves the heights alike too, yet the waves round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.hearing.spectrum import FRAMES
from vqa_agent.media import Samples

USUAL = FRAMES // 10
"""Blocks of a fiftieth of a second that reach the height which counts as the ceiling."""

QUANTILES = (FRAMES // 2, 3 * FRAMES // 4, 9 * FRAMES // 10)
ALIKE = (0.01, 0.03, 0.08, 0.15)
"""Distances to the ceiling, as shares of it, within which the tops of blocks are counted."""

NEAR, HALFWAY = 0.85, 0.5
"""Shares of the ceiling from which on samples are near it, and from which on a wave rises towards it."""

STEADY_DB = 0.3
"""Tops of seconds that differ by less meet the same ceiling."""

MEASURES = 2 * (len(QUANTILES) + len(ALIKE) + 3) + 2
AROUND = 6

_alike = np.array(ALIKE, np.float32)[:, None]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`measures` (MEASURES,); `tops` (2,) the ceilings of both polarities in dBFS."""

    measures: NDArray[np.float32]
    tops: NDArray[np.float32]


def ceiling(wave: Samples, power: float) -> Ceiling:
    """Of one second (n,), whose mean square is `power`."""
    sides = [_side(half) for half in (wave, -wave)]
    tops = np.array([height for height, _ in sides])
    ordered = sorted((measures for _, measures in sides), key=lambda measures: -float(measures[-1]))
    level = 20 * np.log10(tops)
    both = np.array([level.max() - 10 * np.log10(power + 1e-15), abs(level[0] - level[1])])
    return Ceiling(np.concatenate([*ordered, both]).astype(np.float32), level.astype(np.float32))


def around(tops: NDArray[np.float32], own: int) -> NDArray[np.float32]:
    """(AROUND,) how the ceilings (seconds, 2) of second `own` and of those around it agree; the likelier side first."""
    below = tops - tops.max(axis=0)
    middle = np.sort(below, axis=0)[len(below) // 2]
    same = np.mean(below > -STEADY_DB, axis=0)
    return np.stack([below[own], middle, same], axis=1)[np.argsort(-same, kind="stable")].ravel()


def _side(wave: Samples) -> tuple[float, NDArray[np.float32]]:
    """Of one polarity: its ceiling, and how often and how long it is met."""
    size = len(wave) // FRAMES
    peaks = wave[: size * FRAMES].reshape(FRAMES, size).max(axis=1)
    ordered = np.sort(peaks)
    height = max(float(ordered[-USUAL]), 1e-6)
    falls = 20 * np.log10(np.maximum(ordered[list(QUANTILES)], 1e-6) / max(float(ordered[-1]), 1e-6))
    alike = np.mean(np.abs(peaks / height - 1) < _alike, axis=1)
    return height, np.concatenate([falls, alike, _stay(wave, np.float32(height))]).astype(np.float32)


def _stay(wave: Samples, height: np.float32) -> NDArray[np.float64]:
    """Waves that come near the ceiling, samples that each is on its way, and near over on the way (logarithms)."""
    rising = wave >= np.float32(HALFWAY) * height
    edges = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(wave)]]))
    near = np.add.reduceat(wave >= np.float32(NEAR) * height, starts, dtype=np.intp)
    met = near > 0
    count, whole, close = np.count_nonzero(met), int(lengths[met].sum()), int(near.sum())
    return np.array([np.log1p(count), np.log((whole + 1) / (count + 1)), np.log((close + 1) / (whole - close + 1))])
