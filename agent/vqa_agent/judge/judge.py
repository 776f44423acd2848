"""Findings of one stream to decisions: open, update, close."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ulid import ULID

from vqa_agent.detect.interface import Detector, Finding, Profile, Reads, Region, Settings, Severity
from vqa_agent.event import State
from vqa_agent.judge.context import AT_ONCE, PICTURE_LOST, SOUND_LOST, SUPPRESSED_BY, Scene, Weight, weigh
from vqa_agent.judge.run import HeldRun, WindowRun, make_run
from vqa_agent.media import Value

SOUND_MEMORY = 2.0
"""Seconds for which sound that was heard still counts as alive (pauses between words)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the judge says of one defect at one moment. Times are media seconds; `end` is None while it is open."""

    id: str
    defect: str
    state: State
    severity: Severity
    score: float
    start: float
    end: float | None
    duration: float
    region: Region | None = None
    detail: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """One defect: its rule's run and, while it is open, its event."""

    defect: str
    reads: Reads
    settings: Settings
    run: HeldRun | WindowRun
    id: str = ""
    severity: Severity = Severity.MINOR

    @property
    def open(self) -> bool:
        return bool(self.id)

    @property
    def explains(self) -> bool:
        """Whether it explains what follows from it: while it is open, some defects from their first finding on."""
        return bool(self.id) or (self.defect in AT_ONCE and self.run.start is not None)


class Judge:
    """Decides for one stream. Knows media time only; give it every finding, the good ones too."""

    def __init__(self, detectors: Iterable[Detector[Settings]], profile: Profile) -> None:
        self._profile = profile
        self._cases: dict[str, _Case] = {}
        self._heard: float | None = None
        self._silent = False
        self._now = 0.0
        for detector in detectors:
            rule = detector.settings.rule(detector.rules[profile])
            for defect in detector.defects:
                self._cases[defect] = _Case(defect, detector.reads, detector.settings, make_run(rule))
        self._loss = self._cases.get("signal_loss")
        self._explanations = {
            defect: [self._cases[other] for other in SUPPRESSED_BY.get(defect, ()) if other in self._cases]
            for defect in self._cases
        }
        self._rank = {defect: depth for depth, defect in enumerate(_explanations_first(self._cases))}

    @property
    def open_defects(self) -> dict[str, tuple[str, Severity, float]]:
        """id, severity and start (media seconds) of every defect that is open, by name."""
        return {
            case.defect: (case.id, case.severity, case.run.start or 0.0) for case in self._cases.values() if case.open
        }

    def weigh(self, findings: Iterable[Finding]) -> list[Decision]:
        """Take in the findings of one moment; say what they change."""
        decisions: list[Decision] = []
        each = [part for finding in findings for part in (finding.parts or (finding,))]
        for finding in sorted(each, key=lambda finding: self._rank[finding.names]):
            self._now = max(self._now, finding.end)
            self._listen(finding)
            if not finding.conclusive:
                continue
            decisions += self._consider(self._cases[finding.names], finding)
        return decisions

    def interrupt(self) -> None:
        """The stream was interrupted: nothing that was pending may be counted across the hole."""
        for case in self._cases.values():
            if not case.open and case.defect != "signal_loss":
                case.run.clear()

    def finish(self) -> list[Decision]:
        """The stream has ended: close what is open."""
        return [self._close(case) for case in self._cases.values() if case.open]

    def _consider(self, case: _Case, finding: Finding) -> list[Decision]:
        if not case.open and not finding.bad and case.run.idle:
            return []
        suppressed = self._is_explained(case)
        if not case.open:
            if suppressed:
                case.run.clear()
                return []
            case.run.feed(finding)
            return self._maybe_open(case)
        if not suppressed:
            case.run.extend(finding)
        if finding.end - (case.run.end or finding.end) >= case.run.rule.clear_time - 1e-6 and not finding.bad:
            return [self._close(case)]
        return self._maybe_raise(case)

    def _maybe_open(self, case: _Case) -> list[Decision]:
        if case.run.start is None or not case.run.met(self._weight(case).set_time):
            return []
        case.id, case.severity = str(ULID()), self._weight(case).severity
        return [*self._lost_with(case), self._decision(case, State.OPEN)]

    def _maybe_raise(self, case: _Case) -> list[Decision]:
        weight = self._weight(case)
        if _order(weight.severity) <= _order(case.severity):
            return []
        case.severity = weight.severity
        return [self._decision(case, State.UPDATE)]

    def _weight(self, case: _Case) -> Weight:
        severity = case.run.severity or case.settings.severity
        return weigh(case.defect, case.run, severity, self._scene(), self._profile == Profile.LIVE)

    def _lost_with(self, case: _Case) -> list[Decision]:
        """A lost signal ends what was open about the pictures or the sound that are gone."""
        if case.defect != "signal_loss":
            return []
        lost = [other for other in self._cases.values() if other is not case and self._is_explained(other)]
        decisions = [self._close(other) for other in lost if other.open]
        for other in lost:
            other.run.clear()
        return decisions

    def _is_explained(self, case: _Case) -> bool:
        loss = self._loss
        if loss is not None and loss.open and loss is not case:
            missing = loss.run.detail.get("missing", "all")
            if case.reads in ("video", "both") and missing in PICTURE_LOST:
                return True
            if case.reads in ("audio", "both", "captions") and missing in SOUND_LOST:
                return True
        return any(other.explains for other in self._explanations[case.defect])

    def _listen(self, finding: Finding) -> None:
        if finding.names == "silence":
            self._silent = finding.bad
            if not finding.bad:
                self._heard = finding.end

    def _scene(self) -> Scene:
        alive = self._heard is not None and self._now - self._heard <= SOUND_MEMORY
        return Scene(sound_alive=alive, silent=self._silent and not alive)

    def _close(self, case: _Case) -> Decision:
        decision = self._decision(case, State.CLOSED)
        case.id = ""
        case.run.clear()
        return decision

    def _decision(self, case: _Case, state: State) -> Decision:
        run = case.run
        start, end = run.start or 0.0, run.end or self._now
        return Decision(
            id=case.id,
            defect=case.defect,
            state=state,
            severity=case.severity,
            score=min(1.0, max(0.0, run.score)),
            start=start,
            end=end if state == State.CLOSED else None,
            duration=max(0.0, end - start),
            region=run.region,
            detail=run.detail,
        )


def _order(severity: Severity) -> int:
    return list(Severity).index(severity)


def _explanations_first(defects: Iterable[str]) -> list[str]:
    """`defects` ordered so that what explains another comes before it."""
    ordered: list[str] = []

    def place(defect: str) -> None:
        if defect not in ordered:
            for other in ("signal_loss", *SUPPRESSED_BY.get(defect, ())):
                if other != defect and other in names:
                    place(other)
            ordered.append(defect)

    names = set(defects)
    for defect in sorted(names):
        place(defect)
    return ordered
