"""The delivery over one connection: events in order, a window of them at a time, and what the broker says to each.

What a broker refuses follows one rule. Where its own rules or limits are the reason (not authorized, quota), somebody
must mend the broker: the event waits with all that follow it on its topic, and is tried again after a while, until it
is older than outbox.max_age. Where the message itself is the reason (topic, format, size), no patience helps: it is
parked, which an event of its own tells.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic

from vqa_agent.publish.outbox import Outbox, Waiting
from vqa_agent.publish.replay import Replayer
from vqa_agent.publish.session import Acknowledgement, Session
from vqa_agent.publish.topics import Topics

log = logging.getLogger(__name__)

ACK_TIMEOUT = 30.0
"""Seconds without an acknowledgement after which a connection that looks alive is given up."""

FIRST_HOLD, LONGEST_HOLD = 15.0, 600.0
"""Seconds before a topic that was refused is tried again: doubling with each refusal in a row."""

ENVELOPE = 64
"""Bytes of a packet beside topic and payload, at most."""

NO_SUBSCRIBER = 0x10
REFUSAL = 0x80
HOPELESS = frozenset([0x90, 0x95, 0x99])
"""Refusals of the message itself: topic name invalid, packet too large, payload format invalid."""


@dataclass(frozen=True, slots=True)
class StateMessage:
    """A message that stands for now, not for what happened: the newest one replaces those before it."""

    topic: str
    payload: bytes
    retain: bool = True
    expiry: int | None = None


@dataclass(slots=True)
class Health:
    """How the delivery stands. `unheard` counts events in a row that the broker took but had no subscriber for."""

    connected: bool = False
    version: str = ""
    last_error: str = ""
    reconnects: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    no_subscriber: int = 0
    unheard: int = 0
    refused: int = 0


@dataclass
class Mailbox:
    """What others left to be sent, and what is retained and said again on every new connection."""

    new: SimpleQueue[StateMessage] = field(default_factory=SimpleQueue)
    retained: dict[str, StateMessage] = field(default_factory=dict)

    def take(self) -> list[StateMessage]:
        taken: list[StateMessage] = []
        while True:
            try:
                state = self.new.get_nowait()
            except Empty:
                return taken
            if state.retain:
                self.retained[state.topic] = state
            taken.append(state)


@dataclass(slots=True)
class _Held:
    """A topic that was refused: blocked until a moment, after which it is tried again (`blocked` false)."""

    until: float
    wait: float
    blocked: bool = True


class Delivery:
    """From birth to the end of one connection. Everything happens in `turn`, in the thread that owns the session."""

    def __init__(
        self, session: Session, outbox: Outbox, topics: Topics, mailbox: Mailbox, health: Health, encoding: str
    ) -> None:
        self._session = session
        self._outbox = outbox
        self._topics = topics
        self._mailbox = mailbox
        self._health = health
        self._encoding = encoding
        self._cbor = encoding == "cbor"
        self._in_flight: dict[int, tuple[int, str]] = {}
        self._replay_in_flight: int | None = None
        self._held: dict[str, _Held] = {}
        self._sent_up_to = 0
        self._last_progress = monotonic()
        self._replayer = Replayer(outbox)

    def greet(self, birth: StateMessage) -> None:
        """Say that the agent is here and what is true now, and listen for requests."""
        self._health.connected, self._health.last_error = True, ""
        self._health.version = "5" if self._session.is_mqtt5 else "3.1.1"
        log.info("connected to the broker with MQTT %s", self._health.version)
        self._send(birth)
        for state in self._mailbox.retained.values():
            self._send(state)
        self._session.subscribe(self._topics.replay_request)

    def turn(self, seconds: float) -> str:
        """Send what may be sent and let the network work for `seconds`; why the connection ended, or nothing."""
        for state in self._mailbox.take():
            self._send(state)
        self._feed()
        self._feed_replay()
        if reason := self._session.turn(seconds):
            return reason
        self._take_acknowledgements()
        self._take_requests()
        if self._in_flight and monotonic() - self._last_progress > ACK_TIMEOUT:
            self._session.drop()
            return f"no acknowledgement for {ACK_TIMEOUT:.0f} s"
        return ""

    def say_goodbye(self, farewell: StateMessage | None, deadline: float) -> None:
        """Deliver what can be delivered until `deadline`, then `farewell`, and disconnect."""
        while monotonic() < deadline and not self.turn(0.02):
            if not self._in_flight:
                break
        if farewell is not None:
            self._send(farewell)
            self._session.turn(0.05)
        self._session.close()

    def _send(self, state: StateMessage) -> None:
        self._session.publish(state.topic, state.payload, retain=state.retain, cbor=self._cbor, expiry=state.expiry)

    # ---- events

    def _feed(self) -> None:
        """Give the connection as many events as the window has room for."""
        self._release_topics()
        while (room := self._session.window - len(self._in_flight)) > 0:
            under_way = {seq for seq, _ in self._in_flight.values()}
            waiting = self._outbox.pending(room + len(under_way), self._sent_up_to)
            for each in waiting[: room + len(under_way)]:
                if len(self._in_flight) >= self._session.window:
                    break
                self._sent_up_to = each.seq
                if each.seq not in under_way:
                    self._publish(each)
            if len(waiting) < room:
                break
        self._health.in_flight = len(self._in_flight)

    def _publish(self, waiting: Waiting) -> None:
        event = waiting.event
        topic = self._topics.event(event.stream, event.defect)
        if (held := self._held.get(topic)) is not None and held.blocked:
            return
        payload = event.cbor_bytes() if self._cbor else event.json_bytes()
        if len(topic) + len(payload) + ENVELOPE > self._session.inbox.most_bytes:
            self._park(waiting.seq, f"it is larger than the broker takes ({self._session.inbox.most_bytes} bytes)")
            return
        if not self._in_flight:
            self._last_progress = monotonic()
        mid = self._session.publish(topic, payload, cbor=self._cbor)
        self._in_flight[mid] = (waiting.seq, topic)

    def _take_acknowledgements(self) -> None:
        acknowledged, self._session.inbox.acknowledged = self._session.inbox.acknowledged, []
        delivered = []
        for answer in acknowledged:
            if answer.mid == self._replay_in_flight:
                self._note_replay(answer)
            if answer.mid not in self._in_flight:
                continue
            seq, topic = self._in_flight.pop(answer.mid)
            self._last_progress = monotonic()
            if answer.code >= REFUSAL:
                self._note_refusal(seq, topic, answer)
                continue
            self._let_pass(topic)
            self._note_hearing(answer)
            delivered.append(seq)
        if delivered:
            self._outbox.acknowledge(delivered)
            self._health.acknowledged += len(delivered)
        self._health.in_flight = len(self._in_flight)

    def _note_hearing(self, answer: Acknowledgement) -> None:
        if answer.code != NO_SUBSCRIBER:
            self._health.unheard = 0
            return
        self._health.no_subscriber += 1
        self._health.unheard += 1
        if self._health.unheard == 1:
            log.warning("the broker has no subscriber for the events: they can be asked for as long as history lasts")

    # ---- refusals

    def _note_refusal(self, seq: int, topic: str, answer: Acknowledgement) -> None:
        self._health.refused += 1
        if answer.code in HOPELESS:
            self._park(seq, f"the broker refused it: {answer.reason}")
            return
        before = self._held.get(topic)
        if before is not None and before.blocked:
            return  # what was in flight behind the first refusal
        wait = FIRST_HOLD if before is None else min(LONGEST_HOLD, 2 * before.wait)
        self._held[topic] = _Held(monotonic() + wait, wait)
        self._health.last_error = (
            f"the broker refused an event on {topic}: {answer.reason}; check its access rules; "
            f"the next try is in {wait:.0f} s"
        )
        log.warning("%s", self._health.last_error)

    def _let_pass(self, topic: str) -> None:
        if self._held.pop(topic, None) is not None and not self._held:
            self._health.last_error = ""

    def _release_topics(self) -> None:
        """Topics whose wait is over are tried again, from their first event on."""
        for held in self._held.values():
            if held.blocked and held.until <= monotonic():
                held.blocked = False
                self._sent_up_to = 0

    def _park(self, seq: int, reason: str) -> None:
        log.error("event %d is given up: %s", seq, reason)
        self._health.last_error = f"event {seq} was given up: {reason}"
        self._outbox.park([seq], reason)

    # ---- requests for replay

    def _take_requests(self) -> None:
        inbox = self._session.inbox
        messages, inbox.messages = inbox.messages, []
        for message in messages:
            self._replayer.take(message.payload)
        if inbox.refused_topics:
            log.warning(
                "the broker does not let the agent listen on %s (%s): collectors cannot ask for what they miss",
                self._topics.replay_request,
                inbox.refused_topics.pop(),
            )
            inbox.refused_topics.clear()

    def _feed_replay(self) -> None:
        if self._replay_in_flight is not None or len(self._in_flight) >= self._session.window:
            return
        if (answer := self._replayer.answer()) is not None:
            self._replay_in_flight = self._session.publish(
                self._topics.replay, answer.encode(self._encoding), cbor=self._cbor
            )

    def _note_replay(self, answer: Acknowledgement) -> None:
        self._replay_in_flight = None
        if answer.code >= REFUSAL:
            log.warning("the broker refused a replay: %s; check its access rules", answer.reason)
            self._replayer.forget()
