"""Runs the detectors of one stream: timing, isolation of faults, coverage.

This is the only place that catches what a detector raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from time import process_time, thread_time
from typing import Any

from vqa_agent.detect.interface import Detector, Finding
from vqa_agent.errors import AgentError
from vqa_agent.media import Caption, Fact, Picture, Sample, Sound

log = logging.getLogger(__name__)

MAX_FAILURES = 3
"""A detector that raises this often in a row is put aside until the stream is interrupted."""

READS: dict[type, tuple[str, ...]] = {
    Picture: ("video", "both"),
    Sound: ("audio", "both", "captions"),
    Fact: ("transport", "captions"),
    Caption: ("captions",),
}
"""Which detectors are shown a sample, by what they read. Captions mean nothing without the speech they stand for."""

OFFERED_AS = {"both": "video", "captions": "audio"}
"""What is counted as offered to detectors that read more than one kind of sample."""


@dataclass(slots=True)
class Account:
    """What one detector did: the source of coverage and cost in the status."""

    looks: int = 0
    cpu_seconds: float = 0.0
    media_seconds: float = 0.0
    last_look: float | None = None
    offered_at_look: float = 0.0
    """Media seconds that had been there to be looked at by then."""
    failures: int = 0
    failures_in_a_row: int = 0
    last_failure: str = ""

    @property
    def aside(self) -> bool:
        return self.failures_in_a_row >= MAX_FAILURES


class _Seat:
    """A detector, its account, and what is asked of it so often that it is looked up once."""

    __slots__ = ("account", "clock", "detector", "least_rate", "material", "neural")

    def __init__(self, detector: Detector[Any]) -> None:
        self.detector = detector
        self.account = Account()
        self.material = OFFERED_AS.get(detector.reads, detector.reads)
        self.neural = detector.cost == "neural"
        # A network may run in threads of its runtime; everything else in this one, whatever else the machine does.
        self.clock = process_time if self.neural else thread_time
        self.least_rate = detector.least_rate


class Suite:
    """The detectors of one stream, each behind a wall.

    `offered` counts the media seconds that were there to be looked at, per kind of sample; coverage is a detector's
    share of them.
    """

    def __init__(self, detectors: Iterable[Detector[Any]]) -> None:
        self._seats = [_Seat(detector) for detector in detectors]
        self._by_type = {
            kind: [seat for seat in self._seats if seat.detector.reads in reads] for kind, reads in READS.items()
        }
        self.offered = dict.fromkeys((reads[0] for reads in READS.values()), 0.0)

    @property
    def accounts(self) -> dict[str, Account]:
        return {seat.detector.name: seat.account for seat in self._seats}

    def look(self, sample: Sample, *, neural: bool = True, rate: float = inf) -> list[Finding]:
        """Show `sample` to every detector that reads it. `neural=False` passes over the costly ones this time.

        `rate`: as many pictures a second are shown at most; those that need more are passed over, with their sound.
        """
        findings: list[Finding] = []
        material = READS[type(sample)][0]
        for seat in self._by_type[type(sample)]:
            if seat.account.aside or rate < seat.least_rate:
                continue
            if seat.neural and not seat.detector.wants(sample, neural):
                continue
            findings += self._guard(seat, seat.detector.look, sample)
            account = seat.account
            account.looks += 1
            if seat.material == material:
                account.media_seconds += sample.duration
            account.last_look = sample.end
            account.offered_at_look = self.offered[seat.material]
        return findings

    def offer(self, sample: Sample, left_out: float = 0.0) -> None:
        """Count the media time of a sample that arrived, looked at or not, and of what was `left_out` before it."""
        self.offered[READS[type(sample)][0]] += sample.duration + left_out

    def there_was(self, name: str) -> float:
        """Media seconds of the material that detector `name` reads."""
        return self.offered[next(seat.material for seat in self._seats if seat.detector.name == name)]

    def coverage(self, name: str) -> float | None:
        """Share of the media seconds that `name` looked at; None while there was nothing to look at."""
        offered = self.there_was(name)
        return min(1.0, self.accounts[name].media_seconds / offered) if offered else None

    def interrupt(self) -> None:
        """The stream was interrupted: every detector hears of it, and those put aside get another chance."""
        for seat in self._seats:
            seat.account.failures_in_a_row = 0
            seat.detector.interrupt()

    def close(self) -> list[Finding]:
        """What the end of the stream completes."""
        findings: list[Finding] = []
        for seat in self._seats:
            if not seat.account.aside:
                findings += self._guard(seat, seat.detector.close)
        return findings

    def _guard(self, seat: _Seat, ask: Callable[..., Iterable[Finding]], *shown: Sample) -> list[Finding]:
        """The findings of `ask`, timed; none where it raises."""
        started = seat.clock()
        account = seat.account
        try:
            findings = list(ask(*shown))
        except Exception as error:
            account.failures += 1
            # What a person must put right, such as a damaged model, is not better at the next look.
            hopeless = isinstance(error, AgentError)
            account.failures_in_a_row = MAX_FAILURES if hopeless else account.failures_in_a_row + 1
            account.last_failure = str(error) if hopeless else f"{type(error).__name__}: {error}"
            log.warning(
                "detector %s failed (%s)%s",
                seat.detector.name,
                account.last_failure,
                "; it is put aside until the stream is interrupted" if account.aside else "",
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            return []
        finally:
            account.cpu_seconds += seat.clock() - started
        account.failures_in_a_row = 0
        return findings
