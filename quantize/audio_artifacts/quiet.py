"""False alarms on clean material: every recording, end to end, through the detector and the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quantize.audio_artifacts import chain
from quantize.audio_artifacts.sources import FOLDERS, Recording, recordings
from vqa_agent.detect import Detector, Finding, Profile
from vqa_agent.detect.audio_artifacts import PREFIX
from vqa_agent.event import State
from vqa_agent.judge import Decision, Judge
from vqa_agent.media import Samples, Sound
from vqa_agent.pipeline import build_detectors

CLEAN = FOLDERS | {"scenes": "scenes"}
CODED = 64_000
"""Bits a second for one channel of AAC in the second pass: the same material as a viewer gets it."""


@dataclass(slots=True)
class Alarms:
    """Events on clean material of one kind; `where` counts defect and recording."""

    what: str
    profile: Profile
    hours: float = 0.0
    events: int = 0
    where: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        places = ", ".join(f"{place} ({count})" for place, count in self.where.most_common(12))
        return f"{self.what}, {self.profile}: {self.events} false alarms in {self.hours:.2f} h ({places or 'none'})"


def listen(media: Path, config: Mapping[str, Any]) -> list[Alarms]:
    """Alarms on what was trained on and on what was kept apart, as it is and coded, in both profiles.

    Of a defect that a recording has by itself (see config.toml) an alarm is a true one, and is not counted.
    """
    detector = build_detectors(Profile.LIVE, only=["audio_artifacts"])[0]
    found = {
        (kept, profile): Alarms("recordings kept apart" if kept else "recordings trained on", profile)
        for kept in (False, True)
        for profile in Profile
    }
    for recording in recordings(media, config, CLEAN):
        if recording.name.startswith("negatives"):
            continue
        for wave, rate in versions(recording):
            findings = heard(detector, wave, rate)
            for profile in Profile:
                alarms = found[recording.split != "train", profile]
                alarms.hours += len(wave) / rate / 3600
                for event in events(detector, findings, profile):
                    if event.defect.removeprefix(PREFIX) in recording.own:
                        continue
                    alarms.events += 1
                    alarms.where[f"{event.defect} in {recording.name}"] += 1
    return list(found.values())


def versions(recording: Recording) -> Iterator[tuple[Samples, int]]:
    """A recording as it is and, where its rate allows, through AAC."""
    yield recording.wave, recording.rate
    aac = chain.CODECS[0]
    if recording.rate in aac.rates:
        yield chain.through(aac, recording.wave, recording.rate, CODED), recording.rate


def heard(detector: Detector[Any], wave: Samples, rate: int) -> list[Finding]:
    """What the detector finds in each second of `wave` (n,)."""
    size = rate // 10
    detector.reset()
    findings: list[Finding] = []
    for start in range(0, len(wave), size):
        block = np.ascontiguousarray(wave[None, start : start + size])
        findings += detector.look(Sound(time=start / rate, rate=rate, samples=block))
    return [*findings, *detector.close()]


def events(detector: Detector[Any], findings: list[Finding], profile: Profile) -> list[Decision]:
    """The events that the judge makes of `findings`."""
    judge = Judge([detector], profile)
    decisions = [decision for finding in findings for decision in judge.weigh([finding])]
    return [decision for decision in decisions if decision.state is State.OPEN]
