"""Sound that is silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.media import SILENCE_FLOOR_DB, Sound

PAUSE, ALIKE = 0.5, 3.0
"""Seconds from which on silence is a pause, and decibels within which one has the background of another."""

LEAD_IN = 1.0
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
    no room gives it. In files, other silence is minor for 10 s where the programme has not begun (less than a second
    of sound so far), or where its background is that of an earlier pause (within 3 dB): then it is one, too.

    Settings: raise `level` where the programme's pauses carry noise; lower it where whispering is programme.

    Mistakes: long pauses of a programme without any room tone. Misses: hiss or hum in place of the programme (they
    are not silence); one silent channel (see channel_missing).

    Source: -60 dBFS is the field's commonest limit (ffmpeg silencedetect, Evertz, Axon); digital zero told apart.

    >>> import numpy as np
    >>> quiet = Sound(time=0.0, rate=48000, samples=np.zeros((2, 4800), np.float32))
    >>> [(finding.bad, finding.certain) for finding in Silence(SilenceSettings()).look(quiet)]
    [(True, True)]
    """

    def reset(self) -> None:
        self._heard = 0.0
        self._pause: _Pause | None = None
        self._background: float | None = None

    def look(self, sound: Sound) -> Iterable[Finding]:
        counted = [number for number, name in enumerate(sound.names) if name != "LFE"] or list(range(sound.channels))
        loudest = float(max(alternating_level(sound)[counted]))
        bad = loudest <= self.settings.level
        natural = self._is_natural(sound, loudest) if bad else self._end_pause(sound)
        yield Finding(
            detector=self.name,
            start=sound.time,
            end=sound.end,
            score=1.0 if bad else max(0.0, min(0.49, -loudest / 120)),
            bad=bad,
            certain=loudest <= SILENCE_FLOOR_DB,
            detail={"dbfs": round(loudest, 1), "zero": loudest <= SILENCE_FLOOR_DB},
            severity=Severity.MINOR if natural else None,
        )

    def _is_natural(self, sound: Sound, dbfs: float) -> bool:
        """Whether silence in a file is its lead-in, or one more pause of the same background."""
        pause = self._pause = self._pause or _Pause(sound.time, dbfs)
        pause.quietest = min(pause.quietest, dbfs)
        if self.profile is Profile.LIVE or dbfs <= SILENCE_FLOOR_DB or sound.end - pause.start > PATIENCE:
            return False
        known = self._background is not None and abs(pause.quietest - self._background) <= ALIKE
        return known or self._heard < LEAD_IN

    def _end_pause(self, sound: Sound) -> bool:
        """Sound is heard: keep the background of the pause that it ends."""
        self._heard += sound.duration
        if self._pause is not None and sound.time - self._pause.start >= PAUSE:
            self._background = self._pause.quietest
        self._pause = None
        return False


def alternating_level(sound: Sound) -> NDArray[np.float64]:
    """(channels,) RMS in dBFS of each channel without its mean; the floor stands for no change at all."""
    if not sound.samples.shape[1]:
        return np.full(sound.channels, SILENCE_FLOOR_DB)
    constant = np.all(sound.samples == sound.samples[:, :1], axis=1)
    mean = sound.samples.mean(axis=1, dtype=np.float64)
    power = np.maximum(np.asarray(sound.power, np.float64) - mean**2, 10 ** (SILENCE_FLOOR_DB / 10))
    level = np.maximum(10 * np.log10(power), SILENCE_FLOOR_DB + 1)
    return np.where(constant, SILENCE_FLOOR_DB, level)
