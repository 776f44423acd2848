"""A second opinion without faces: flashes with beeps, as line-up patterns carry them (EBU, SMPTE 2-pop and the like).

Both are found by what only a pattern has: a picture that is flat until it flashes, a pure tone out of silence. The
offset is that of the first bright picture's presentation to the tone's first millisecond. Short sounds out of silence
that are no tones (claps, a clapperboard, clicks) are found on the way: they are weaker evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.voice import voice_channels
from vqa_agent.media import Picture, Sound

RISE = 0.15
"""Least rise of the mean luma from one picture to the next, as a share of nominal range."""

CALM = 0.01
"""Greatest change of the mean luma in each of the `CALM_PICTURES` pictures before a flash."""

CALM_PICTURES = 3

LONGEST_FLASH = 0.5
"""Seconds within which the picture is dark again."""

STEP = 0.001
"""Seconds of one value of the envelope of the sound."""

QUIET = 0.1
"""Seconds of silence before a beep."""

DEPTH = 10 ** (-26 / 20)
"""Greatest level of that silence, as a share of the beep's peak."""

LEAST_PEAK = 10 ** (-50 / 20)
"""A beep's least peak: -50 dBFS."""

SHORTEST_BEEP, LONGEST_BEEP = 0.01, 0.5
"""Seconds."""

PURITY = 0.8
"""Least share of a beep's power that lies within 6 % of its strongest frequency."""

REACH = 1.0
"""Seconds from a flash to the farthest beep that may belong to it."""

AGREE = 0.02
"""Seconds by which the offsets of a pattern may differ."""


@dataclass(frozen=True, slots=True)
class PatternOffset:
    """What a line-up pattern says: `seconds` (positive: the sound is late), from `pairs` flashes with their beeps."""

    seconds: float
    pairs: int


class FlashWatch:
    """Finds the moments at which flashes begin."""

    def __init__(self) -> None:
        self.flashes: list[float] = []
        self._means: list[float] = []
        self._lit: tuple[float, float] | None = None

    def watch(self, picture: Picture) -> None:
        """Take in the next picture."""
        mean, before = picture.mean, self._means
        if self._lit is not None:
            since, dark = self._lit
            if picture.time - since > LONGEST_FLASH:
                self._lit = None
            elif mean < dark + RISE / 2:
                self.flashes.append(since)
                self._lit = None
        elif len(before) > CALM_PICTURES and mean - before[-1] >= RISE and np.ptp(before) <= CALM * CALM_PICTURES:
            self._lit = picture.time, before[-1]
        self._means = [*before[-CALM_PICTURES:], mean]

    def forget(self, before: float) -> None:
        """Let go of what began before `before`."""
        self.flashes = [moment for moment in self.flashes if moment >= before]


class BeepWatch:
    """Finds the moments at which beeps, and claps, begin."""

    def __init__(self) -> None:
        self.beeps: list[float] = []
        self.claps: list[float] = []
        self._wave: NDArray[np.float32] = np.zeros(0, np.float32)
        self._rate = 0
        self._start = 0.0
        self._told = -1.0

    def hear(self, sound: Sound) -> None:
        """Take in the next block."""
        end = self._start + len(self._wave) / self._rate if self._rate else -1.0
        wave = voice_channels(sound)[0]
        if sound.rate != self._rate or abs(sound.time - end) > 2 * STEP:
            self._wave, self._rate, self._start = wave, sound.rate, sound.time
        else:
            self._wave = np.concatenate([self._wave, wave])
        self._find()
        keep = round((QUIET + LONGEST_BEEP + 0.2) * self._rate)
        if (past := len(self._wave) - keep) > 0:
            self._wave, self._start = self._wave[past:], self._start + past / self._rate

    def forget(self, before: float) -> None:
        """Let go of what began before `before`."""
        self.beeps = [moment for moment in self.beeps if moment >= before]
        self.claps = [moment for moment in self.claps if moment >= before]

    def _find(self) -> None:
        size = max(1, round(self._rate * STEP))
        whole = len(self._wave) // size * size
        envelope = np.abs(self._wave[:whole]).reshape(-1, size).max(axis=1)
        seconds = size / self._rate
        quiet = round(QUIET / seconds)
        peak = float(envelope.max(initial=0.0))
        if peak < LEAST_PEAK or len(envelope) <= quiet:
            return
        loud = envelope >= peak / 4
        for place in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1:
            moment = self._start + int(place) * seconds
            if moment <= self._told + STEP or place < quiet or envelope[place - quiet : place - 1].max() > peak * DEPTH:
                continue
            after = np.flatnonzero(envelope[place:] < peak * DEPTH)
            if len(after) == 0 or after[0] * seconds > LONGEST_BEEP:
                return
            self._told = moment
            tone = self._wave[place * size : (place + int(after[0])) * size]
            if after[0] * seconds >= SHORTEST_BEEP:
                (self.beeps if purity(tone) >= PURITY else self.claps).append(moment)


def purity(tone: NDArray[np.float32]) -> float:
    """Share of the power that lies within 6 % of the strongest frequency; 1 for a sine."""
    power = np.abs(np.fft.rfft(tone * np.hanning(len(tone)))) ** 2
    top = int(power.argmax())
    beside = max(2, round(0.06 * top))
    return float(power[max(0, top - beside) : top + beside + 1].sum() / max(float(power.sum()), 1e-12))


def pattern_offset(flashes: Sequence[float], beeps: Sequence[float]) -> PatternOffset | None:
    """The offset on which the flashes and the nearest beeps agree; None where they do not, or where there are none.

    >>> pattern_offset([1.0, 2.0], [1.1, 2.1])
    PatternOffset(seconds=0.1, pairs=2)
    >>> pattern_offset([1.0, 2.0], [1.1, 2.4]) is None
    True
    """
    if not flashes or not beeps:
        return None
    apart = np.subtract.outer(np.asarray(beeps), np.asarray(flashes))
    nearest = apart[np.abs(apart).argmin(axis=0), np.arange(len(flashes))]
    pairs = nearest[np.abs(nearest) <= REACH]
    if len(pairs) == 0 or len(pairs) < len(flashes) - 1 or np.ptp(pairs) > AGREE:
        return None
    return PatternOffset(round(float(np.median(pairs)), 4), len(pairs))
