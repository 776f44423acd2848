"""What the collector keeps: every event once, how far each agent's numbers are complete, and what is lost.

The numbers of one agent form a series, which goes on over its restarts. It begins anew only where the agent lost its
state: a run that gives numbers which another run has given. Several collectors may share one store: what is missing is
asked of the tables, never of a collector's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from vqa_agent.collect.database import Database, Row, open_database
from vqa_agent.event import Event

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS event (
    site TEXT NOT NULL, agent TEXT NOT NULL, series INTEGER NOT NULL, seq BIGINT NOT NULL, boot TEXT NOT NULL,
    id TEXT NOT NULL, stream TEXT NOT NULL, defect TEXT NOT NULL, state TEXT NOT NULL, severity TEXT NOT NULL,
    score REAL NOT NULL, began {moment} NOT NULL, ended {moment}, duration REAL NOT NULL,
    received {moment} NOT NULL, replayed INTEGER NOT NULL, payload {document} NOT NULL,
    PRIMARY KEY (site, agent, series, seq))""",
    "CREATE INDEX IF NOT EXISTS event_began ON event (began)",
    "CREATE INDEX IF NOT EXISTS event_id ON event (id)",
    """CREATE TABLE IF NOT EXISTS run (
    site TEXT NOT NULL, agent TEXT NOT NULL, boot TEXT NOT NULL, series INTEGER NOT NULL,
    PRIMARY KEY (site, agent, boot))""",
    """CREATE TABLE IF NOT EXISTS agent (
    site TEXT NOT NULL, agent TEXT NOT NULL, series INTEGER NOT NULL, complete BIGINT NOT NULL, settled BIGINT NOT NULL,
    state TEXT NOT NULL, seen {moment} NOT NULL, PRIMARY KEY (site, agent))""",
    """CREATE TABLE IF NOT EXISTS lost (
    site TEXT NOT NULL, agent TEXT NOT NULL, series INTEGER NOT NULL, from_seq BIGINT NOT NULL, to_seq BIGINT NOT NULL,
    noted {moment} NOT NULL, PRIMARY KEY (site, agent, series, from_seq))""",
    """CREATE TABLE IF NOT EXISTS rejected (
    topic TEXT NOT NULL, reason TEXT NOT NULL, received {moment} NOT NULL, payload TEXT NOT NULL)""",
)
"""`agent.complete`: every number up to it is in `event` or `lost`. `agent.settled`: what the agent itself said."""

SCAN = 20_000
"""Numbers above `complete` that one look for gaps takes in."""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Numbers of one agent that are neither stored nor known to be lost."""

    site: str
    agent: str
    series: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of an agent, as it came."""

    site: str
    agent: str
    event: Event
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Sign:
    """What an agent said of itself: its state, and up to which number everything is settled."""

    site: str
    agent: str
    state: str
    settled: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Numbers that an agent no longer has."""

    site: str
    agent: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A message that is not what its topic says."""

    topic: str
    reason: str
    payload: bytes


Entry = Arrival | Sign | Loss | Reject


class Store:
    """The tables in the database at `url`, made where they are missing. Raises DeliveryError for what goes wrong."""

    def __init__(self, url: str) -> None:
        self._database: Database = open_database(url)
        names = {"moment": self._database.moment, "document": self._database.document}
        with self._database.transaction():
            for statement in SCHEMA:
                self._database.execute(statement.format(**names))

    def save(self, entries: Iterable[Entry]) -> list[Arrival]:
        """Store all of `entries` in one transaction; the events among them that were not there before."""
        now = datetime.now(UTC).isoformat()
        new = []
        with self._database.transaction():
            for entry in entries:
                match entry:
                    case Arrival():
                        if self._save_event(entry, now):
                            new.append(entry)
                    case Sign():
                        self._save_sign(entry, now)
                    case Loss():
                        self._save_loss(entry, now)
                    case Reject():
                        row = (entry.topic, entry.reason, now, entry.payload[:4096].decode(errors="replace"))
                        self._database.execute("INSERT INTO rejected VALUES (?, ?, ?, ?)", [_text(row)])
        return new

    def gaps(self) -> list[Gap]:
        """What is missing now. What is found complete is remembered, so that each look begins where the last ended."""
        found: list[Gap] = []
        with self._database.transaction():
            for site, agent, series, complete, settled in self._database.select(
                "SELECT site, agent, series, complete, settled FROM agent"
            ):
                there = self._numbers(site, agent, series, complete)
                gaps = _missing(there, complete, settled)
                found += [Gap(site, agent, series, first, last) for first, last in gaps]
                until = gaps[0][0] - 1 if gaps else max([complete, *(last for _, last in there)])
                if until > complete:
                    self._database.execute(
                        "UPDATE agent SET complete = ? WHERE site = ? AND agent = ? AND series = ? AND complete < ?",
                        [(until, site, agent, series, until)],
                    )
        return found

    def totals(self) -> tuple[int, int, int]:
        """Agents, events, and events that are lost."""
        with self._database.transaction():
            agents = self._database.select("SELECT count(*) FROM agent")[0][0]
            events = self._database.select("SELECT count(*) FROM event")[0][0]
            lost = self._database.select("SELECT coalesce(sum(to_seq - from_seq + 1), 0) FROM lost")[0][0]
        return int(agents), int(events), int(lost)

    def select(self, statement: str) -> list[Row]:
        """What a query of one's own gives."""
        with self._database.transaction():
            return self._database.select(statement)

    def close(self) -> None:
        self._database.close()

    def _save_event(self, arrival: Arrival, now: str) -> bool:
        site, agent, event = arrival.site, arrival.agent, arrival.event
        series = self._series(arrival, now)
        row = (
            site, agent, series, event.seq, event.boot, event.id, event.stream, event.defect, event.state,
            event.severity, event.score, event.start.isoformat(), event.end.isoformat() if event.end else None,
            event.duration, now, int(arrival.replayed), event.json_bytes().decode(),
        )  # fmt: skip
        marks = ", ".join("?" * len(row))
        return self._database.execute(f"INSERT INTO event VALUES ({marks}) ON CONFLICT DO NOTHING", [_text(row)]) > 0

    def _series(self, arrival: Arrival, now: str) -> int:
        """The series of the event's run; a run that is new goes on with the present one, or begins another."""
        site, agent, event = arrival.site, arrival.agent, arrival.event
        known = self._database.select(
            "SELECT series FROM run WHERE site = ? AND agent = ? AND boot = ?", (site, agent, event.boot)
        )
        if known:
            return int(known[0][0])
        present = self._present(site, agent, now)
        taken = self._database.select(
            "SELECT boot FROM event WHERE site = ? AND agent = ? AND series = ? AND seq = ?",
            (site, agent, present, event.seq),
        )
        series = present + 1 if taken and not arrival.replayed else present
        if series > present:
            self._database.execute(
                "UPDATE agent SET series = ?, complete = ?, settled = 0 WHERE site = ? AND agent = ?",
                [(series, event.seq - 1, site, agent)],
            )
        row = (site, agent, event.boot, series)
        self._database.execute("INSERT INTO run VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", [row])
        return series

    def _present(self, site: str, agent: str, now: str) -> int:
        row = (site, agent, now)
        self._database.execute("INSERT INTO agent VALUES (?, ?, 0, 0, 0, '', ?) ON CONFLICT DO NOTHING", [row])
        return int(self._database.select("SELECT series FROM agent WHERE site = ? AND agent = ?", row[:2])[0][0])

    def _save_sign(self, sign: Sign, now: str) -> None:
        self._present(sign.site, sign.agent, now)
        self._database.execute(
            "UPDATE agent SET seen = ?, state = ?, settled = CASE WHEN settled < ? THEN ? ELSE settled END "
            "WHERE site = ? AND agent = ?",
            [(now, sign.state, sign.settled, sign.settled, sign.site, sign.agent)],
        )

    def _save_loss(self, loss: Loss, now: str) -> None:
        """Of the range, only what is missing here is lost."""
        series = self._present(loss.site, loss.agent, now)
        there = self._numbers(loss.site, loss.agent, series, loss.first - 1)
        for first, last in _missing(there, loss.first - 1, loss.last):
            if first <= loss.last:
                row = (loss.site, loss.agent, series, first, min(last, loss.last), now)
                self._database.execute("INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", [row])

    def _numbers(self, site: str, agent: str, series: int, after: int) -> list[tuple[int, int]]:
        """Ranges that are stored or lost, above `after`, in order."""
        key = (site, agent, series, after)
        where = "WHERE site = ? AND agent = ? AND series = ? AND"
        stored = self._database.select(f"SELECT seq, seq FROM event {where} seq > ? ORDER BY seq LIMIT {SCAN}", key)
        lost = self._database.select(f"SELECT from_seq, to_seq FROM lost {where} to_seq > ?", key)
        return sorted((int(first), int(last)) for first, last in [*stored, *lost])


def _missing(there: Sequence[tuple[int, int]], complete: int, settled: int) -> list[tuple[int, int]]:
    """The ranges between `complete` and the last of `there` (or `settled`, if that is more) that `there` leaves out.

    >>> _missing([(3, 3), (4, 6), (9, 9)], 1, 11)
    [(2, 2), (7, 8), (10, 11)]
    """
    missing, reached = [], complete
    for first, last in there:
        if first > reached + 1:
            missing.append((reached + 1, first - 1))
        reached = max(reached, last)
    if settled > reached and len(there) < SCAN:
        missing.append((reached + 1, settled))
    return missing


def _text(row: Sequence[object]) -> list[object]:
    """PostgreSQL's text holds no NUL."""
    return [value.replace("\x00", "\ufffd") if isinstance(value, str) else value for value in row]
