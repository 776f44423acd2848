"""What a linear predictor cannot foresee: clicks, jumps and holes stand out of it.

A predictor learnt anew every 50 ms follows voices and instruments; a click is over before it can be learnt. What
drums, castanets and doors excite decays over many milliseconds, a click stands alone: `isolation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.hearing.spectrum import FRAMES
from vqa_agent.media import Samples

ORDER = 12
BLOCKS = 20
"""Predictors in a second."""

REGULARISATION = 1e-6
"""Noise added for the predictor, as a share of the power: it may not look deeper than 60 dB into an empty band."""

STEPS = 1000
"""Values of the envelope in a second."""

GUARD, BESIDE = 3, 16
"""Steps next to a moment that may belong to the same click, and steps beyond them that it is compared with."""

BUZZ = np.array([50, 100, 150, 200, 60, 120, 180, 240])
"""Hz at which rectifiers and dimmers pulse, and multiples: their buzz repeats in the envelope, at any pitch."""

_around = BUZZ[:, None] + np.array([-8, -7, -6, -4, -3, 3, 4, 6, 7, 8])

LOUDEST = 8
COUNTED_DB = (12.0, 18.0, 24.0)
HOLE_DB = -25.0


@dataclass(frozen=True, slots=True)
class Residual:
    """`wave` (n,) is the residual itself; `course` (STEPS,) its envelope, `depth` (STEPS,) how far the sound dips below
    what is beside, in dB; `rows` (6, FRAMES) what is shown of them; `measures` (MEASURES,) what stands out."""

    wave: NDArray[np.float32]
    course: NDArray[np.float32]
    depth: NDArray[np.float32]
    rows: NDArray[np.float32]
    measures: NDArray[np.float32]


MEASURES = LOUDEST + len(COUNTED_DB) + 4 + len(BUZZ)
ROWS = 6


def unforeseen(wave: Samples, power: float) -> Residual:
    """The residual of `wave` (n,), whose mean square is `power`."""
    error = predict(wave)
    course = envelope(error) + least(power)
    isolation = 20 * np.log10(course / beside(course, np.maximum))
    heard = envelope(wave) + np.float32(1e-3 * power**0.5 + 1e-8)
    depth = 20 * np.log10(heard / beside(heard, np.minimum))
    alone = np.sort(peaks(isolation))[::-1]
    share = 10 * np.log10((float(np.mean(error**2)) + 1e-15) / (power + 1e-15))
    jump = 20 * np.log10(course.max() / power**0.5)
    counts = [np.log1p(np.count_nonzero(alone > limit)) for limit in COUNTED_DB]
    holes = [np.log1p(np.count_nonzero(depth < HOLE_DB)), max(-60.0, float(depth.min()))]
    measures = np.array([*alone[:LOUDEST], *counts, *holes, share, jump, *_buzz(course)], np.float32)
    level = 20 * np.log10(course.reshape(FRAMES, -1).mean(axis=1) / power**0.5)
    dips = depth.reshape(FRAMES, -1).min(axis=1)
    rows = np.vstack([isolation.reshape(FRAMES, 4, -1).max(axis=2).T, level, np.maximum(dips, -60)])
    return Residual(error, course, depth, rows.astype(np.float32), measures)


def least(power: float) -> np.float32:
    """What is added to an envelope, so that the silence between two sounds has a level, too."""
    return np.float32(1e-6 * power**0.5 + 1e-8)


def predict(wave: Samples) -> NDArray[np.float32]:
    """(n,) error of the predictor of each block (autocorrelation method); the first `ORDER` samples are 0."""
    size = len(wave) // BLOCKS
    blocks = wave[: size * BLOCKS].reshape(BLOCKS, size)
    lags = [np.einsum("bn,bn->b", blocks[:, lag:], blocks[:, : size - lag]) for lag in range(ORDER + 1)]
    correlation = np.stack(lags, axis=1).astype(np.float64)
    correlation[:, 0] = correlation[:, 0] * (1 + REGULARISATION) + 1e-10
    steps = np.arange(ORDER)
    matrix = correlation[:, np.abs(steps[:, None] - steps)]
    weights = np.linalg.solve(matrix, correlation[:, 1:, None])[:, :, 0].astype(np.float32)
    error = wave.copy()
    body = error[: size * BLOCKS].reshape(BLOCKS, size)
    past = np.concatenate([np.zeros(ORDER, np.float32), wave])
    product = np.empty_like(body)
    for lag in range(1, ORDER + 1):
        shifted = past[ORDER - lag : ORDER - lag + size * BLOCKS].reshape(BLOCKS, size)
        np.multiply(shifted, weights[:, lag - 1 : lag], out=product)
        body -= product
    error[:ORDER] = 0
    error[size * BLOCKS :] = 0
    return error


def envelope(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """(STEPS,) greatest absolute value in each step. Along the first axis NumPy's maximum is a vector operation."""
    width = len(wave) // STEPS
    steps = np.ascontiguousarray(wave[: width * STEPS].reshape(STEPS, width).T)
    return np.asarray(np.abs(steps, out=steps).max(axis=0))


def _buzz(course: NDArray[np.float32]) -> NDArray[np.float32]:
    """(BUZZ,) dB by which the envelope of the whole second pulses more at these frequencies than beside them."""
    spectrum = np.fft.rfft(np.log(course))
    power = spectrum.real**2 + spectrum.imag**2 + np.float32(1e-3)
    return np.asarray(10 * np.log10(power[BUZZ] / power[_around].mean(axis=1) + 1e-3), dtype=np.float32)


def beside(course: NDArray[np.float32], choose: np.ufunc) -> NDArray[np.float32]:
    """(steps,) of the usual values before and after each moment, the one that `choose` takes."""
    around = GUARD + BESIDE
    padded = np.concatenate([course[around:0:-1], course, course[-2 : -around - 2 : -1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, BESIDE)
    usual = np.partition(windows, BESIDE // 2, axis=1)[:, BESIDE // 2]
    after = GUARD + BESIDE + GUARD + 1
    return np.asarray(choose(usual[: len(course)], usual[after : after + len(course)]), dtype=np.float32)


def peaks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """`values` where they are the greatest of their neighbours within `GUARD` steps, and 0 elsewhere."""
    padded = np.concatenate([np.repeat(values[:1], GUARD), values, np.repeat(values[-1:], GUARD)])
    greatest = np.max([padded[shift : shift + len(values)] for shift in range(2 * GUARD + 1)], axis=0)
    return np.where(values >= greatest, values, np.float32(0))
