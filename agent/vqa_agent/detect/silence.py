"""Sound that is silent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import SILENCE_FLOOR_DB, Sound


class SilenceSettings(Settings):
    level: float = Field(-60.0, ge=-120, le=0, description="RMS in dBFS at or below which a channel is silent.")


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
    no room gives it.

    Settings: raise `level` where the programme's pauses carry noise; lower it where whispering is programme.

    Mistakes: long pauses of a programme without any room tone. Misses: hiss or hum in place of the programme (they
    are not silence); one silent channel (see channel_missing).

    Source: -60 dBFS is the field's commonest limit (ffmpeg silencedetect, Evertz, Axon); digital zero told apart.

    >>> import numpy as np
    >>> quiet = Sound(time=0.0, rate=48000, samples=np.zeros((2, 4800), np.float32))
    >>> [(finding.bad, finding.certain) for finding in Silence(SilenceSettings()).look(quiet)]
    [(True, True)]
    """

    def look(self, sound: Sound) -> Iterable[Finding]:
        counted = [number for number, name in enumerate(sound.names) if name != "LFE"] or list(range(sound.channels))
        loudest = float(max(alternating_level(sound)[counted]))
        bad = loudest <= self.settings.level
        yield Finding(
            detector=self.name,
            start=sound.time,
            end=sound.end,
            score=1.0 if bad else max(0.0, min(0.49, -loudest / 120)),
            bad=bad,
            certain=loudest <= SILENCE_FLOOR_DB,
            detail={"dbfs": round(loudest, 1), "zero": loudest <= SILENCE_FLOOR_DB},
        )


def alternating_level(sound: Sound) -> NDArray[np.float64]:
    """(channels,) RMS in dBFS of each channel without its mean; the floor stands for no change at all."""
    if not sound.samples.shape[1]:
        return np.full(sound.channels, SILENCE_FLOOR_DB)
    constant = np.all(sound.samples == sound.samples[:, :1], axis=1)
    mean = sound.samples.mean(axis=1, dtype=np.float64)
    power = np.maximum(np.asarray(sound.power, np.float64) - mean**2, 10 ** (SILENCE_FLOOR_DB / 10))
    level = np.maximum(10 * np.log10(power), SILENCE_FLOOR_DB + 1)
    return np.where(constant, SILENCE_FLOOR_DB, level)
