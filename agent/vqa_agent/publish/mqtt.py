"""The publisher: what the outbox holds goes to the broker, and is settled only when the broker has acknowledged it.

One thread owns the connection and does everything: it connects, feeds at most a window of events, takes in
acknowledgements, and begins again when the connection ends. Others only leave notes for it.
"""

from __future__ import annotations

import logging
import random
import threading
from time import monotonic

from vqa_agent.backoff import doubled
from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError
from vqa_agent.publish.delivery import Delivery, Health, Mailbox, StateMessage
from vqa_agent.publish.outbox import Outbox
from vqa_agent.publish.session import Will, connect
from vqa_agent.publish.topics import Topics

log = logging.getLogger(__name__)

TURN = 0.1
"""Seconds that the network may work before new events are looked for."""

FIRST_WAIT, LONGEST_WAIT = 4.0, 60.0
"""Reconnecting waits a random time up to the first, doubling up to the longest (full jitter), in seconds: all agents
of a broker lose it at the same moment."""

SOUND_CONNECTION = 10.0
"""Seconds after which a connection that ends is no longer counted as a failed attempt."""


class Publisher:
    """Publishes the events of `outbox` and the states given to `publish_state`. Works without a broker, too."""

    def __init__(self, settings: MqttSection, topics: Topics, outbox: Outbox, birth: StateMessage, will: Will) -> None:
        self.health = Health()
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._birth = birth
        self._will = will
        self._mailbox = Mailbox()
        self._stop = threading.Event()
        self._farewell: StateMessage | None = None
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        if self._settings.url:
            self._thread.start()
        else:
            self.health.last_error = "mqtt.url is not set: events stay in the outbox"

    @property
    def is_well(self) -> bool:
        """Whether the thread lives, where one is wanted."""
        return not self._settings.url or self._thread.is_alive()

    def publish_state(self, state: StateMessage) -> None:
        """Send as soon as there is a connection; a retained state is sent again on every new connection."""
        self._mailbox.new.put(state)

    def stop(self, farewell: StateMessage | None = None, timeout: float = 2.0) -> None:
        """Send what is waiting, as far as `timeout` seconds allow, then `farewell`, and disconnect."""
        self._farewell = farewell
        self._deadline = monotonic() + timeout
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout + 1.0)

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            began = monotonic()
            try:
                reason = self._deliver()
            except DeliveryError as error:
                reason = str(error)
            except Exception as error:
                # Whatever it is: a thread that ends silently delivers nothing for months.
                log.exception("the delivery failed and begins again")
                reason = f"the delivery failed: {type(error).__name__}: {error}"
            self.health.connected, self.health.in_flight = False, 0
            attempt = 1 if monotonic() - began > SOUND_CONNECTION else attempt + 1
            if not self._stop.is_set():
                self._note_error(reason, attempt)
                self._stop.wait(random.uniform(0, doubled(FIRST_WAIT, attempt, LONGEST_WAIT)))

    def _deliver(self) -> str:
        """Connect, and deliver until the connection ends; why it did."""
        session = connect(self._settings, f"{self._topics.site}-{self._topics.agent}", self._will)
        delivery = Delivery(session, self._outbox, self._topics, self._mailbox, self.health, self._settings.encoding)
        try:
            delivery.greet(self._birth)
            while not self._stop.is_set():
                if reason := delivery.turn(TURN):
                    self.health.reconnects += 1
                    return f"the connection to the broker ended: {reason}"
            delivery.say_goodbye(self._farewell, self._deadline)
        finally:
            session.drop()
        return ""

    def _note_error(self, text: str, attempt: int) -> None:
        if text != self.health.last_error or attempt == 1:
            log.warning("%s; events wait in the outbox", text)
        self.health.last_error = text
