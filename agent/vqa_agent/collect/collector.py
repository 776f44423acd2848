"""Takes in what the agents publish: a message is acknowledged only once its event is in the store.

The subscription to events is shared, so that several collectors with one store divide the work; the broker keeps it
while a collector is away. What is missing is asked of the agent, again and again with growing patience, until it is
stored or the agent says that it is gone.
"""

from __future__ import annotations

import json
import logging
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion
from pydantic import ValidationError

from vqa_agent.backoff import doubled
from vqa_agent.collect.store import Arrival, Entry, Gap, Loss, Reject, Sign, Store
from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError, one_line
from vqa_agent.event import Event, decode
from vqa_agent.publish.messages import AgentStatus, Metrics, Replay, ReplayRequest
from vqa_agent.publish.session import Received, Session
from vqa_agent.publish.topics import ROOT, Topics

log = logging.getLogger(__name__)

KEEP = 7 * 86400
"""Seconds for which the broker keeps what arrives while a collector is away."""

BATCH = 500
"""Messages in one transaction at most."""

LOOK = 1.0
"""Seconds between two looks for gaps."""

GRACE = 2.0
"""Seconds that a number may be missing before it is asked for: messages overtake each other between collectors."""

FIRST_PATIENCE, LONGEST_PATIENCE = 5.0, 600.0
"""Seconds before an unanswered request is repeated."""

MOST_ASKED = 1000
"""Numbers in one request."""

FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds before it connects again: a random time up to the first, doubling up to the longest."""

MOST_BYTES = 64 * 1024
"""Longest event that is stored."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class Progress:
    """What this collector has done since it began."""

    connected: bool = False
    stored: int = 0
    replayed: int = 0
    duplicates: int = 0
    rejected: int = 0
    requests: int = 0
    gaps: int = 0
    """Ranges that are missing now."""


@dataclass(slots=True)
class _Question:
    """A gap that is being asked for."""

    due: float
    asked: int = 0


@dataclass
class Collector:
    """`run` collects until `stop` is set. `told` is called with each new event, after it was stored."""

    settings: MqttSection
    store_url: str
    name: str
    group: str = "vqa"
    told: Callable[[Arrival], None] = lambda arrival: None
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Progress = field(default_factory=Progress)

    def run(self) -> None:
        """Raises DeliveryError where the first connection to the store or the broker cannot be made."""
        attempt = 0
        while not self.stop.is_set():
            began = monotonic()
            try:
                self._collect()
            except DeliveryError as error:
                if attempt == 0 and not self.progress.connected:
                    raise
                log.warning("%s; begins again", error)
            self.progress.connected = False
            attempt = 1 if monotonic() - began > LONGEST_WAIT else attempt + 1
            self.stop.wait(random.uniform(0, doubled(FIRST_WAIT, attempt, LONGEST_WAIT)))

    def _collect(self) -> None:
        """Collect over one connection to the store and one to the broker, until either ends."""
        store = Store(self.store_url)
        session = Session(self.settings, f"vqa-collect-{self.name}", MQTTProtocolVersion.MQTTv5, keep=KEEP)
        try:
            session.connect()
            self._subscribe(session)
            self.progress.connected = True
            log.info("connected to the broker and to the store")
            _Round(self, store, session).run()
        finally:
            session.drop()
            store.close()

    def _subscribe(self, session: Session) -> None:
        every = Topics("+", "+")
        for topic in (every.event("+", "+"), every.replay, every.metrics):
            session.subscribe(f"$share/{self.group}/{topic}")
        session.subscribe(every.status)


class _Round:
    """The work over one pair of connections."""

    def __init__(self, collector: Collector, store: Store, session: Session) -> None:
        self._collector = collector
        self._store = store
        self._session = session
        self._questions: dict[Gap, _Question] = {}
        self._look_due = 0.0

    def run(self) -> None:
        while not self._collector.stop.is_set():
            reason = self._session.turn(0.1)
            while not reason and 0 < len(self._session.inbox.messages) < BATCH:
                before = len(self._session.inbox.messages)
                reason = self._session.turn(0.0)
                if len(self._session.inbox.messages) == before:
                    break
            self._take_in()
            if self._session.inbox.refused_topics:
                raise DeliveryError(
                    f"subscribing at the broker: refused: {self._session.inbox.refused_topics[0]}; let the collector's "
                    f"user read {ROOT}/# and write {ROOT}/+/+/request/replay"
                )
            if reason:
                raise DeliveryError(f"the connection to the broker ended: {reason}")
            if monotonic() >= self._look_due:
                self._look_due = monotonic() + LOOK
                self._look_for_gaps()
        self._session.close()

    def _take_in(self) -> None:
        """Store what has arrived, and only then let the broker forget it."""
        messages, self._session.inbox.messages = self._session.inbox.messages, []
        if not messages:
            return
        entries = [entry for message in messages for entry in read(message)]
        new = self._store.save(entries)
        for message in messages:
            self._session.acknowledge(message)
        progress, arrived = self._collector.progress, sum(isinstance(entry, Arrival) for entry in entries)
        progress.stored += len(new)
        progress.duplicates += arrived - len(new)
        progress.replayed += sum(arrival.replayed for arrival in new)
        for entry in entries:
            if isinstance(entry, Reject):
                progress.rejected += 1
                log.warning("a message on %s is put aside: %s", entry.topic, entry.reason)
        for arrival in new:
            self._collector.told(arrival)

    def _look_for_gaps(self) -> None:
        now = monotonic()
        gaps = self._store.gaps()
        self._collector.progress.gaps = len(gaps)
        known = self._questions
        self._questions = {gap: known.get(gap) or _Question(now + GRACE) for gap in gaps}
        for gap, question in self._questions.items():
            if question.due <= now:
                question.asked += 1
                question.due = now + doubled(FIRST_PATIENCE, question.asked, LONGEST_PATIENCE)
                self._ask(gap)

    def _ask(self, gap: Gap) -> None:
        request = ReplayRequest(v=1, from_seq=gap.first, to_seq=min(gap.last, gap.first + MOST_ASKED - 1), boot=None)
        topic = Topics(gap.site, gap.agent).replay_request
        payload = request.model_dump_json(exclude_none=True).encode()
        self._session.publish(topic, payload, expiry=int(LONGEST_PATIENCE))
        self._collector.progress.requests += 1
        log.info("%s/%s: events %d to %d are missing: asked for", gap.site, gap.agent, gap.first, gap.last)


def read(message: Received) -> list[Entry]:
    """What a message says for the store. One that is not what its topic says is a Reject."""
    _, _, site, agent, kind, *_ = [*message.topic.split("/"), "", ""]
    if not message.payload:
        return []
    try:
        if not (_NAME.fullmatch(site) and _NAME.fullmatch(agent)):
            raise ValueError("site and agent must be 1 to 64 letters, digits, - or _")
        return _READERS[kind](site, agent, message.topic, decode(message.payload))
    except (ValueError, KeyError, OverflowError, RecursionError) as error:
        reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
        return [Reject(message.topic, one_line(reason)[:200].encode(errors="replace").decode(), message.payload)]


def _storable(event: Event) -> Event:
    """Raises ValueError for what JSON or a database cannot hold: NaN, infinity, halves of characters, NUL."""
    text = json.dumps(event.payload(), allow_nan=False)
    if "\\u0000" in text or len(text) > MOST_BYTES:
        raise ValueError("it has a NUL in it or is too long")
    event.json_bytes()
    return event


def _read_event(site: str, agent: str, topic: str, payload: Any) -> list[Entry]:
    event = _storable(Event.model_validate(payload))
    if Topics(site, agent).event(event.stream, event.defect) != topic:
        raise ValueError("the event is of another stream or defect than its topic")
    return [Arrival(site, agent, event)]


def _read_replay(site: str, agent: str, topic: str, payload: Any) -> list[Entry]:
    replay = Replay.model_validate(payload)
    if any(not replay.from_seq <= first <= last <= replay.to_seq for first, last in replay.gone):
        raise ValueError("a range in gone is not one that was asked for")
    gone = [] if replay.boot else replay.gone
    return [
        *(Arrival(site, agent, _storable(event), replayed=True) for event in replay.events),
        *(Loss(site, agent, first, last) for first, last in gone),
    ]


def _read_metrics(site: str, agent: str, topic: str, payload: Any) -> list[Entry]:
    return [Sign(site, agent, "online", Metrics.model_validate(payload).settled)]


def _read_status(site: str, agent: str, topic: str, payload: Any) -> list[Entry]:
    return [Sign(site, agent, AgentStatus.model_validate(payload).state)]


_READERS: dict[str, Callable[[str, str, str, Any], list[Entry]]] = {
    "event": _read_event,
    "response": _read_replay,
    "metrics": _read_metrics,
    "status": _read_status,
}
