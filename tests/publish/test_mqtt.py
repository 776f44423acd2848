"""Delivery to a real mosquitto, to an old broker, and to brokers that misbehave."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from tests.publish.broker import Mosquitto, RudeBroker, wait_for
from tests.publish.events import event
from vqa_agent.config import MqttSection
from vqa_agent.demo.broker import EmbeddedBroker
from vqa_agent.errors import DeliveryError
from vqa_agent.event import schema
from vqa_agent.publish import Outbox, Publisher, StateMessage, Topics, Will
from vqa_agent.publish.session import Acknowledgement, connect
from vqa_agent.publish.subscriber import subscribe

pytestmark = pytest.mark.mosquitto
TOPICS = Topics("venue", "box-1")


class Listener:
    """Collects what a subscriber sees."""

    def __init__(self, settings: MqttSection, topic: str = "vqa/v1/#") -> None:
        self.seen: list[tuple[str, dict]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(settings, topic))
        self._thread.start()

    def __enter__(self) -> Listener:
        time.sleep(0.3)
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self, settings: MqttSection, topic: str) -> None:
        for message in subscribe(settings, topic, self._stop):
            self.seen.append(message)

    @property
    def events(self) -> list[dict]:
        return [message for topic, message in self.seen if "/event/" in topic]

    @property
    def numbers(self) -> list[int]:
        return [message["seq"] for message in self.events]


def publisher(settings: MqttSection, outbox: Outbox) -> Publisher:
    birth = StateMessage(TOPICS.status, b'{"state":"online"}')
    return Publisher(settings, TOPICS, outbox, birth, Will(TOPICS.status, b'{"state":"offline"}'))


@pytest.fixture
def outbox(tmp_path: Path):
    box = Outbox(tmp_path / "outbox.sqlite")
    yield box
    box.close()


@pytest.fixture
def broker(tmp_path: Path):
    with Mosquitto(tmp_path) as mosquitto:
        yield mosquitto


def test_events_arrive_in_order_valid_and_are_then_forgotten(broker: Mosquitto, outbox: Outbox) -> None:
    settings = MqttSection(url=broker.url)
    sender = publisher(settings, outbox)
    with Listener(settings) as listener:
        sender.start()
        outbox.commit([event(number) for number in range(50)])
        wait_for(lambda: len(listener.events) == 50 and outbox.depth == 0, 10.0, "all events")
        sender.stop()
    assert listener.numbers == list(range(1, 51))
    assert {topic for topic, _ in listener.seen if "/event/" in topic} == {"vqa/v1/venue/box-1/event/cam-1/black"}
    for message in listener.events:
        jsonschema.validate(message, schema())
    assert sender.health.version == "5"


def test_cbor_carries_the_same(broker: Mosquitto, outbox: Outbox) -> None:
    settings = MqttSection(url=broker.url, encoding="cbor")
    sender = publisher(settings, outbox)
    with Listener(settings) as listener:
        sender.start()
        (sent,) = outbox.commit([event()])
        wait_for(lambda: listener.events, 10.0, "the event")
        sender.stop()
    assert listener.events == [sent.payload()]


def test_birth_and_stream_state_are_retained_and_said_again_after_a_restart(broker: Mosquitto, outbox: Outbox) -> None:
    settings = MqttSection(url=broker.url)
    sender = publisher(settings, outbox)
    sender.start()
    sender.publish_state(StateMessage(TOPICS.stream("cam-1"), b'{"signal":"ok"}'))
    wait_for(lambda: sender.health.connected, 10.0, "the connection")
    time.sleep(0.3)
    broker.kill()
    broker.start()
    wait_for(lambda: sender.health.reconnects and sender.health.connected, 20.0, "the reconnection")
    with Listener(settings) as late:
        wait_for(lambda: len(late.seen) == 2, 10.0, "what is retained")
        assert dict(late.seen) == {TOPICS.status: {"state": "online"}, TOPICS.stream("cam-1"): {"signal": "ok"}}
        sender.stop(StateMessage(TOPICS.status, b'{"state":"offline"}'))
        wait_for(lambda: late.seen[-1] == (TOPICS.status, {"state": "offline"}), 10.0, "the farewell")


def test_events_outlive_a_broker_that_is_killed_and_comes_back(broker: Mosquitto, outbox: Outbox) -> None:
    settings = MqttSection(url=broker.url)
    sender = publisher(settings, outbox)
    sender.start()
    wait_for(lambda: sender.health.connected, 10.0, "the connection")
    broker.kill()
    outbox.commit([event(number) for number in range(30)])
    time.sleep(0.5)
    assert outbox.depth == 30
    broker.start()
    with Listener(settings) as listener:
        wait_for(lambda: outbox.depth == 0, 20.0, "the delivery")
        time.sleep(0.2)
        sender.stop()
    assert sorted(set(listener.numbers)) == list(range(1, 31)) or sender.health.no_subscriber


def test_works_without_any_broker(outbox: Outbox) -> None:
    sender = publisher(MqttSection(url="mqtt://127.0.0.1:9"), outbox)
    sender.start()
    outbox.commit([event()])
    wait_for(lambda: sender.health.last_error, 5.0, "the error")
    assert "nothing listens there" in sender.health.last_error
    started = time.monotonic()
    sender.stop()
    assert time.monotonic() - started < 4.0
    assert outbox.depth == 1


SENDER = """
    import sys
    from pathlib import Path
    from tests.publish.events import event
    from tests.publish.test_mqtt import publisher
    from vqa_agent.config import MqttSection
    from vqa_agent.publish import Outbox
    outbox = Outbox(Path(sys.argv[1]))
    publisher(MqttSection(url=sys.argv[2]), outbox).start()
    while True:
        for stored in outbox.commit([event()]):
            print(stored.seq, flush=True)
"""


def test_the_last_will_tells_of_a_sender_that_was_killed_and_its_events_follow(
    broker: Mosquitto, tmp_path: Path
) -> None:
    settings = MqttSection(url=broker.url)
    path = tmp_path / "killed.sqlite"
    command = [sys.executable, "-c", textwrap.dedent(SENDER), str(path), broker.url]
    with Listener(settings) as listener:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            wait_for(lambda: len(listener.events) > 100, 20.0, "events")
            os.kill(process.pid, signal.SIGKILL)
            told = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        wait_for(lambda: (TOPICS.status, {"state": "offline"}) in listener.seen, 15.0, "the Last Will")
        outbox = Outbox(path)
        sender = publisher(settings, outbox)
        sender.start()
        wait_for(lambda: outbox.depth == 0, 20.0, "the rest")
        time.sleep(0.3)
        sender.stop()
        outbox.close()
    assert set(told) <= set(listener.numbers)
    assert set(listener.numbers) == set(range(1, max(listener.numbers) + 1))


def test_user_and_password_come_from_a_file_and_are_never_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, outbox: Outbox
) -> None:
    caplog.set_level(logging.DEBUG)
    users, password = tmp_path / "users", tmp_path / "password"
    users.touch()
    subprocess.run(["mosquitto_passwd", "-b", str(users), "box", "right-canary"], check=True, capture_output=True)
    users.chmod(0o644)
    with Mosquitto(tmp_path, ["allow_anonymous false", f"password_file {users}"]) as broker:
        settings = MqttSection(url=broker.url, username="box", password_file=password)
        password.write_text("wrong-canary\n")
        with pytest.raises(DeliveryError, match=r"refused: Not authorized; check mqtt\.username"):
            connect(settings, "x")
        password.write_text("right-canary\n")
        sender = publisher(settings, outbox)
        sender.start()
        wait_for(lambda: sender.health.connected, 10.0, "the connection")
        sender.stop()
        password.unlink()
        with pytest.raises(DeliveryError, match=r"reading mqtt.password_file .*No such file"):
            connect(settings, "x")
    assert "canary" not in caplog.text + json.dumps([record.getMessage() for record in caplog.records])


def test_falls_back_to_3_1_1_on_the_embedded_broker_and_loses_nothing(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedBroker() as broker:
        settings = MqttSection(url=broker.url)
        sender = publisher(settings, outbox)
        old = MqttSection(url=broker.url, version="3.1.1")
        with Listener(old) as listener:
            outbox.commit([event(number) for number in range(20)])
            sender.start()
            wait_for(lambda: len(listener.events) == 20 and outbox.depth == 0, 15.0, "all events")
            sender.stop()
    assert sender.health.version == "3.1.1"
    assert [record.message for record in caplog.records if "has no MQTT 5" in record.message]


def old_broker(connection: socket.socket) -> None:
    """Refuses MQTT 5 as the standard says, accepts 3.1.1, and acknowledges nothing else."""
    connect_packet = connection.recv(1024)
    level = connect_packet[connect_packet.index(b"MQTT") + 4]
    connection.sendall(b"\x20\x03\x00\x84\x00" if level == 5 else b"\x20\x02\x00\x00")
    if level != 5:
        while connection.recv(4096):
            pass
    connection.close()


def closing_broker(connection: socket.socket) -> None:
    """Closes the connection at the sight of MQTT 5."""
    connect_packet = connection.recv(1024)
    if connect_packet[connect_packet.index(b"MQTT") + 4] != 5:
        connection.sendall(b"\x20\x02\x00\x00")
        connection.recv(4096)
    connection.close()


@pytest.mark.parametrize("answer", [old_broker, closing_broker], ids=["refuses", "closes"])
def test_falls_back_where_an_old_broker(answer) -> None:
    broker = RudeBroker(answer)
    session = connect(MqttSection(url=broker.url), "x")
    assert not session.is_mqtt5
    assert broker.connections == 2
    session.drop()
    broker.close()


def test_a_version_that_is_set_is_not_left() -> None:
    broker = RudeBroker(old_broker)
    with pytest.raises(DeliveryError, match="refused"):
        connect(MqttSection(url=broker.url, version="5"), "x")
    assert broker.connections == 1
    broker.close()


def test_a_callback_that_raises_kills_no_delivery(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[int] = []

    def clumsy(mid: int, value: int, reason: str) -> Acknowledgement:
        if len(raised) < 2:
            raised.append(mid)
            raise RuntimeError("a fault of our own")
        return Acknowledgement(mid, value, reason)

    monkeypatch.setattr("vqa_agent.publish.session.Acknowledgement", clumsy)
    monkeypatch.setattr("vqa_agent.publish.delivery.ACK_TIMEOUT", 0.8)
    monkeypatch.setattr("vqa_agent.publish.mqtt.FIRST_WAIT", 0.1)
    sender = publisher(MqttSection(url=broker.url), outbox)
    outbox.commit([event(number) for number in range(10)])
    sender.start()
    wait_for(lambda: outbox.depth == 0, 10.0, "every event to be acknowledged")
    assert len(raised) == 2
    sender.stop()


def test_a_broker_that_acknowledges_nothing_is_left_after_a_while(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vqa_agent.publish.delivery.ACK_TIMEOUT", 0.8)
    monkeypatch.setattr("vqa_agent.publish.mqtt.FIRST_WAIT", 0.1)
    broker = RudeBroker(old_broker)
    sender = publisher(MqttSection(url=broker.url, version="3.1.1"), outbox)
    outbox.commit([event(number) for number in range(40)])
    sender.start()
    wait_for(lambda: broker.connections >= 3, 10.0, "new connections")
    assert outbox.depth == 40
    assert sender.health.in_flight <= 20
    sender.stop(timeout=0.2)
    broker.close()
