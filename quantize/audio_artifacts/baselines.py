"""Strong small rules that the network must beat, one for each defect. (Boosted trees on the measures are a part of it.)

Each rule gives a score per whole second of a clip, higher for more of the defect; what lies around the second may be
looked at. `evaluate.py` sets each rule's threshold on the validation recordings, as it does for the network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

Scores = NDArray[np.float64]


def brandt_bitzer(wave: Samples, rate: int) -> Scores:
    """Hum: lines whose power is steady over up to 10 s (10 % quantile over 55 % quantile, 22.5 to 400 Hz), however they
    came about (JAES 62(9), 2014; the settings of Essentia's HumDetector: frames of 0.4 s, 0.2 s apart)."""
    size, hop = round(0.4 * rate), round(0.2 * rate)
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hanning(size)
    lines = np.fft.rfftfreq(size, 1 / rate)
    power = np.abs(np.fft.rfft(frames)[:, (lines >= 22.5) & (lines <= 400)]) ** 2 + 1e-12
    scores = []
    for second in range(len(wave) // rate):
        part = power[max(0, 5 * second - 25) : 5 * second + 25]
        steady = np.quantile(part, 0.1, axis=0) / np.quantile(part, 0.55, axis=0)
        scores.append(float(np.max(steady) / np.median(steady)))
    return np.array(scores)


def comb(wave: Samples, rate: int) -> Scores:
    """Hum: mean level of the multiples of the likeliest mains over what lies within 12 Hz, in one second."""
    spectra = np.abs(np.fft.rfft(_seconds(wave, rate) * np.hanning(rate))) ** 2 + 1e-12
    scores = []
    for power in spectra:
        best = -100.0
        for mains in (50, 60):
            levels = []
            for line in range(mains, min(800, rate // 2 - 20), mains):
                beside = np.median(np.r_[power[line - 12 : line - 3], power[line + 4 : line + 13]])
                levels.append(min(40.0, 10 * np.log10(power[line - 1 : line + 2].max() / beside)))
            best = max(best, float(np.mean(levels)))
        scores.append(best)
    return np.array(scores)


def noise_floor(wave: Samples, rate: int) -> Scores:
    """Hiss: the floor above 4 kHz (a quarter of the rate at low ones) in the quietest tenth of the frames of 10 s, in
    dB relative to the programme, if it is flat."""
    size = max(64, round(0.02 * rate))
    frames = wave[: len(wave) // size * size].reshape(-1, size) * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2 + 1e-12
    high = power[:, round(min(4000 * size / rate, size / 8)) : size // 2 - 1]
    level, total = high.mean(axis=1), power.sum(axis=1)
    per_second = max(1, rate // size)
    scores = []
    for second in range(len(wave) // rate):
        part = slice(max(0, (second - 5) * per_second), (second + 5) * per_second)
        quiet = np.argsort(level[part])[: max(1, len(level[part]) // 10)]
        floor = high[part][quiet].mean(axis=0)
        flat = np.exp(np.mean(np.log(floor))) / floor.mean()
        programme = np.quantile(total[part], 0.8) / high.shape[1]
        scores.append(10 * np.log10(floor.mean() / programme + 1e-12) + 20 * np.log10(flat))
    return np.array(scores)


def flat_tops(wave: Samples, rate: int) -> Scores:
    """Distortion: the mass at the edges of the distribution of the values over that beside them (Hansen and others,
    Speech Communication 134, 2021), and runs of equal samples at the top."""
    scores = []
    for second in _seconds(wave, rate):
        ratios = []
        for half in (second, -second):
            top = max(float(half.max()), 1e-6)
            edge, beside = (
                np.count_nonzero(half > 0.98 * top),
                np.count_nonzero((half > 0.90 * top) & (half <= 0.98 * top)),
            )
            equal = np.count_nonzero((np.diff(half) == 0) & (half[1:] > 0.9 * top))
            ratios.append(np.log((edge + 2) / (beside + 8)) + 0.5 * np.log1p(equal))
        scores.append(max(ratios))
    return np.array(scores)


def predictor_clicks(wave: Samples, rate: int) -> Scores:
    """Clicks: greatest error of a linear predictor of order 12 over its robust power, in dB (Essentia's ClickDetector:
    frames of 512 samples at 44.1 kHz, robust power from values limited to 10 medians, silent frames left out)."""
    size, order = max(128, round(512 * rate / 44100)), 12
    scores = []
    for second in _seconds(wave, rate):
        frames = second[: len(second) // size * size].reshape(-1, size).astype(np.float64)
        lags = np.stack([(frames[:, lag:] * frames[:, : size - lag]).sum(axis=1) for lag in range(order + 1)], axis=1)
        lags[:, 0] = lags[:, 0] * (1 + 1e-6) + 1e-9
        matrix = lags[:, np.abs(np.arange(order)[:, None] - np.arange(order))]
        weights = np.linalg.solve(matrix, lags[:, 1:, None])[:, :, 0]
        past = np.lib.stride_tricks.sliding_window_view(frames, order, axis=1)[:, :-1, ::-1]
        error = np.abs(frames[:, order:] - np.einsum("fno,fo->fn", past, weights))
        middle = np.median(error, axis=1, keepdims=True) + 1e-9
        robust = np.sqrt(np.mean(np.minimum(error, 10 * middle) ** 2, axis=1))
        loud = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12) > -50
        peaks = np.where(loud, 20 * np.log10(error.max(axis=1) / robust), 0)
        scores.append(float(peaks.max()))
    return np.array(scores)


RULES: dict[str, tuple[str, Callable[[Samples, int], Scores]]] = {
    "Brandt-Bitzer steadiness, 10 s": ("hum", brandt_bitzer),
    "comb of the mains, 1 s": ("hum", comb),
    "noise floor": ("hiss", noise_floor),
    "edges of the distribution": ("distortion", flat_tops),
    "linear predictor": ("clicks", predictor_clicks),
}


def _seconds(wave: Samples, rate: int) -> Samples:
    return wave[: len(wave) // rate * rate].reshape(-1, rate)
