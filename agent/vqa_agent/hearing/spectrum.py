"""The course of the spectrum over one second, in bands of equal width to the ear."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

FRAMES = 50
"""Spectra in a second."""

BANDS = 64
GROUPS = 16
"""Groups of neighbouring bands whose noise floor is followed."""
LOWEST, HIGHEST = 30.0, 20_000.0
"""Hz, the edges of the lowest and of the highest band. Bands that a low sample rate cannot hold read as empty."""

EMPTY_DB = -90.0
"""Least level of a band, in dB below the level of the whole second."""

PARTS = 10
"""Products into which the one with the filter bank is cut."""

WINDOW = 0.0213
"""Seconds of one spectrum: 1024 samples at 48 kHz."""


class Spectrograph:
    """Band levels of seconds of one sample rate.

    Everything is made for the rate at hand instead of resampling the sound: it costs nothing, and leaves the samples
    as exact as they came for the other measures.
    """

    def __init__(self, rate: int) -> None:
        self._window = np.hanning(max(16, round(rate * WINDOW)) + 2)[1:-1].astype(np.float32)
        self._size = 1 << (len(self._window) - 1).bit_length()
        scale = np.float32(2 / ((self._window**2).sum() * self._size))
        self._bank = np.ascontiguousarray(_bank(rate, self._size).T) * scale
        edges = _edges()[:: BANDS // GROUPS] * self._size / rate
        lines = np.minimum(np.round(edges[: GROUPS + 1]).astype(int), self._size // 2)
        self._groups = [(first, max(last, first + 1)) for first, last in pairwise(lines) if first < self._size // 2]
        self._scale = scale
        # Made once: the allocator would give such arrays back to the system, and fetch them anew, every second.
        self._pieces = np.empty((FRAMES, len(self._window)), np.float32)
        self._density = np.empty((FRAMES, self._size // 2 + 1), np.float32)

    def levels(self, wave: Samples, power: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(BANDS, FRAMES) level of each band in dB relative to `power`, the mean square of `wave` (n,), and (GROUPS,)
        the level of the valleys: the lowest tenth of a group's single lines over the whole second.

        Noise fills the valleys between partials and between syllables alike: they lie 10 dB below the mean of noise.
        """
        starts = np.linspace(0, len(wave) - len(self._window), FRAMES).astype(np.intp)
        windows = np.lib.stride_tricks.sliding_window_view(wave, len(self._window))
        pieces = np.multiply(windows[starts], self._window, out=self._pieces)
        spectrum = np.fft.rfft(pieces, self._size)
        density = np.square(spectrum.real, out=self._density)
        density += np.square(spectrum.imag)
        # In parts so small that no library wakes threads for them: those cost more than they do.
        bands = (density.reshape(PARTS, FRAMES // PARTS, -1) @ self._bank).reshape(FRAMES, BANDS).T
        floor = power * 10 ** (EMPTY_DB / 10)
        valleys = np.full(GROUPS, floor, np.float32)
        for number, (first, last) in enumerate(self._groups):
            lines = density[:, first:last].ravel()
            valleys[number] += np.partition(lines, len(lines) // 10)[len(lines) // 10] * self._scale
        return _decibels(np.maximum(bands, floor) / power), _decibels(valleys / power)


def _bank(rate: int, size: int) -> NDArray[np.float32]:
    """(BANDS, size / 2 + 1) triangles, equally spaced on the mel scale, at least one line of the spectrum wide."""
    lines = np.fft.rfftfreq(size, 1 / rate)
    edges = _edges()
    centre = edges[1:-1, None]
    below = np.maximum(centre - edges[:-2, None], lines[1])
    above = np.maximum(edges[2:, None] - centre, lines[1])
    bank = np.clip(np.minimum((lines - centre) / below + 1, (centre - lines) / above + 1), 0, None)
    bank[centre[:, 0] > 0.49 * rate] = 0
    return np.asarray(bank, dtype=np.float32)


def _edges() -> NDArray[np.float64]:
    """(BANDS + 2,) Hz between the bands."""
    return np.asarray(700 * (10 ** (np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2) / 2595) - 1))


def _decibels(ratio: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(10 * np.log10(ratio), dtype=np.float32)


def _mel(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))
