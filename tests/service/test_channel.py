"""What crosses the line between a worker and the supervisor, and what does not."""

from __future__ import annotations

import os
import pickle
import random
import socket
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from ulid import ULID

from tests.service.test_herald import BEAT
from vqa_agent.config import StreamSection
from vqa_agent.detect.interface import Severity
from vqa_agent.event import EventDraft, State
from vqa_agent.service.channel import LONGEST, Channel, Message, decode, encode
from vqa_agent.service.messages import Ended, SetLevel, Stop
from vqa_agent.service.stream import MOST_AT_ONCE, WatchedStream, _Run

DRAFT = EventDraft(
    id=str(ULID()), stream="main", defect="black", state=State.OPEN, severity=Severity.MAJOR, score=0.9,
    start=datetime(2026, 1, 2, tzinfo=UTC), end=None, pts=1.5, duration=2.0, region=(0.0, 0.0, 1.0, 0.5),
    detail={"level": -60.25, "count": 3, "near": True, "why": "é", "none": None},
)  # fmt: skip


@pytest.mark.parametrize("message", [DRAFT, BEAT, Ended("gone"), SetLevel(3, 0.5), SetLevel(1), Stop()])
def test_every_message_arrives_as_it_was_sent(message: Message) -> None:
    ours, theirs = Channel.pair()
    theirs.send(message)
    assert ours.poll()
    assert ours.receive() == message
    assert not ours.poll()
    theirs.close()
    with pytest.raises(EOFError):
        ours.receive()


class Escape:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def heard(*said: bytes) -> WatchedStream:
    """A stream whose worker, this process, has said so."""
    stream = WatchedStream(StreamSection(name="main", url="udp://127.0.0.1:5000"))
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stream._run = _Run(None, Channel(one), 0.0, 0.0)
    for message in said:
        other.send(message)
    return stream


def test_a_pickle_is_no_message(tmp_path: Path) -> None:
    stream = heard(pickle.dumps(Escape(tmp_path / "escaped")), b"EventDraft " + pickle.dumps(Escape(tmp_path / "too")))
    assert stream.take(1.0) == []
    assert stream._ended == Ended("it said what is no message")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x"}, {"score": 7.0}, {"duration": -1.0}, {"defect": "a/b"}, {"defect": "#"}, {"defect": ""},
        {"detail": {"long": "x" * LONGEST}},
    ],
)  # fmt: skip
def test_an_event_that_could_not_be_published_ends_its_worker_and_not_the_agent(changes: dict[str, Any]) -> None:
    stream = heard(encode(DRAFT.model_copy(update=changes)))
    assert stream.take(1.0) == []
    assert stream._ended == Ended("it said what is no message")


def test_no_worker_speaks_for_another_stream() -> None:
    stream = heard(encode(DRAFT.model_copy(update={"stream": "other"})), encode(DRAFT))
    assert stream.take(1.0) == [DRAFT]


def test_one_who_talks_without_end_does_not_keep_the_supervisor() -> None:
    stream = heard()
    assert stream._run is not None
    stream._run.pipe.poll = lambda timeout=0.0: True  # type: ignore[method-assign]
    stream._run.pipe.receive = lambda: DRAFT  # type: ignore[method-assign]
    assert len(stream.take(1.0)) == MOST_AT_ONCE


def test_orders_to_one_who_does_not_listen_are_not_waited_for() -> None:
    stream, began = heard(), monotonic()
    for number in range(2000):
        stream.set_level(number % 3)
    assert monotonic() - began < 2.0


def test_mutated_messages_are_messages_or_refused() -> None:
    rng = random.Random(5)
    whole = [encode(DRAFT), encode(BEAT), encode(SetLevel(2, 1.0))]
    refused = 0
    for _ in range(500):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            decode(bytes(data))
        except ValueError:
            refused += 1
    assert refused > 50
