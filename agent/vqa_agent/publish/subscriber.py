"""A subscriber: what central monitoring sees, for `watch`, the demo and the tests."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError
from vqa_agent.event import decode
from vqa_agent.publish.session import Received, connect
from vqa_agent.publish.topics import ROOT

log = logging.getLogger(__name__)

EVERYTHING = f"{ROOT}/#"
RETRY = 1.0


def subscribe(
    settings: MqttSection, topic: str = EVERYTHING, stop: threading.Event | None = None, seconds: float | None = None
) -> Iterator[tuple[str, Any]]:
    """Topics and decoded messages as they arrive; reconnects until `stop` is set or `seconds` have passed.

    A message that is neither JSON nor CBOR is left out with a warning. Raises DeliveryError where the first
    connection cannot be made.
    """
    stop = stop or threading.Event()
    until = monotonic() + seconds if seconds is not None else float("inf")
    client_id = f"vqa-watch-{secrets.token_hex(4)}"
    session = connect(settings, client_id)
    while not stop.is_set() and monotonic() < until:
        session.subscribe(topic)
        reason = ""
        while not reason and not stop.is_set() and monotonic() < until:
            reason = session.turn(0.1)
            messages, session.inbox.messages = session.inbox.messages, []
            yield from decoded(messages)
        while reason and not stop.is_set() and monotonic() < until:
            sleep(RETRY)
            try:
                session = connect(settings, client_id)
                reason = ""
            except DeliveryError as error:
                log.debug("%s", error)
    session.close()


def decoded(messages: list[Received]) -> Iterator[tuple[str, Any]]:
    """Topics and contents; what is neither JSON nor CBOR is left out with a warning."""
    for message in messages:
        if not message.payload:
            continue  # a retained message was taken back
        try:
            yield message.topic, decode(message.payload)
        except ValueError as error:
            log.warning("a message on %s is left out: %s", message.topic, error)
