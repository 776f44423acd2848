"""The outbox: events on disk until the broker has acknowledged them, and for a while after, to be asked for again.

An event is numbered and stored in one transaction together with what is open, so that neither a crash nor a power cut
can lose a decision or leave a hole in the sequence. Only an acknowledgement settles an event; it then stays as history
until it is too old or its room is needed.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from ulid import ULID

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Event, EventDraft, State
from vqa_agent.publish.database import Mark, open_database

log = logging.getLogger(__name__)

EVICT = 200
"""Events given up at a time when the outbox is full."""

MAX_EVICTIONS = 5
MOST_IN_MEMORY = 5000
"""Events that are kept in memory while the disk takes none; then the oldest updates go first, here too."""

DISK_TROUBLE = "the outbox cannot be written"

OWN_STREAM = "agent"
"""Stream name of events about the agent itself."""

MAKE_ROOM = (
    ("settled IS NOT NULL", False),
    ("settled IS NULL AND state = 'update'", True),
    ("settled IS NULL", True),
)
"""What is deleted, first to last, to make room, and whether that is a loss to be told: history is none."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits to be acknowledged."""

    seq: int
    event: Event


class Outbox:
    """Events of one agent, in `path`. Safe to use from several threads.

    `trouble` says in one line what is wrong with the disk or the file; empty while all is well. Events that the disk
    does not take are kept in memory and published from there, and stored as soon as it takes them again. Ages are
    counted on the outbox's own clock, which runs while the agent does: steps of the wall clock age nothing.

    Raises DeliveryError where the outbox cannot be opened.
    """

    def __init__(self, path: Path, max_size: int = 64_000_000, max_age: float = 72 * 3600.0) -> None:
        self.path = path
        self.boot = secrets.token_hex(3)
        self._max_age = max_age
        self._lock = threading.RLock()
        self._memory: dict[int, Waiting] = {}
        self._backlog: list[EventDraft] = []
        self._acknowledged: set[int] = set()
        self._settled = 0
        self._told: set[str] = set()
        """What has failed since the disk last took events; each is in the log once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._mark = Mark(path.with_suffix(".mark"))
        try:
            self._database, self.trouble = open_database(path, max_size)
        except BaseException:
            self._mark.close()
            raise
        stored, lived = (self._meta(key) for key in ("seq", "lived"))
        self._born = monotonic() - lived
        self._seq = max(stored, self._mark.used, 0 if stored else self._mark.ceiling)
        self._mark.keep_above(self._seq)
        if self.trouble:
            self._backlog.append(_notice(reason="a damaged outbox was set aside"))

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._seq

    @property
    def settled(self) -> int:
        """Every event up to this number was acknowledged by the broker, or given up."""
        with self._lock:
            waiting = self.pending(1)
            if not self.is_disturbed:
                self._settled = waiting[0].seq - 1 if waiting else self._seq
            return self._settled

    @property
    def is_disturbed(self) -> bool:
        """Whether the disk did not do the last thing that was asked of it: what it does not give may be there."""
        return self.trouble.startswith(DISK_TROUBLE)

    def commit(self, drafts: Sequence[EventDraft] = ()) -> list[Event]:
        """Number and store events in one transaction; they are safe when this returns. What has got its number.

        What had to be given up to make room is told by an event of its own.
        """
        with self._lock:
            self._backlog += [*self._expire(), *drafts]
            if not self._backlog and not self._memory:
                return []
            error = sqlite3.OperationalError("no room could be made")
            for _ in range(MAX_EVICTIONS):
                events = self._numbered(self._backlog)
                try:
                    self._write(events)
                except sqlite3.Error as refusal:
                    error = sqlite3.OperationalError(str(refusal))
                    if not self._make_room():
                        break
                else:
                    return events
            return self._keep_in_memory(error)

    def pending(self, limit: int, after: int = 0) -> list[Waiting]:
        """Events with a number above `after` that are not acknowledged, the oldest first."""
        with self._lock:
            rows = self._select(
                "SELECT seq, payload FROM outbox WHERE settled IS NULL AND seq > ? ORDER BY seq LIMIT ?",
                (after, limit + len(self._acknowledged)),
            )
            known = [(seq, payload) for seq, payload in rows if seq not in self._acknowledged][:limit]
            stored = [waiting for seq, payload in known if (waiting := self._read(seq, payload))]
            kept = [each for seq, each in self._memory.items() if seq > after and seq not in self._acknowledged]
            return sorted([*stored, *kept], key=lambda waiting: waiting.seq)[:limit]

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these: they are history now."""
        with self._lock:
            self._acknowledged |= set(seqs)
            try:
                with self._transaction() as database:
                    self._settle(database)
            except sqlite3.Error as error:
                self._complain("settling delivered events", error)
            else:
                self._acknowledged &= self._memory.keys()

    def park(self, seqs: Sequence[int], reason: str) -> None:
        """The broker will never take these: give them up, and tell it. They can still be asked for."""
        with self._lock:
            self.acknowledge(seqs)
            self.commit([_notice(refused=len(seqs), reason=reason[:120])])

    def history(self, first: int, last: int, limit: int) -> list[Event]:
        """Events with numbers from `first` to `last` that are still here, waiting or not; at most `limit`."""
        with self._lock:
            rows = self._select(
                "SELECT payload FROM outbox WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?", (first, last, limit)
            )
            kept = [each.event for seq, each in self._memory.items() if first <= seq <= last]
            stored = [Event.from_bytes(payload) for (payload,) in rows]
            return sorted([*stored, *kept], key=lambda event: event.seq)[:limit]

    def left_open(self) -> list[EventDraft]:
        """Events that were open when they were last stored."""
        with self._lock:
            rows = self._database.execute("SELECT payload FROM open_event ORDER BY id").fetchall()
            return [EventDraft.model_validate_json(payload) for (payload,) in rows]

    @property
    def depth(self) -> int:
        """How many events wait."""
        with self._lock:
            counted = self._select("SELECT count(*) FROM outbox WHERE settled IS NULL")
            stored = int(counted[0][0]) if counted else 0
            return max(0, stored + len(self._memory) + len(self._backlog) - len(self._acknowledged))

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest waiting event was decided; 0 when none waits."""
        with self._lock:
            oldest = self._select("SELECT created FROM outbox WHERE settled IS NULL ORDER BY seq LIMIT 1")
            return max(0.0, self._now() - oldest[0][0]) if oldest else 0.0

    def close(self) -> None:
        with self._lock:
            self._database.close()
            self._mark.close()

    def _select(self, statement: str, parameters: Sequence[int] = ()) -> list[Any]:
        """What the disk gives; nothing, and the trouble is told, while it gives nothing."""
        try:
            return self._database.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            self._complain("reading", error)
            return []

    def _read(self, seq: int, payload: bytes) -> Waiting | None:
        try:
            return Waiting(seq, Event.from_bytes(payload))
        except ValueError as error:
            self.park([seq], f"cannot be read: {error}")
            return None

    def _meta(self, key: str) -> int:
        return int(self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    def _now(self) -> float:
        """Seconds that this outbox has been open, over all runs."""
        return monotonic() - self._born

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; rolled back on any error."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.OperationalError):
                self._database.execute("ROLLBACK")
            raise

    def _numbered(self, drafts: Sequence[EventDraft]) -> list[Event]:
        return [draft.numbered(self._seq + place, self.boot) for place, draft in enumerate(drafts, 1)]

    def _write(self, events: list[Event]) -> None:
        """Store what was kept in memory, then `events`, which are the backlog."""
        last = events[-1].seq if events else self._seq
        self._mark.keep_above(last)
        with self._transaction() as database:
            for event in [*(kept.event for kept in self._memory.values()), *events]:
                row = (event.seq, self._now(), event.state, event.json_bytes())
                database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?, NULL)", row)
                self._note_open(database, event)
            self._settle(database)
            database.execute("UPDATE meta SET value = ? WHERE key = 'seq'", (last,))
            database.execute("UPDATE meta SET value = ? WHERE key = 'lived'", (int(self._now()),))
        self._seq = last
        self._memory, self._backlog, self._acknowledged = {}, [], set()
        if self.is_disturbed:
            log.info("the outbox %s is written again", self.path)
            self.trouble = ""
            self._told.clear()

    def _settle(self, database: sqlite3.Connection) -> None:
        rows = [(self._now(), seq) for seq in self._acknowledged]
        database.executemany("UPDATE outbox SET settled = ? WHERE seq = ? AND settled IS NULL", rows)

    def _note_open(self, database: sqlite3.Connection, event: Event) -> None:
        if event.state is State.CLOSED:
            database.execute("DELETE FROM open_event WHERE id = ?", (event.id,))
            return
        draft = EventDraft.model_validate(event.model_dump(exclude={"v", "seq", "boot"}))
        database.execute("INSERT OR REPLACE INTO open_event VALUES (?, ?)", (event.id, draft.model_dump_json()))

    def _keep_in_memory(self, error: sqlite3.Error) -> list[Event]:
        """The disk does not take the backlog: it is published from memory, and the trouble is told.

        A number is given only once it is marked as used: a killed agent must never give one twice.
        """
        self._complain("storing events", error)
        self._shed()
        events = self._numbered(self._backlog)
        if not events or not self._mark.note_used(events[-1].seq):
            return []
        self._memory |= {event.seq: Waiting(event.seq, event) for event in events}
        self._seq, self._backlog = events[-1].seq, []
        return events

    def _shed(self) -> None:
        """Hold what is kept in memory to its bound: delivered ones go first, then updates, then the oldest."""
        excess = len(self._memory) + len(self._backlog) - MOST_IN_MEMORY
        if excess <= 0:
            return
        order = sorted(
            self._memory.values(),
            key=lambda kept: (kept.seq not in self._acknowledged, kept.event.state is not State.UPDATE, kept.seq),
        )
        gone = [kept.seq for kept in order[: excess + MOST_IN_MEMORY // 20]]
        lost = [seq for seq in gone if seq not in self._acknowledged]
        for seq in gone:
            del self._memory[seq]
        self._acknowledged -= set(gone)
        if lost:
            self._backlog.append(_notice(dropped=len(lost), reason="disk and memory full"))

    def _expire(self) -> list[EventDraft]:
        """Give up what is too old, and forget old history; the notice of what was given up."""
        limit = self._now() - self._max_age
        try:
            with self._transaction() as database:
                young = database.execute("SELECT seq FROM outbox WHERE created >= ? ORDER BY seq LIMIT 1", (limit,))
                bound = (row[0] if (row := young.fetchone()) else self._seq + 1,)
                waiting = "SELECT count(*) FROM outbox WHERE settled IS NULL AND seq < ?"
                lost = database.execute(waiting, bound).fetchone()[0]
                database.execute("DELETE FROM outbox WHERE seq < ?", bound)
        except sqlite3.Error as error:
            self._complain("giving up old events", error)
            return []
        return [_notice(dropped=lost, reason="older than max_age")] if lost else []

    def _make_room(self) -> bool:
        """Delete some of the first kind of `MAKE_ROOM` that there is, and note the loss; whether that worked."""
        for condition, is_loss in MAKE_ROOM:
            chosen = f"SELECT seq FROM outbox WHERE {condition} ORDER BY seq LIMIT {EVICT}"
            try:
                with self._transaction() as database:
                    gone = database.execute(f"DELETE FROM outbox WHERE seq IN ({chosen})").rowcount
            except sqlite3.Error as error:
                self._complain("making room in the outbox", error)
                return False
            if gone:
                self._backlog[:0] = [_notice(dropped=gone, reason="outbox full")] if is_loss else []
                return True
        return False

    def _complain(self, doing: str, error: sqlite3.Error) -> None:
        trouble = f"{DISK_TROUBLE}: {doing} in {self.path}: {error}; free some space or raise outbox.max_size"
        if doing not in self._told:
            log.error("%s", trouble)
        self._told.add(doing)
        self.trouble = trouble


def _notice(**detail: str | int) -> EventDraft:
    """An event that tells what became of others."""
    now = datetime.now(UTC)
    return EventDraft(
        id=str(ULID()),
        stream=OWN_STREAM,
        defect="agent_outbox",
        state=State.CLOSED,
        severity=Severity.MAJOR,
        score=1.0,
        start=now,
        end=now,
        pts=0.0,
        duration=0.0,
        detail=detail,
    )
