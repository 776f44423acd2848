"""Whether the machine's clock can be trusted, and when it was moved."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Literal

from ulid import ULID

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Clock, EventDraft, State
from vqa_agent.publish.outbox import OWN_STREAM

STEP = 0.5
"""Seconds by which the clock must be off its course to have been moved: a time source slews what is less."""

TIME_ERROR = 5
"""Answer of adjtimex(2) while no time source has set the clock."""

Trust = Literal["synchronised", "unsynchronised", "unknown"]


class ClockWatch:
    """Asks the kernel about the wall clock and holds it against the monotonic one."""

    def __init__(self) -> None:
        self._course = _course()

    @property
    def trust(self) -> Trust:
        """Whether a time source (NTP, PTP, a host) keeps the clock, as the kernel knows."""
        return _kernel_state()

    @property
    def doubt(self) -> Clock | None:
        """What an event says of the clock when it begins; nothing while all is well."""
        return "unsynchronised" if self.trust == "unsynchronised" else None

    def step(self) -> float:
        """Seconds by which the clock was moved since the last call; 0 when it was not."""
        course = _course()
        moved, self._course = course - self._course, course
        return moved if abs(moved) >= STEP else 0.0


def _course() -> float:
    """Seconds of the wall clock over the monotonic one.

    A process that is interrupted between the two readings would take that for a step: of three pairs, the quickest.
    """
    pairs = []
    for _ in range(3):
        before, wall = monotonic(), time()
        pairs.append((monotonic() - before, wall - before))
    return min(pairs)[1]


def step_notice(seconds: float, trust: Trust) -> EventDraft:
    """The event that tells of a step: times before it are on the old clock."""
    now = datetime.now(UTC)
    return EventDraft(
        id=str(ULID()),
        stream=OWN_STREAM,
        defect="agent_clock",
        state=State.CLOSED,
        severity=Severity.MINOR,
        score=1.0,
        start=now,
        end=now,
        pts=0.0,
        duration=0.0,
        detail={"step": round(seconds, 3), "before": _iso(now - timedelta(seconds=seconds)), "clock": trust},
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_LIBRARY = ctypes.CDLL(None, use_errno=True)


def _kernel_state() -> Trust:
    """adjtimex(2) with an empty request only reads: its answer is the state of the clock."""
    try:
        answer = _LIBRARY.adjtimex(ctypes.create_string_buffer(512))
    except AttributeError:
        return "unknown"
    if answer < 0:
        return "unknown"
    return "unsynchronised" if answer == TIME_ERROR else "synchronised"
