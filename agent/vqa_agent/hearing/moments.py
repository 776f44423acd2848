"""Moments that stand alone, at several resolutions: clicks, the bursts that a codec makes of them, jumps and holes.

`residual` compares a moment with what is usual beside it; the pulses of a voice exceed that, too. Here it is compared
with the greatest beside it, which lets a faint click among pulses be told: it comes once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqa_agent.hearing.residual import BESIDE, GUARD, Residual, beside, envelope, least, peaks
from vqa_agent.media import Samples

STEPS = 250
"""Root mean squares in a second, of 4 ms each: a codec spreads a click over so much."""

COUNTED_DB = (3.0, 8.0)
DIPS_DB = (-12.0, -18.0)

STILL = 0.4
"""Milliseconds from which on samples that stay the same are counted: a stuck converter, a hole."""

MEASURES = 2 * (4 + len(COUNTED_DB)) + 8 + 3 + len(DIPS_DB) + 2


def moments(wave: Samples, foreseen: Residual, power: float) -> NDArray[np.float32]:
    """(MEASURES,) of one second (n,), with what a predictor makes of it, and its mean square."""
    bent = envelope(np.concatenate([np.zeros(3, np.float32), np.diff(wave, 3)])) + least(power)
    sharp = [*_alone(foreseen.course), *_alone(bent), *_bursts(foreseen.wave, least(power))]
    return np.array([*sharp, *_dips(foreseen.depth), *_still(wave)], np.float32)


def _alone(course: NDArray[np.float32]) -> NDArray[np.float64]:
    """The four moments of an envelope that stand out most of the greatest beside them, in dB, and how many do."""
    out = np.sort(_above_greatest(course))[::-1]
    return np.array([*out[:4], *(np.log1p(np.count_nonzero(out > limit)) for limit in COUNTED_DB)])


def _above_greatest(course: NDArray[np.float32]) -> NDArray[np.float32]:
    return peaks(20 * np.log10(course / _greatest_beside(course)))


def _greatest_beside(course: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest within `BESIDE` steps before and after each moment, `GUARD` steps around it left out."""
    around = GUARD + BESIDE
    greatest = np.concatenate([course[around:0:-1], course, course[-2 : -around - 2 : -1]])
    for shift in (1, 2, 4, 8):  # doubled until it holds 16 steps
        greatest = np.maximum(greatest[:-shift], greatest[shift:])
    count, after = len(course), GUARD + BESIDE + GUARD + 1
    return np.asarray(np.maximum(greatest[:count], greatest[after : after + count]))


def _bursts(error: NDArray[np.float32], floor: np.float32) -> list[float]:
    """The same of the error's power in steps of 4 ms, against the greatest and against the usual beside."""
    size = len(error) // STEPS
    course = np.sqrt(np.mean(error[: size * STEPS].reshape(STEPS, size) ** 2, axis=1)) + floor
    alone = np.sort(_above_greatest(course))[::-1]
    usual = np.sort(peaks(20 * np.log10(course / beside(course, np.maximum))))[::-1]
    counts = [np.log1p(np.count_nonzero(out > limit)) for out, limit in ((alone, 3.0), (usual, 8.0))]
    return [*alone[:3], counts[0], *usual[:3], counts[1]]


def _dips(depth: NDArray[np.float32]) -> list[float]:
    """The three deepest dips of the wave itself in dB, and how many milliseconds lie that deep."""
    deepest = np.sort(-peaks(-depth))
    return [*deepest[:3], *(np.log1p(np.count_nonzero(depth < limit)) for limit in DIPS_DB)]


def _still(wave: Samples) -> list[float]:
    """Milliseconds of the longest run of equal samples, and how many runs are longer than `STILL` (logarithms)."""
    same = np.concatenate([[False], wave[1:] == wave[:-1], [False]])
    edges = np.flatnonzero(same[1:] != same[:-1])
    lengths = (edges[1::2] - edges[::2]) * (1000 / len(wave))
    return [np.log1p(lengths.max(initial=0.0)), np.log1p(np.count_nonzero(lengths > STILL))]
