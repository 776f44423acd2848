"""Events to publish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ulid import ULID

from vqa_agent.detect import Severity
from vqa_agent.event import EventDraft, State, draft
from vqa_agent.judge import Decision

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def event(number: int = 0, state: State = State.CLOSED, defect: str = "black", **changes) -> EventDraft:
    start = NOON + timedelta(seconds=number)
    values = {
        "id": str(ULID()),
        "stream": "cam-1",
        "defect": defect,
        "state": state,
        "severity": Severity.MAJOR,
        "score": 0.99,
        "start": start,
        "end": start + timedelta(seconds=5) if state is State.CLOSED else None,
        "pts": float(number),
        "duration": 5.0,
        "detail": {"luma": 0.012},
    }
    return EventDraft(**{**values, **changes})


def decision(**changes) -> Decision:
    values = {
        "id": str(ULID()),
        "defect": "freeze",
        "state": State.OPEN,
        "severity": Severity.MAJOR,
        "score": 0.98765,
        "start": 123.4804,
        "end": None,
        "duration": 3.04,
        "detail": {"kind": "identical", "change": 0.123456},
    }
    return Decision(**{**values, **changes})


def drafted(**changes) -> EventDraft:
    return draft("cam-1", decision(**changes), lambda media: NOON + timedelta(seconds=media))
