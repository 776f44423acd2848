"""The events of all streams on their way to disk: what is open, and what to close when nobody watches any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ulid import ULID

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Clock, Detail, Event, EventDraft, State
from vqa_agent.publish.outbox import Outbox

WORKER_FAILED = "worker_failed"
"""Defect of a stream whose worker died or hung: nothing was watched between the event's start and its end."""


class Ledger:
    """The events of the agent. `doubt` says what is to be said of the clock when an event begins."""

    def __init__(self, outbox: Outbox, doubt: Callable[[], Clock | None] = lambda: None) -> None:
        self._outbox = outbox
        self._doubt = doubt
        self._open: dict[str, EventDraft] = {}
        self._waiting: list[EventDraft] = []

    def open_defects(self, stream: str) -> list[EventDraft]:
        """The events of `stream` that are open, the oldest first."""
        return [draft for draft in self._open.values() if draft.stream == stream]

    def enter(self, drafts: Iterable[EventDraft]) -> None:
        """Take in what a worker decided. `commit` makes it safe."""
        for draft in drafts:
            self._add(self._as_begun(draft))

    def fail(self, stream: str, reason: str, media_time: float, now: datetime) -> None:
        """The worker of `stream` failed: what it had opened ends here, and nothing is watched until `recover`."""
        self.close(stream, "its worker failed", now)
        self._add(
            EventDraft(
                id=str(ULID()),
                stream=stream,
                defect=WORKER_FAILED,
                state=State.OPEN,
                severity=Severity.MAJOR,
                score=1.0,
                start=now,
                end=None,
                pts=media_time,
                duration=0.0,
                detail={"reason": reason[:120]},
            )
        )

    def recover(self, stream: str, now: datetime) -> None:
        """The worker of `stream` watches again."""
        for draft in self.open_defects(stream):
            if draft.defect == WORKER_FAILED:
                self._add(_ended(draft, draft.detail, now))

    def has_failed(self, stream: str) -> bool:
        return any(draft.defect == WORKER_FAILED for draft in self.open_defects(stream))

    def close(self, stream: str, reason: str, now: datetime) -> None:
        """Nobody watches `stream` any more: its events end, for the reason in their detail."""
        for draft in self.open_defects(stream):
            self._add(_ended(draft, {**draft.detail, "reason": reason}, now))

    def close_all(self, reason: str, now: datetime) -> None:
        for stream in {draft.stream for draft in self._open.values()}:
            self.close(stream, reason, now)

    def close_left_open(self, last_seen: datetime | None) -> None:
        """Events of a run that was killed end when that run last gave a sign of life (None: when they last changed)."""
        for draft in self._outbox.left_open():
            known = draft.start.timestamp() + draft.duration
            end = max(known, last_seen.timestamp()) if last_seen else known
            reason = {**draft.detail, "reason": "agent restarted"}
            self._waiting.append(_ended(draft, reason, datetime.fromtimestamp(end, UTC)))

    def commit(self) -> list[Event]:
        """Store everything that was entered, in one transaction."""
        waiting, self._waiting = self._waiting, []
        return self._outbox.commit(waiting)

    def _as_begun(self, draft: EventDraft) -> EventDraft:
        """An event keeps the start that it was opened with, wherever the clocks have moved since (a reconnection)."""
        begun = self._open.get(draft.id)
        if begun is None:
            return draft.model_copy(update={"clock": self._doubt()})
        end = None if draft.end is None else max(draft.end, begun.start)
        return draft.model_copy(update={"start": begun.start, "pts": begun.pts, "end": end, "clock": begun.clock})

    def _add(self, draft: EventDraft) -> None:
        self._waiting.append(draft)
        if draft.state is State.CLOSED:
            self._open.pop(draft.id, None)
        else:
            self._open[draft.id] = draft


def _ended(draft: EventDraft, detail: Detail, now: datetime) -> EventDraft:
    end = max(now, draft.start)
    duration = round((end - draft.start).total_seconds(), 3)
    return draft.model_copy(update={"state": State.CLOSED, "end": end, "duration": duration, "detail": detail})
