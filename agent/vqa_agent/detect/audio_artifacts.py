"""Hum, hiss, distortion and clicks, as a network hears them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, register
from vqa_agent.hearing import AFTER, BEFORE, Heard, Listener, Segments, hum_level, measures
from vqa_agent.infer import Model, open_model, uncertainty
from vqa_agent.media import Sound

NONE = "none"
PREFIX = "audio_"
HUM = "audio_hum"

SURER = {"audio_hiss": -0.5, "audio_distortion": 2.5, "audio_clicks": -0.5}
"""Added to the margin: music is distorted by intent, as a part of its sound, but seldom hisses and does not click."""

HUM_DBFS = -55.0
"""Hum that goes on at a lower level than this is no alarm: many a sound recording has it."""


class AudioArtifactsSettings(Settings):
    margin: float = Field(
        3.0,
        ge=-4,
        le=8,
        description="How much surer than for a label an alarm must be: natural log of the odds.",
    )


@dataclass(frozen=True, slots=True)
class _Second:
    """`heard` by channel (its name), silent ones left out."""

    start: float
    end: float
    heard: dict[str, Heard]


@register(
    "audio_artifacts",
    reads="audio",
    cost="neural",
    defects=("audio_hum", "audio_hiss", "audio_distortion", "audio_clicks"),
    live=Rule(set_time=8.0, clear_time=10.0, count=5, looks=8),
    file=Rule(set_time=5.0, clear_time=5.0, count=3, looks=5),
)
class AudioArtifacts(Detector[AudioArtifactsSettings]):
    """Sees: hum of the mains, hiss, distortion (clipped, overdriven, too few bits, overflowed) and clicks.

    Formula: each second of each channel goes through a small INT8 network and boosted trees (one ONNX file), as its
    band levels, what a linear predictor cannot foresee, flat tops, the distribution, grid and ceiling of its values,
    mirror images in its spectrum, and how steadily it holds multiples of exactly 50 or 60 Hz; the noise floor, the
    mains, clicks and tops are also looked at over the 5 s before and the 2 s after, so that an answer comes 2 s late.
    The model gives a probability for each defect; `label` is the defect that exceeds its threshold by most, or none.
    The worst channel counts, the effects channel (LFE) does not. An event needs more: odds that exceed the
    threshold's by `margin` (for distortion by 2.5 more, for hiss and for clicks by 0.5 less), in 5 of 8 seconds (in a
    file 3 of 5); and of hum, that the same multiples of 50 or 60 Hz go on for 3 s, in the pauses too, at the phase
    and the level that they had, and at -55 dBFS or more.

    Settings: raise `margin` (natural log of the odds) to forgive more.

    Mistakes: noise that belongs to the scene (rain, surf, air conditioning), effects that sound like a fault by
    intent (a record's crackle, a fuzz pedal), hum of a machine in the picture that is fed by the mains. Misses: hum
    more than about 30 dB below the programme or below -55 dBFS, slight clipping that a codec has rounded since,
    seconds below -75 dBFS.

    Source: five classes on segments of 1 s as in "A no-reference model for detecting audio artifacts using pretrained
    audio neural networks" (WACV 2022); steadiness of hum after Brandt and Bitzer (JAES 62, 2014). Data, scores and
    known mistakes: models/audio_artifacts/card.md.

    >>> import numpy as np
    >>> wave = 0.1 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000).astype(np.float32)[None]
    >>> detector = AudioArtifacts(AudioArtifactsSettings())
    >>> list(detector.look(Sound(time=0.0, rate=48000, samples=wave)))  # waits for what comes after
    []
    >>> [(finding.start, finding.end, finding.detail["label"]) for finding in detector.close()]
    [(0.0, 1.0, 'none')]
    """

    def __init__(self, settings: AudioArtifactsSettings, profile: Profile = Profile.LIVE) -> None:
        self._model: Model | None = None
        super().__init__(settings, profile)

    def reset(self) -> None:
        self._segments = Segments()
        self._listener: Listener | None = None
        self._seconds: list[_Second] = []
        self._next = 0

    def look(self, sound: Sound) -> Iterable[Finding]:
        if not self._segments.follows(sound):
            yield from self.close()
        for start, end, channels in self._segments.add(sound):
            self._seconds.append(self._hear(start, end, channels))
            if len(self._seconds) - self._next > AFTER:
                yield self._judge()

    def close(self) -> Iterable[Finding]:
        for start, end, channels in self._segments.rest():
            self._seconds.append(self._hear(start, end, channels))
        while self._next < len(self._seconds):
            yield self._judge()
        self.reset()

    def _hear(self, start: float, end: float, channels: dict[str, NDArray[np.float32]]) -> _Second:
        if self._listener is None or self._listener.rate != self._segments.rate:
            self._listener = Listener(self._segments.rate)
        heard = {name: self._listener.listen(wave) for name, wave in channels.items()}
        return _Second(start, end, {name: what for name, what in heard.items() if what is not None})

    def _judge(self) -> Finding:
        """The finding about the next second that has not been judged."""
        finding = self._finding(self._next)
        self._next += 1
        if (past := self._next - BEFORE) > 0:
            del self._seconds[:past]
            self._next -= past
        return finding

    def _scores(self, index: int) -> dict[str, tuple[float, str]]:
        """Each defect's greatest probability, and the channel that has it."""
        best = dict.fromkeys(self.defects, (0.0, ""))
        for channel, heard in self._seconds[index].heard.items():
            told = measures(self._course(channel), index)
            (values,) = self._network.run(heard.picture[None, :, None], told[None])
            for defect, value in zip(self.defects, values[0].tolist(), strict=True):
                best[defect] = max(best[defect], (value, channel))
        return best

    def _course(self, channel: str) -> list[Heard | None]:
        return [second.heard.get(channel) for second in self._seconds]

    def _alarming(self, defect: str, channel: str, index: int, over: float) -> bool:
        """Whether second `index` counts towards an event; `over` are the odds beyond the threshold's."""
        if over < self.settings.margin + SURER.get(defect, 0.0):
            return False
        return defect != HUM or hum_level(self._course(channel), index) >= HUM_DBFS

    def _finding(self, index: int) -> Finding:
        second, scores = self._seconds[index], self._scores(index)
        over = {defect: _odds(score) - _odds(self._limit(defect)) for defect, (score, _) in scores.items()}
        parts = tuple(
            Finding(
                self.name,
                second.start,
                second.end,
                score,
                self._alarming(defect, channel, index, over[defect]),
                detail={"channel": channel},
                defect=defect,
            )
            for defect, (score, channel) in scores.items()
        )
        worst = max(parts, key=lambda part: over[part.defect])
        label = worst.defect.removeprefix(PREFIX) if over[worst.defect] >= 0 else NONE
        shown = {part.defect.removeprefix(PREFIX): round(part.score, 3) for part in parts}
        return Finding(
            self.name,
            second.start,
            second.end,
            worst.score,
            worst.bad,
            defect=worst.defect,
            detail={"label": label, "scores": shown},
            parts=parts,
            uncertainty=max(uncertainty(part.score, self._limit(part.defect)) for part in parts),
        )

    @property
    def _network(self) -> Model:
        if self._model is None:
            self._model = open_model(self.name)
        return self._model

    def _limit(self, defect: str) -> float:
        return self._network.info.thresholds[defect.removeprefix(PREFIX)]


def _odds(probability: float) -> float:
    """Natural log of the odds."""
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(kept / (1 - kept)))
