"""The outbox: events on disk until the broker has acknowledged them.

An event is numbered and stored in one transaction together with what is open, so that neither a crash nor a power cut
can lose a decision or leave a hole in the sequence. Only an acknowledgement deletes.
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
from time import time

from ulid import ULID

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Event, EventDraft, State

log = logging.getLogger(__name__)

PAGE = 4096
LEAST_SIZE = 64 * PAGE
EVICT = 200
"""Events given up at a time when the outbox is full."""

MAX_EVICTIONS = 5
DISK_TROUBLE = "the outbox cannot be written"

OWN_STREAM = "agent"
"""Stream name of events about the agent itself."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS open_event (id TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('seq', 0);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits to be acknowledged."""

    seq: int
    event: Event


class Outbox:
    """Events of one agent, in `path`. Safe to use from several threads.

    `trouble` says in one line what is wrong with the disk or the file; empty while all is well. Events that the disk
    does not take are kept in memory and published from there.
    """

    def __init__(self, path: Path, max_size: int = 64_000_000, max_age: float = 72 * 3600.0) -> None:
        self.path = path
        self.boot = secrets.token_hex(3)
        self.trouble = ""
        self._max_size = max(LEAST_SIZE, max_size)
        self._max_age = max_age
        self._lock = threading.RLock()
        self._memory: dict[int, Waiting] = {}
        self._database = self._open()
        self._seq = int(self._database.execute("SELECT value FROM meta WHERE key = 'seq'").fetchone()[0])

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._seq

    def commit(self, drafts: Sequence[EventDraft]) -> list[Event]:
        """Number and store events in one transaction; they are safe when this returns.

        What had to be given up to make room is told by an event of its own, before them.
        """
        with self._lock:
            notices = self._expire()
            for _ in range(MAX_EVICTIONS):
                events = self._numbered([*notices, *drafts])
                try:
                    self._write(events)
                except sqlite3.Error as error:
                    if not (gone := self._evict()):
                        self._keep_in_memory(events, error)
                        break
                    notices.append(_drop_notice(gone, "outbox full"))
                else:
                    break
            else:
                self._keep_in_memory(events, sqlite3.OperationalError("no room could be made"))
            return events[len(events) - len(drafts) :]

    def pending(self, limit: int, after: int = 0) -> list[Waiting]:
        """Events with a number above `after` that are not acknowledged, the oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT seq, payload FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
            stored = [Waiting(seq, Event.from_bytes(payload)) for seq, payload in rows]
            kept = [waiting for seq, waiting in self._memory.items() if seq > after]
            return sorted([*stored, *kept], key=lambda waiting: waiting.seq)[:limit]

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """The broker has these: forget them."""
        with self._lock:
            for seq in seqs:
                self._memory.pop(seq, None)
            try:
                with self._transaction() as database:
                    database.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])
            except sqlite3.Error as error:
                self._complain("forgetting delivered events", error)

    def left_open(self) -> list[EventDraft]:
        """Events that were open when they were last stored."""
        with self._lock:
            rows = self._database.execute("SELECT payload FROM open_event ORDER BY id").fetchall()
            return [EventDraft.model_validate_json(payload) for (payload,) in rows]

    @property
    def depth(self) -> int:
        """How many events wait."""
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM outbox").fetchone()[0]) + len(self._memory)

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest waiting event was decided; 0 when none waits."""
        with self._lock:
            created = self._database.execute("SELECT min(created) FROM outbox").fetchone()[0]
            return max(0.0, time() - created) if created is not None else 0.0

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(f"{self.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            self.path.rename(aside)
            for ending in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + ending).rename(aside.with_name(aside.name + ending))
            log.error(
                "the outbox %s is damaged (%s): set aside as %s, a new one is begun", self.path, error, aside.name
            )
            self.trouble = f"a damaged outbox was set aside as {aside.name}"
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute(f"PRAGMA max_page_count = {self._max_size // PAGE}")
            database.executescript(SCHEMA)
            if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its check found damage")
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; rolled back on any error."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            with suppress(sqlite3.OperationalError):
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _numbered(self, drafts: Sequence[EventDraft]) -> list[Event]:
        return [draft.numbered(self._seq + place, self.boot) for place, draft in enumerate(drafts, 1)]

    def _keep_in_memory(self, events: list[Event], error: sqlite3.Error) -> None:
        """The disk does not take them: they are published from memory, and the trouble is told."""
        self._complain("storing events", error)
        self._memory |= {event.seq: Waiting(event.seq, event) for event in events}
        self._seq += len(events)

    def _write(self, events: list[Event]) -> None:
        with self._transaction() as database:
            for event in events:
                database.execute(
                    "INSERT INTO outbox VALUES (?, ?, ?, ?)", (event.seq, time(), event.state, event.json_bytes())
                )
                self._note_open(database, event)
            last = events[-1].seq if events else self._seq
            database.execute("UPDATE meta SET value = ? WHERE key = 'seq'", (last,))
        self._seq = last
        if self.trouble.startswith(DISK_TROUBLE):
            self.trouble = ""

    def _note_open(self, database: sqlite3.Connection, event: Event) -> None:
        if event.state is State.CLOSED:
            database.execute("DELETE FROM open_event WHERE id = ?", (event.id,))
            return
        draft = EventDraft.model_validate(event.model_dump(exclude={"v", "seq", "boot"}))
        database.execute("INSERT OR REPLACE INTO open_event VALUES (?, ?)", (event.id, draft.model_dump_json()))

    def _expire(self) -> list[EventDraft]:
        """Give up what is too old; the notice of it."""
        limit = (time() - self._max_age,)
        expired = int(self._database.execute("SELECT count(*) FROM outbox WHERE created < ?", limit).fetchone()[0])
        if not expired:
            return []
        try:
            with self._transaction() as database:
                database.execute("DELETE FROM outbox WHERE created < ?", limit)
        except sqlite3.Error as error:
            self._complain("giving up old events", error)
            return []
        return [_drop_notice(expired, "older than max_age")]

    def _evict(self) -> int:
        """Make room: the oldest updates first, then the oldest of all. How many events were given up."""
        try:
            with self._transaction() as database:
                for condition in ("WHERE state = 'update'", ""):
                    chosen = f"SELECT seq FROM outbox {condition} ORDER BY seq LIMIT {EVICT}"
                    if gone := database.execute(f"DELETE FROM outbox WHERE seq IN ({chosen})").rowcount:
                        return gone
        except sqlite3.Error as error:
            self._complain("making room in the outbox", error)
        return 0

    def _complain(self, doing: str, error: sqlite3.Error) -> None:
        self.trouble = f"{DISK_TROUBLE}: {doing} in {self.path}: {error}; free some space or raise outbox.max_size"
        log.error("%s", self.trouble)


def _drop_notice(count: int, reason: str) -> EventDraft:
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
        detail={"dropped": count, "reason": reason},
    )
