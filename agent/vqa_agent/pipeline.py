"""The one way through the house, for one stream: samples in, findings and decisions out.

`analyze` runs it over a file as fast as it goes; a worker of the service runs it over a live input.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2

from vqa_agent.detect.interface import Detector, Finding, Profile, Settings, detectors
from vqa_agent.detect.runner import Suite
from vqa_agent.errors import UsageError, not_known
from vqa_agent.judge import Decision, Judge
from vqa_agent.media import Fact, FactKind, Picture, Sample
from vqa_agent.sample import Sampler

cv2.setNumThreads(1)


@dataclass(slots=True)
class Outcome:
    """What one sample led to."""

    findings: list[Finding] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


class Pipeline:
    """Sampler, detectors and judge of one stream."""

    def __init__(self, chosen: Iterable[Detector[Any]], profile: Profile, sampler: Sampler | None = None) -> None:
        seats = list(chosen)
        self.sampler = sampler or Sampler()
        self.suite = Suite(seats)
        self.judge = Judge(seats, profile)
        self.media_time = 0.0
        self._pictures_up_to: float | None = None
        self._index = 0

    def feed(self, sample: Sample) -> Outcome:
        """Look at `sample`, if it is due, and judge what was seen."""
        self.media_time = max(self.media_time, sample.end)
        if isinstance(sample, Picture):
            self.suite.offer(sample, self._left_out(sample))
            if not self.sampler.wants(sample):
                return Outcome()
            findings = self.suite.look(sample, neural=self.sampler.wants_neural(sample), rate=self.sampler.rate)
        else:
            self.suite.offer(sample)
            if isinstance(sample, Fact) and sample.kind is FactKind.RECONNECT:
                self._interrupt()
            findings = self.suite.look(sample, rate=self.sampler.rate)
        return Outcome(findings, self.judge.weigh(findings))

    def finish(self) -> Outcome:
        """The stream has ended: what only its end completes, and the end of every open event."""
        findings = self.suite.close()
        return Outcome(findings, [*self.judge.weigh(findings), *self.judge.finish()])

    def _left_out(self, picture: Picture) -> float:
        """Media seconds of the pictures left out before this one, for the level or because they came too late.

        They count as not looked at: coverage would otherwise be a share of what was decoded, not of the material.
        """
        before, self._pictures_up_to = self._pictures_up_to, picture.end
        follows, self._index = picture.index <= self._index + 1, picture.index
        if before is None or (follows and not self.sampler.level.sparse):
            return 0.0
        return max(0.0, picture.time - before)

    def _interrupt(self) -> None:
        self._pictures_up_to = None
        self.suite.interrupt()
        self.judge.interrupt()


def build_detectors(
    profile: Profile,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    only: Collection[str] = (),
    expect: Mapping[str, Any] | None = None,
) -> list[Detector[Any]]:
    """The enabled detectors, with the settings given by name. `only` names detectors or defects.

    `expect` is what the stream is expected to carry; it is handed to the detectors that have a setting of that name.
    Raises UsageError for an unknown name.
    """
    known = detectors()
    wanted = {name for name, detector in known.items() if not only or name in only or set(detector.defects) & set(only)}
    names = {*known, *(defect for detector in known.values() for defect in detector.defects)}
    if unknown := sorted(set(only) - names):
        raise UsageError(f"there is no detector {unknown[0]}; {not_known(unknown[0], known)}")
    built = []
    for name in sorted(wanted):
        values: dict[str, Any] = dict((settings or {}).get(name, {}))
        if expect and "expect" in known[name].settings_type.model_fields:
            values.setdefault("expect", dict(expect))
        chosen: Settings = known[name].settings_type.model_validate(values)
        if chosen.enabled:
            built.append(known[name](chosen, profile))
    return built
