"""The collector against a real broker and real outboxes."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from typer.testing import CliRunner

from tests.publish.broker import Mosquitto, wait_for
from tests.publish.events import event
from tests.publish.test_mqtt import TOPICS, publisher
from vqa_agent.cli import app
from vqa_agent.collect import Collector, Store, collector
from vqa_agent.collect.collector import read
from vqa_agent.collect.store import Arrival, Reject
from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError
from vqa_agent.publish import Outbox
from vqa_agent.publish.messages import Metrics
from vqa_agent.publish.session import Received, connect

NOW = "2026-01-02T00:00:00Z"
TOPIC = TOPICS.event("cam-1", "black")


class Running:
    """A collector in a thread."""

    def __init__(self, broker: Mosquitto, store: Path, name: str = "one") -> None:
        self.seen: list[Arrival] = []
        self.collector = Collector(MqttSection(url=broker.url), str(store), name, told=self.seen.append)
        self._thread = threading.Thread(target=self.collector.run)
        self._thread.start()
        wait_for(lambda: self.collector.progress.connected, 10.0, "the collector")

    def stop(self) -> None:
        self.collector.stop.set()
        self._thread.join(5)

    @property
    def numbers(self) -> list[int]:
        return [arrival.event.seq for arrival in self.seen]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as mosquitto:
        yield mosquitto


@pytest.mark.mosquitto
def test_what_was_published_before_any_collector_came_is_asked_for(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "GRACE", 0.1)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.commit([event(number) for number in range(70)])
    sender = publisher(MqttSection(url=broker.url), outbox)
    sender.start()
    wait_for(lambda: outbox.depth == 0, 10.0, "a delivery that nobody hears")
    running = Running(broker, tmp_path / "events.db")
    outbox.commit([event(70)])
    wait_for(lambda: len(running.seen) == 71, 15.0, "all events")
    assert sorted(running.numbers) == list(range(1, 72))
    assert sum(arrival.replayed for arrival in running.seen) == 70
    sender.stop()
    running.stop()


@pytest.mark.mosquitto
def test_the_last_event_is_missed_by_what_the_metrics_say(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "GRACE", 0.1)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.commit([event(1)])
    outbox.acknowledge([1])
    sender = publisher(MqttSection(url=broker.url), outbox)
    running = Running(broker, tmp_path / "events.db")
    sender.start()
    wait_for(lambda: sender.health.connected, 10.0, "the connection")
    metrics = Metrics(v=1, time=NOW, cpu=0, budget=1, memory=1, outbox=0, oldest=0, seq=1, settled=1, streams={})
    connect(MqttSection(url=broker.url), "x").publish(TOPICS.metrics, metrics.encode("json"))
    wait_for(lambda: running.numbers == [1], 10.0, "the replay")
    sender.stop()
    running.stop()


@pytest.mark.mosquitto
def test_a_collector_that_was_away_misses_nothing_and_two_share_the_work(broker: Mosquitto, tmp_path: Path) -> None:
    store = tmp_path / "events.db"
    Running(broker, store).stop()
    outbox = Outbox(tmp_path / "outbox.db")
    sender = publisher(MqttSection(url=broker.url), outbox)
    sender.start()
    outbox.commit([event(number) for number in range(50)])
    wait_for(lambda: outbox.depth == 0, 10.0, "the delivery")
    one, two = Running(broker, store), Running(broker, store, "two")
    outbox.commit([event(number) for number in range(50)])
    wait_for(lambda: len(one.seen) + len(two.seen) == 100, 15.0, "all events")
    assert sorted(one.numbers + two.numbers) == list(range(1, 101))
    assert one.seen
    assert two.seen
    sender.stop()
    one.stop()
    two.stop()


@pytest.mark.mosquitto
def test_a_message_is_acknowledged_only_once_it_is_stored(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "FIRST_WAIT", 0.2)
    tries = []
    save = Store.save

    def fails_at_first(self: Store, entries: list) -> list:
        if any(isinstance(entry, Arrival) for entry in entries):
            tries.append(len(entries))
            if len(tries) < 3:
                raise DeliveryError("writing the store: no room")
        return save(self, entries)

    monkeypatch.setattr(Store, "save", fails_at_first)
    running = Running(broker, tmp_path / "events.db")
    connect(MqttSection(url=broker.url), "x").publish(TOPIC, event().numbered(1, "aaaaaa").json_bytes())
    wait_for(lambda: running.numbers == [1], 15.0, "the event, at last")
    assert len(tries) >= 3
    running.stop()


def good() -> dict:
    return event().numbered(5, "aaaaaa").payload()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        pytest.param(TOPIC, b"\xff\xff", id="neither form"),
        pytest.param(TOPIC, b"{}", id="no event"),
        pytest.param(TOPICS.event("cam-2", "black"), json.dumps(good()).encode(), id="another stream's topic"),
        pytest.param(TOPIC, json.dumps(good() | {"seq": 2**70}).encode(), id="a number beyond all"),
        pytest.param(TOPIC, json.dumps(good() | {"pts": float("inf")}).encode(), id="infinity"),
        pytest.param(TOPIC, json.dumps(good() | {"detail": {"x": "\x00"}}).encode(), id="NUL"),
        pytest.param(TOPIC, json.dumps(good() | {"detail": {"x": "\ud800"}}).encode(), id="half a character"),
        pytest.param(TOPIC, json.dumps(good() | {"detail": {"x": "y" * 70_000}}).encode(), id="too long"),
        pytest.param(TOPIC, json.dumps(good() | {"boot": "b" * 5000}).encode(), id="a boot beyond all"),
        pytest.param(TOPIC, json.dumps(good() | {"start": "0001-01-01T00:00:00+14:00"}).encode(), id="before time"),
        pytest.param("vqa/v1/a b/c/event/cam-1/black", json.dumps(good()).encode(), id="a site with a space"),
        pytest.param(
            TOPICS.replay,
            json.dumps({"v": 1, "boot": None, "from_seq": 1, "to_seq": 2, "events": [], "gone": [[1, 9**20]],
                        "last": True}).encode(), id="gone beyond what was asked",
        ),
        pytest.param(TOPICS.metrics, b"[]", id="no metrics"),
        pytest.param("vqa/v1/s/a/surprise", b"{}", id="no such topic"),
        pytest.param(TOPIC, b"[" * 100_000, id="nested without end"),
    ],
)  # fmt: skip
def test_what_is_not_what_its_topic_says_is_put_aside(topic: str, payload: bytes, tmp_path: Path) -> None:
    (entry,) = read(Received(topic, payload))
    assert isinstance(entry, Reject)
    assert entry.reason
    assert "\n" not in entry.reason
    store = Store(str(tmp_path / "events.db"))
    assert store.save([entry]) == []


def test_mutated_messages_never_raise() -> None:
    rng = random.Random(5)
    for number in range(600):
        data = bytearray(cbor2.dumps(good()) if number % 2 else json.dumps(good()).encode())
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for entry in read(Received(TOPIC, bytes(data))):
            assert isinstance(entry, Arrival | Reject)


@pytest.mark.mosquitto
def test_the_command_stores_prints_and_ends(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqa_agent.cli.collect._end_on_signals", lambda stop: threading.Timer(3.0, stop.set).start())

    def send() -> None:
        connect(MqttSection(url=broker.url), "x").publish(TOPIC, event().numbered(1, "aaaaaa").json_bytes())

    threading.Timer(1.5, send).start()
    arguments = ["collect", "--mqtt", broker.url, "--store", str(tmp_path / "e.db"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("{")]
    assert json.loads(line)["event"]["seq"] == 1
    assert "1 events stored" in result.output


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    url = "postgresql://vqa:canary@127.0.0.1:9/vqa"
    result = CliRunner().invoke(app, ["collect", "--mqtt", "mqtt://127.0.0.1:9", "--store", url])
    assert result.exit_code == 2
    assert "canary" not in result.output
    assert "VQA_COLLECT_STORE" in result.output
