"""What the sample values themselves say of distortion: flat tops, the edges of their distribution, their grid.

A clipped wave stays where it was cut, at whatever level that now lies; a codec puts a ripple on the flat tops, but
leaves the hump at the edge of the distribution, and the error of a predictor gathers where the wave is highest.
A wave of few bits has few values, a held one repeats them, one that overflowed jumps through the whole range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.hearing.spectrum import FRAMES
from vqa_agent.media import Samples

EDGES = np.linspace(-1.3, 1.3, 53).astype(np.float32)
"""Edges of the distribution's classes, as shares of the 99.7 % quantile of the absolute value."""

NEAR = (0.0002, 0.002, 0.01, 0.03, 0.08)
"""Distances to the extreme, as shares of it, within which samples are counted."""

_near = np.array(NEAR, np.float32)

HEIGHTS = 10
"""Classes of height in which the predictor's error is averaged."""

SHAPE = len(EDGES) - 1
"""Measures, the first ones, that describe the distribution."""

SPARSE = 5
"""Every fifth sample is enough for that mean, and for the median of gaps."""

MEASURES = SHAPE + 2 * (2 * len(NEAR) + 3) + HEIGHTS + 8


@dataclass(frozen=True, slots=True)
class Amplitudes:
    """`row` (FRAMES,): samples on flat tops in each fiftieth of a second; `measures`: (MEASURES,)."""

    row: NDArray[np.float32]
    measures: NDArray[np.float32]


def amplitudes(wave: Samples, error: NDArray[np.float32]) -> Amplitudes:
    """Measures of `wave` (n,), with `error` (n,) of its predictor."""
    ordered = np.sort(wave)
    step = np.diff(wave)
    top = max(float(ordered[-1]), -float(ordered[0]), 1e-6)
    size: NDArray[np.float32] = np.abs(wave)
    robust = max(float(ordered[int(0.9985 * len(wave))]), -float(ordered[int(0.0015 * len(wave))]), 1e-6)
    counts = np.diff(np.searchsorted(ordered, EDGES * np.float32(robust)))
    spread = np.log10(counts / len(wave) + 1e-5)
    still = step == 0
    sides = [_extreme(ordered, wave, still), _extreme(-ordered[::-1], -wave, still)]
    sides.sort(key=lambda side: -float(side[1]))
    by_height = _error_by_height(size[::SPARSE] / np.float32(robust), error[::SPARSE])
    flat = (np.abs(step) < 0.003 * robust) & (size[1:] > 0.85 * robust)
    edges = np.linspace(0, len(flat), FRAMES + 1).astype(np.intp)
    row = np.log1p(np.add.reduceat(flat, edges[:-1], dtype=np.float32))
    measures = np.concatenate([spread, *sides, by_height, _grid(ordered, top), _steps(step, still, size, robust, top)])
    return Amplitudes(row.astype(np.float32), measures.astype(np.float32))


def _extreme(rising: NDArray[np.float32], wave: Samples, still: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Of one polarity: how many samples lie near the extreme, how many come from where, how long the wave stays."""
    extreme = max(float(rising[-1]), 1e-6)
    inside, beyond = (
        len(rising) - np.searchsorted(rising, np.float32(extreme) * (1 - wide * _near), side="left") for wide in (1, 2)
    )
    hump = np.log((inside + 0.5) / (beyond - inside + 0.5))
    high = np.flatnonzero(wave > np.float32(0.97 * extreme))
    visits = np.count_nonzero(np.diff(high) > 1) + 1
    stay = np.log(len(high) / visits + 0.1)
    same = np.count_nonzero(still & (wave[1:] > np.float32(0.5 * extreme)))
    return np.array([*np.log1p(inside), *hump, np.log1p(visits), stay, np.log1p(same)], np.float32)


def _error_by_height(height: NDArray[np.float32], error: NDArray[np.float32]) -> NDArray[np.float32]:
    """(HEIGHTS,) mean square of the predictor's error where the wave is that high, in dB relative to its mean."""
    classes = np.minimum((height * np.float32(HEIGHTS / 1.05)).astype(np.intp), HEIGHTS - 1)
    power = error * error
    total = float(power.mean()) + 1e-15
    sums = np.bincount(classes, weights=power, minlength=HEIGHTS)
    counts = np.bincount(classes, minlength=HEIGHTS)
    mean = np.where(counts > 4, sums / np.maximum(counts, 1), total)
    return np.asarray(np.clip(10 * np.log10(mean / total + 1e-6), -30, 30), dtype=np.float32)


def _grid(ordered: NDArray[np.float32], top: float) -> NDArray[np.float32]:
    """How many values there are, and how far apart, and how often the most frequent comes, in powers of two."""
    gaps = np.diff(ordered)
    distinct = np.count_nonzero(gaps > 1e-7) + 1
    apart = gaps[::SPARSE]
    apart = apart[apart > 1e-7]
    middle = float(np.partition(apart, len(apart) // 2)[len(apart) // 2]) if len(apart) else 1e-7
    doubled = 0
    while (often := 1 << doubled) < len(ordered) and np.any(ordered[often:] == ordered[:-often]):
        doubled += 1
    values = [np.log2(distinct), np.log2(max(middle, 1e-7) / top), np.log2(max(middle, 2**-17)), doubled]
    return np.array(values, np.float32)


def _steps(
    step: NDArray[np.float32], still: NDArray[np.bool_], size: NDArray[np.float32], robust: float, top: float
) -> NDArray[np.float32]:
    """Samples that repeat the one before (`still`), and steps as large as the wave itself."""
    loud = size[1:] > np.float32(0.02 * top)
    held = np.count_nonzero(still & loud) / (np.count_nonzero(loud) + 1)
    large = np.abs(step)
    greatest = float(large.max())
    wraps = np.count_nonzero(large > 1.2 * robust)
    return np.array([held, np.log(greatest / top + 1e-3), np.log1p(wraps), np.log(top / robust)], np.float32)
