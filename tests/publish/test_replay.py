"""Collectors ask for what they miss."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import cbor2
import pytest

from tests.publish.broker import Mosquitto, wait_for
from tests.publish.events import event
from tests.publish.test_mqtt import TOPICS, Listener, publisher
from vqa_agent.config import MqttSection
from vqa_agent.publish import Outbox
from vqa_agent.publish.outbox import DISK_TROUBLE
from vqa_agent.publish.replay import BATCH, MOST_REQUESTS, Replayer
from vqa_agent.publish.session import connect


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    box = Outbox(tmp_path / "outbox.db", max_size=10**6)
    box.commit([event(number) for number in range(120)])
    box.acknowledge(range(1, 101))
    return box


def request(first: int, last: int, **more: object) -> bytes:
    return json.dumps({"v": 1, "from_seq": first, "to_seq": last, **more}).encode()


def test_a_long_range_is_answered_in_parts_that_meet(outbox: Outbox) -> None:
    replayer = Replayer(outbox)
    assert replayer.take(request(5, 118))
    answers = []
    while (answer := replayer.answer()) is not None:
        answers.append(answer)
    assert [each.seq for answer in answers for each in answer.events] == list(range(5, 119))
    assert [(a.from_seq, a.to_seq, a.last) for a in answers] == [
        (5, 5 + BATCH - 1, False),
        (5 + BATCH, 4 + 2 * BATCH, False),
        (5 + 2 * BATCH, 118, True),
    ]
    assert all(answer.gone == [] for answer in answers)


def test_what_is_no_longer_there_is_said_to_be_gone(outbox: Outbox) -> None:
    outbox._database.execute("DELETE FROM outbox WHERE seq < 3 OR seq BETWEEN 10 AND 12")
    replayer = Replayer(outbox)
    replayer.take(request(1, 15))
    answer = replayer.answer()
    assert answer is not None
    assert answer.gone == [(1, 2), (10, 12)]
    replayer.take(request(119, 140))
    assert (last := replayer.answer()) is not None
    assert last.gone == [(121, 140)]


def test_what_the_disk_does_not_give_now_is_not_said_to_be_gone(outbox: Outbox) -> None:
    replayer = Replayer(outbox)
    replayer.take(request(1, 3))
    outbox.trouble = f"{DISK_TROUBLE}: disk I/O error"
    assert replayer.answer() is None
    assert outbox.settled == 0
    outbox.commit([event()])
    assert (answer := replayer.answer()) is not None
    assert [each.seq for each in answer.events] == [1, 2, 3]
    assert outbox.settled == 100


def test_a_request_may_be_for_one_run_alone(outbox: Outbox) -> None:
    replayer = Replayer(outbox)
    replayer.take(request(1, 10, boot="0badc0de"))
    answer = replayer.answer()
    assert answer is not None
    assert (answer.events, answer.gone, answer.boot) == ([], [(1, 10)], "0badc0de")


def test_requests_that_wait_are_bounded_and_not_doubled(outbox: Outbox) -> None:
    replayer = Replayer(outbox)
    for number in range(5 * MOST_REQUESTS):
        replayer.take(request(number // 2 + 1, 200))
    assert len(replayer._requests) == MOST_REQUESTS


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"v":1}', request(0, 5), request(9, 5), request(1, 2**60),
        request(1, 2, surprise=1), request(1, 2, boot="../etc"), b"[" * 4000, b"{" + b" " * 5000 + b"}",
        cbor2.dumps({"v": 2, "from_seq": 1, "to_seq": 2}), b"\x9f" * 3000, b'{"v":1,"from_seq":1e400,"to_seq":2}',
    ],
    ids=lambda payload: repr(payload[:24]),
)  # fmt: skip
def test_a_request_that_is_none_is_left(payload: bytes, outbox: Outbox) -> None:
    replayer = Replayer(outbox)
    assert not replayer.take(payload)
    assert replayer.answer() is None


def test_mutated_requests_never_raise(outbox: Outbox) -> None:
    rng = random.Random(8)
    replayer = Replayer(outbox)
    for number in range(400):
        data = bytearray(request(3, 17, boot="abcdef") if number % 2 else cbor2.dumps(json.loads(request(3, 17))))
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if replayer.take(bytes(data)):
            assert replayer.answer() is not None
            replayer.forget()


@pytest.mark.mosquitto
@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_the_agent_answers_over_the_broker(tmp_path: Path, encoding: str) -> None:
    outbox = Outbox(tmp_path / "state.db")
    sent = outbox.commit([event(number) for number in range(3)])
    with Mosquitto(tmp_path) as broker:
        settings = MqttSection(url=broker.url, encoding=encoding)
        sender = publisher(settings, outbox)
        sender.start()
        wait_for(lambda: outbox.depth == 0, 10.0, "the delivery that nobody hears")
        assert sender.health.unheard == 3
        with Listener(settings) as listener:
            asking = connect(settings, "collector")
            asking.publish(TOPICS.replay_request, b"nonsense")
            asking.publish(TOPICS.replay_request, request(1, 3))
            until = time.monotonic() + 1
            while time.monotonic() < until:
                asking.turn(0.05)
            replays = [message for topic, message in listener.seen if topic == TOPICS.replay]
            outbox.commit([event(9)])
            wait_for(lambda: listener.events, 5.0, "a live event")
        sender.stop()
    (answer,) = replays
    assert answer["events"] == [each.payload() for each in sent]
    assert (answer["gone"], answer["last"]) == ([], True)
    assert sender.health.unheard == 0
