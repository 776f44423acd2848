"""One defect's findings over time: when they have lasted long enough, and when they have stopped."""

from __future__ import annotations

from collections import deque

from vqa_agent.detect.interface import Finding, Region, Rule, Severity
from vqa_agent.media import Value

MAX_GAP = 2.0
"""Seconds without any look after which what was seen before no longer counts as one piece."""

TOLERANCE = 1e-6


class Evidence:
    """What is known of one defect: since when it is seen, until when, and its strongest finding.

    `start` and `end` are media seconds, None while the defect is not seen.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.start: float | None = None
        self.end: float | None = None
        self.score = 0.0
        self.region: Region | None = None
        self.detail: dict[str, Value] = {}
        self.severity: Severity | None = None

    def remember(self, finding: Finding) -> None:
        self.start = finding.start if self.start is None else min(self.start, finding.start)
        self.end = finding.end if self.end is None else max(self.end, finding.end)
        if finding.score >= self.score:
            self.score, self.region, self.detail = finding.score, finding.region, dict(finding.detail)
            self.severity = finding.severity

    def extend(self, finding: Finding) -> None:
        """One more finding while the event is open: its end, and its evidence where it is stronger."""
        if finding.bad:
            self.remember(finding)

    @property
    def set_time(self) -> float:
        """The rule's set time for the evidence at hand."""
        return self.rule.set_time


class HeldRun(Evidence):
    """The rule "seen without interruption for `set_time`"."""

    @property
    def idle(self) -> bool:
        """Whether nothing is seen, so that a good finding changes nothing."""
        return self.start is None

    def clear(self) -> None:
        super().clear()
        self._certain = True
        self._last_look: float | None = None

    def feed(self, finding: Finding) -> None:
        blind = self._last_look is not None and finding.start - self._last_look > MAX_GAP
        if blind or not finding.bad:
            self.clear()
        if finding.bad:
            self.remember(finding)
            self._certain = self._certain and finding.certain
        self._last_look = finding.end

    @property
    def set_time(self) -> float:
        certain = self.rule.certain_set_time
        return certain if self._certain and certain is not None else self.rule.set_time

    def met(self, set_time: float) -> bool:
        return self.start is not None and self.end is not None and self.end - self.start >= set_time - TOLERANCE


class WindowRun(Evidence):
    """The rules that look back over a window: so many findings, so many of the last looks, or a share of them."""

    idle = False
    """Good findings count too: they are looks."""

    def clear(self) -> None:
        super().clear()
        self._recent: deque[Finding] = deque()
        self._bad: deque[Finding] = deque()

    def feed(self, finding: Finding) -> None:
        self._recent.append(finding)
        if finding.bad:
            self._bad.append(finding)
        while self._is_past(self._recent[0], finding.end):
            if self._recent.popleft().bad:
                self._bad.popleft()
        self.start = self._bad[0].start if self._bad else None
        self.end = self._bad[-1].end if self._bad else None

    def met(self, set_time: float) -> bool:
        if not self._bad or not self._enough(set_time):
            return False
        for finding in self._bad:
            self.remember(finding)
        return True

    def _is_past(self, finding: Finding, now: float) -> bool:
        if self.rule.looks is not None:
            return len(self._recent) > self.rule.looks
        return finding.end < now - self.rule.set_time

    def _enough(self, set_time: float) -> bool:
        if self.rule.share is None:
            return sum(int(finding.detail.get("count", 1)) for finding in self._bad) >= (self.rule.count or 1)
        filled = self._recent[-1].end - self._recent[0].start >= 0.8 * set_time
        return filled and len(self._bad) >= self.rule.share * len(self._recent)


def make_run(rule: Rule) -> HeldRun | WindowRun:
    """The run that follows `rule`."""
    return HeldRun(rule) if rule.count is None and rule.share is None else WindowRun(rule)
