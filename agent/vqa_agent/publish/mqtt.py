"""The publisher: what the outbox holds goes to the broker, and is forgotten only when the broker has acknowledged it.

One thread owns the connection and does everything: it connects, feeds at most a window of events, takes in
acknowledgements, and begins again when the connection ends. Others only leave notes for it.
"""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic

from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError
from vqa_agent.publish.outbox import Outbox
from vqa_agent.publish.session import Session, Will, connect
from vqa_agent.publish.topics import Topics

log = logging.getLogger(__name__)

TURN = 0.1
"""Seconds that the network may work before new events are looked for."""

ACK_TIMEOUT = 30.0
"""Seconds without an acknowledgement after which a connection that looks alive is given up."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Reconnecting waits a random time up to the first, doubling up to the longest (full jitter), in seconds."""

NO_SUBSCRIBER = 0x10
REFUSAL = 0x80


@dataclass(frozen=True, slots=True)
class StateMessage:
    """A message that stands for now, not for what happened: the newest one replaces those before it."""

    topic: str
    payload: bytes
    retain: bool = True
    expiry: int | None = None


@dataclass(slots=True)
class Health:
    """How the delivery stands."""

    connected: bool = False
    version: str = ""
    last_error: str = ""
    reconnects: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    no_subscriber: int = 0
    refused: int = 0


class Publisher:
    """Publishes the events of `outbox` and the states given to `publish_state`. Works without a broker, too."""

    def __init__(self, settings: MqttSection, topics: Topics, outbox: Outbox, birth: StateMessage, will: Will) -> None:
        self.health = Health()
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._birth = birth
        self._will = will
        self._retained: dict[str, StateMessage] = {}
        self._states: SimpleQueue[StateMessage] = SimpleQueue()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._farewell: StateMessage | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        if self._settings.url:
            self._thread.start()
        else:
            self.health.last_error = "mqtt.url is not set: events stay in the outbox"

    def publish_state(self, state: StateMessage) -> None:
        """Send as soon as there is a connection; a retained state is sent again on every new connection."""
        self._states.put(state)

    def stop(self, farewell: StateMessage | None = None, timeout: float = 2.0) -> None:
        """Send what is waiting, as far as `timeout` seconds allow, then `farewell`, and disconnect."""
        self._farewell = farewell
        self._deadline = monotonic() + timeout
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout + 1.0)

    _deadline = 0.0

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            try:
                session = connect(self._settings, f"{self._topics.site}-{self._topics.agent}", self._will)
            except DeliveryError as error:
                attempt += 1
                self._note_error(str(error), attempt)
                self._wake.wait(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)))
                continue
            attempt = 0
            reason = _Delivery(self, session).run()
            self.health.connected = False
            if not self._stop.is_set():
                self.health.reconnects += 1
                self._note_error(f"the connection to the broker ended: {reason}", 1)
                self._wake.wait(random.uniform(0, FIRST_WAIT))

    def _note_error(self, text: str, attempt: int) -> None:
        if text != self.health.last_error or attempt == 1:
            log.warning("%s; events wait in the outbox", text)
        self.health.last_error = text


class _Delivery:
    """The delivery over one connection, from birth to its end."""

    def __init__(self, publisher: Publisher, session: Session) -> None:
        self._publisher = publisher
        self._session = session
        self._health = publisher.health
        self._cbor = publisher._settings.encoding == "cbor"
        self._in_flight: dict[int, int] = {}
        self._sent_up_to = 0
        self._last_progress = monotonic()

    def run(self) -> str:
        """Deliver until the connection ends; why it did."""
        self._greet()
        stop = self._publisher._stop
        while not stop.is_set():
            self._send_states()
            self._feed()
            if reason := self._session.turn(TURN):
                return reason
            self._take_acknowledgements()
            if self._in_flight and monotonic() - self._last_progress > ACK_TIMEOUT:
                self._session.drop()
                return f"no acknowledgement for {ACK_TIMEOUT:.0f} s"
        self._say_goodbye()
        return "stopped"

    def _greet(self) -> None:
        self._health.connected, self._health.last_error = True, ""
        self._health.version = "5" if self._session.is_mqtt5 else "3.1.1"
        log.info("connected to the broker with MQTT %s", self._health.version)
        self._send(self._publisher._birth)
        for state in self._publisher._retained.values():
            self._send(state)

    def _send(self, state: StateMessage) -> None:
        self._session.publish(state.topic, state.payload, retain=state.retain, cbor=self._cbor, expiry=state.expiry)

    def _send_states(self) -> None:
        while True:
            try:
                state = self._publisher._states.get_nowait()
            except Empty:
                return
            if state.retain:
                self._publisher._retained[state.topic] = state
            self._send(state)

    def _feed(self) -> None:
        """Give the connection as many events as the window has room for."""
        room = self._session.window - len(self._in_flight)
        if room <= 0:
            return
        for waiting in self._publisher._outbox.pending(room, self._sent_up_to):
            event = waiting.event
            topic = self._publisher._topics.event(event.stream, event.defect)
            payload = event.cbor_bytes() if self._cbor else event.json_bytes()
            if not self._in_flight:
                self._last_progress = monotonic()
            mid = self._session.publish(topic, payload, retain=False, cbor=self._cbor)
            self._in_flight[mid] = waiting.seq
            self._sent_up_to = waiting.seq
        self._health.in_flight = len(self._in_flight)

    def _take_acknowledgements(self) -> None:
        acknowledged, self._session.inbox.acknowledged = self._session.inbox.acknowledged, []
        delivered = []
        for answer in acknowledged:
            seq = self._in_flight.pop(answer.mid, None)
            if seq is None:
                continue
            self._last_progress = monotonic()
            if answer.code >= REFUSAL:
                self._health.refused += 1
                self._health.last_error = f"the broker refused an event: {answer.reason}; check its access rules"
                continue
            self._health.no_subscriber += answer.code == NO_SUBSCRIBER
            delivered.append(seq)
        if delivered:
            self._publisher._outbox.acknowledge(delivered)
            self._health.acknowledged += len(delivered)
        self._health.in_flight = len(self._in_flight)

    def _say_goodbye(self) -> None:
        deadline = self._publisher._deadline
        while monotonic() < deadline:
            self._send_states()
            self._feed()
            if not self._in_flight or self._session.turn(0.02):
                break
            self._take_acknowledgements()
        if self._publisher._farewell is not None:
            self._send(self._publisher._farewell)
            self._session.turn(0.05)
        self._session.close()
