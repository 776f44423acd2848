"""The sound as the network hears it: a mel spectrum every 10 ms of media time, whatever the sound's own rate."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples, Sound

STEP = 0.01
"""Seconds from one row to the next. Row `n` is the spectrum around media second `n * STEP`."""

WINDOW = 0.025
"""Seconds of sound in one row."""

BANDS = 40
LOWEST, HIGHEST = 60.0, 7600.0
"""Number and range in Hz of the mel bands."""

FLOOR = 1e-10
"""Power of a band below which nothing is heard: -100 dBFS."""

RANGE = 12.0
"""How far below the loudest rows the quietest ones count, in nepers of power: 52 dB."""

SPREAD = 3.0
"""Nepers of power that are one unit of a normalised row."""

GAP = 0.005
"""Seconds by which the time stamps may jump before the sound counts as interrupted."""

Rows = NDArray[np.float32]
"""(n, BANDS) natural logarithm of the power in each band."""


@cache
def _bank(rate: int, size: int) -> NDArray[np.float32]:
    """(BANDS, size // 2 + 1) triangles on the mel scale, each the mean over its band."""

    def mel(hertz: float) -> float:
        return 1127 * float(np.log1p(hertz / 700))

    edges = 700 * np.expm1(np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2) / 1127)
    bins = np.arange(size // 2 + 1) * rate / size
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.clip(np.minimum(rise, fall), 0, None)
    return np.asarray(triangles / np.maximum(triangles.sum(axis=1, keepdims=True), 1e-9), np.float32)


def spectrum(samples: Samples, rate: int, starts: NDArray[np.int64]) -> Rows:
    """Rows for the windows of `samples` (channels, n) that begin at `starts`; channels add up as power.

    Adding power keeps a voice that is out of phase between left and right.
    """
    length = round(rate * WINDOW)
    size = 1 << int(np.ceil(np.log2(max(length, rate / 40))))
    shape = np.hanning(length).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, length, axis=1)[:, starts] * shape
    waves = np.fft.rfft(windows, size, axis=2)
    power = (waves.real**2 + waves.imag**2).mean(axis=0, dtype=np.float32) / np.float32((shape**2).sum() * length)
    return np.asarray(np.log(np.maximum(power @ _bank(rate, size).T, FLOOR)), np.float32)


def voice_channels(sound: Sound) -> Samples:
    """The channels that carry speech: the centre where there is one, else the first two."""
    if "FC" in sound.names and sound.channels > 1:
        return np.asarray(sound.samples[sound.names.index("FC")][None])
    return np.asarray(sound.samples[:2])


class Ear:
    """Turns blocks of sound into rows, as they come. Memory is bounded by `forget`.

    Rows that no sound was there for are silent.
    """

    def __init__(self) -> None:
        self._rows: list[Rows] = []
        self._first = 0
        self._next = 0
        self._held: Samples = np.zeros((1, 0), np.float32)
        self._rate = 0
        self._start = 0.0

    @property
    def end(self) -> int:
        """Number of the first row that is not there yet."""
        return self._next

    def hear(self, sound: Sound) -> None:
        """Take in a block; blocks come in order."""
        samples = voice_channels(sound)
        held_end = self._start + self._held.shape[1] / self._rate if self._rate else -1.0
        broken = sound.rate != self._rate or samples.shape[0] != self._held.shape[0]
        if broken or abs(sound.time - held_end) > GAP:
            self._held, self._rate, self._start = samples, sound.rate, sound.time
            self._skip(int(np.ceil((sound.time + WINDOW / 2) / STEP)))
        else:
            self._held = np.concatenate([self._held, samples], axis=1)
        self._measure()

    def rows(self, first: int, last: int) -> Rows:
        """Rows `first` to `last` - 1; silent where there was no sound."""
        out = np.full((last - first, BANDS), np.log(FLOOR), np.float32)
        have = np.concatenate(self._rows) if self._rows else out[:0]
        low, high = max(first, self._first), min(last, self._first + len(have))
        if low < high:
            out[low - first : high - first] = have[low - self._first : high - self._first]
        return out

    def forget(self, before: int) -> None:
        """Let go of the rows before number `before`."""
        while self._rows and self._first + len(self._rows[0]) <= before:
            self._first += len(self._rows.pop(0))

    def _skip(self, to: int) -> None:
        """Go on with row `to`: what lies before is silent."""
        if not self._rows or to - self._next > round(60 / STEP):
            self._rows, self._first = [], to
        elif to > self._next:
            self._rows.append(np.full((to - self._next, BANDS), np.log(FLOOR), np.float32))
        self._next = max(to, self._next) if self._rows else to

    def _measure(self) -> None:
        """The rows whose windows are complete; keep the samples that the next ones need."""
        length = round(self._rate * WINDOW)
        last = self._start + (self._held.shape[1] - length / 2) / self._rate
        numbers = np.arange(self._next, int(np.floor(last / STEP)) + 1)
        starts = np.rint((numbers * STEP - self._start) * self._rate - length / 2).astype(np.int64)
        keep = (starts >= 0) & (starts + length <= self._held.shape[1])
        if not keep.any():
            return
        self._rows.append(spectrum(self._held, self._rate, starts[keep]))
        self._next = int(numbers[keep][-1]) + 1
        used = max(0, int((self._next * STEP - self._start) * self._rate - length / 2) - 2)
        self._held = self._held[:, used:]
        self._start += used / self._rate


def normalise(rows: Rows, near: slice = slice(None)) -> Rows:
    """Rows relative to each band's mean, in units of `SPREAD`, within +-3; loudness and tone colour fall out.

    Level and means are those of the rows that are `near`.
    """
    floor = max(float(np.percentile(rows[near], 99)) - RANGE, float(np.log(FLOOR)))
    raised = np.maximum(rows, floor)
    return np.asarray(np.clip((raised - raised[near].mean(axis=0)) / SPREAD, -3, 3), np.float32)


AUDIBLE = 2 * np.log(10 ** (-62 / 20))
"""Power, in nepers, of the loudest band in a row in which a voice could be: -62 dBFS."""

BELOW = 6.0
"""Nepers below the loudest rows at which a voice still counts: 26 dB."""

SPEECH = slice(5, 34)
"""Bands between about 230 and 4500 Hz."""


def active(rows: Rows, near: slice = slice(None)) -> NDArray[np.bool_]:
    """(n,) whether there could be a voice in each of `rows`: loud, and not much below the loudest `near` ones."""
    level = rows[:, SPEECH].max(axis=1, initial=float(np.log(FLOOR)))
    top = float(np.percentile(level[near], 95)) if len(level) else 0.0
    return np.asarray(level > max(AUDIBLE, top - BELOW))
