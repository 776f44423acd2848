"""Sound that is silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, register
from vqa_agent.media import SILENCE_FLOOR_DB, Sound, Value

PAUSE, ALIKE = 0.5, 3.0
"""Seconds from which on silence is a pause, and decibels within which one has the background of another."""

LEAD_IN = 0.5
"""Seconds of sound before which the programme has not begun."""

PATIENCE = 10.0
"""Seconds from which on no pause is natural."""


class SilenceSettings(Settings):
    level: float = Field(-60.0, ge=-120, le=0, description="RMS in dBFS at or below which a channel is silent.")


@dataclass(slots=True)
class _Pause:
    """Silence that is going on: since when, and its quietest level so far in dBFS."""

    start: float
    quietest: float


@register(
    "silence",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=1.0, certain_set_time=3.0),
    file=Rule(set_time=2.0, clear_time=0.3),
)
class Silence(Detector[SilenceSettings]):
    """Sees: every channel silent at the same time.

    Formula: the RMS of each channel over 100 ms, less its mean (an offset is not sound), is at or below `level`; the
    effects channel (LFE) does not count. Digital zero, where every sample is the same, is certain: no microphone and
    no room gives it. In files, other silence is natural for 10 s where the programme has not begun (less than half a
    second of sound so far) but begins later, or where its background is that of an earlier pause (within 3 dB): then
    it is one, too.

    Settings: raise `level` where the programme's pauses carry noise; lower it where whispering is programme.

    Mistakes: the first long pause of a programme in a quiet room. Misses: hiss or hum in place of the programme (they
    are not silence); one silent channel (see channel_missing).

    Source: -60 dBFS is the field's commonest limit (ffmpeg silencedetect, Evertz, Axon); digital zero told apart.

    >>> import numpy as np
    >>> quiet = Sound(time=0.0, rate=48000, samples=np.zeros((2, 4800), np.float32))
    >>> [(finding.bad, finding.certain) for finding in Silence(SilenceSettings()).look(quiet)]
    [(True, True)]
    """

    def reset(self) -> None:
        self._heard = self._end = 0.0
        self._pause: _Pause | None = None
        self._background: float | None = None

    def look(self, sound: Sound) -> Iterable[Finding]:
        counted = [number for number, name in enumerate(sound.names) if name != "LFE"] or list(range(sound.channels))
        loudest = float(max(alternating_level(sound)[counted]))
        self._end = sound.end
        zero = loudest <= SILENCE_FLOOR_DB
        start, bad = sound.time, loudest <= self.settings.level
        if not bad:
            self._end_pause(sound)
        else:
            pause = self._pause = self._pause or _Pause(sound.time, loudest)
            pause.quietest = min(pause.quietest, loudest)
            bad = zero or not self._is_natural(pause, sound.end)
            start = sound.time if zero else pause.start
        yield Finding(
            detector=self.name,
            start=start,
            end=sound.end,
            score=1.0 if bad else max(0.0, min(0.49, -loudest / 120)),
            bad=bad,
            certain=zero,
            detail=self._detail(loudest),
        )

    def close(self) -> Iterable[Finding]:
        """A lead-in to nothing is silence after all."""
        if self._pause is not None and self._heard < LEAD_IN:
            yield Finding(
                self.name, self._pause.start, self._end, 1.0, bad=True, detail=self._detail(self._pause.quietest)
            )

    def _is_natural(self, pause: _Pause, now: float) -> bool:
        """Whether silence in a file is its lead-in, or one more pause of the same background."""
        if self.profile is Profile.LIVE or now - pause.start > PATIENCE:
            return False
        known = self._background is not None and abs(pause.quietest - self._background) <= ALIKE
        return known or self._heard < LEAD_IN

    def _detail(self, dbfs: float) -> dict[str, Value]:
        return {"dbfs": round(dbfs, 1), "zero": dbfs <= SILENCE_FLOOR_DB}

    def _end_pause(self, sound: Sound) -> None:
        """Sound is heard: keep the background of the pause that it ends."""
        self._heard += sound.duration
        if self._pause is not None and sound.time - self._pause.start >= PAUSE:
            self._background = self._pause.quietest
        self._pause = None


def alternating_level(sound: Sound) -> NDArray[np.float64]:
    """(channels,) RMS in dBFS of each channel without its mean; the floor stands for no change at all."""
    if not sound.samples.shape[1]:
        return np.full(sound.channels, SILENCE_FLOOR_DB)
    constant = np.all(sound.samples == sound.samples[:, :1], axis=1)
    mean = sound.samples.mean(axis=1, dtype=np.float64)
    power = np.maximum(np.asarray(sound.power, np.float64) - mean**2, 10 ** (SILENCE_FLOOR_DB / 10))
    level = np.maximum(10 * np.log10(power), SILENCE_FLOOR_DB + 1)
    return np.where(constant, SILENCE_FLOOR_DB, level)
