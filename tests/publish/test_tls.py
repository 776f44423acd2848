"""Whom the agent trusts with its events, and whom the broker trusts: certificates, versions, access rules."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.publish.broker import Mosquitto, wait_for
from tests.publish.events import event
from tests.publish.test_mqtt import Listener
from vqa_agent.config import MqttSection
from vqa_agent.errors import DeliveryError
from vqa_agent.publish import Outbox, Publisher, StateMessage, Topics, Will, delivery
from vqa_agent.publish.session import connect

pytestmark = pytest.mark.mosquitto
CENTRAL = Path(__file__).parents[2] / "packaging" / "central"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the script that operators use: `right` for this host, `other` by another authority, `elsewhere`."""
    folder = tmp_path_factory.mktemp("tls")
    for name, host in (("right", "localhost"), ("other", "localhost"), ("elsewhere", "broker.example")):
        command = [CENTRAL / "certificates.sh", host, "box-1", "box-2", "collector"]
        environment = {"CERTIFICATES": str(folder / name), "PATH": "/usr/bin:/bin"}
        subprocess.run(command, check=True, capture_output=True, env=environment)
    _without_localhost(folder / "elsewhere")
    _expired(folder / "right")
    return folder


def _without_localhost(folder: Path) -> None:
    _sign(folder, "broker", "broker", "subjectAltName=DNS:broker.example", 10)


def _expired(folder: Path) -> None:
    _sign(folder, "broker", "expired", "subjectAltName=DNS:localhost", -1)


def _sign(folder: Path, key: str, name: str, extension: str, days: int) -> None:
    (folder / "ext").write_text(extension)
    ask = ["openssl", "req", "-new", "-key", f"{key}.key", "-subj", "/CN=broker", "-out", "request"]
    subprocess.run(ask, check=True, capture_output=True, cwd=folder)
    answer = ["openssl", "x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    answer += ["-days", str(days), "-extfile", "ext", "-out", f"{name}.crt"]
    subprocess.run(answer, check=True, capture_output=True, cwd=folder)


def broker(tmp_path: Path, folder: Path, certificate: str = "broker", *more: str) -> Mosquitto:
    files = [f"cafile {folder}/ca.crt", f"certfile {folder}/{certificate}.crt", f"keyfile {folder}/broker.key"]
    return Mosquitto(tmp_path, [*files, *(more or ["allow_anonymous true"])])


def settings(port: int, folder: Path, client: str = "", host: str = "localhost") -> MqttSection:
    files = {"cert_file": folder / f"{client}.crt", "key_file": folder / f"{client}.key"} if client else {}
    return MqttSection(url=f"mqtts://{host}:{port}", ca_file=folder / "ca.crt", **files)


def test_the_right_authority_and_host_are_trusted(tmp_path: Path, certificates: Path) -> None:
    with broker(tmp_path, certificates / "right") as running:
        connect(settings(running.port, certificates / "right"), "x").close()


@pytest.mark.parametrize(
    ("server", "certificate", "authority"),
    [
        pytest.param("right", "broker", "other", id="unknown authority"),
        pytest.param("elsewhere", "broker", "elsewhere", id="another host"),
        pytest.param("right", "expired", "right", id="expired"),
    ],
)
def test_a_broker_that_cannot_be_trusted_is_refused(
    tmp_path: Path, certificates: Path, server: str, certificate: str, authority: str
) -> None:
    with (
        broker(tmp_path, certificates / server, certificate) as running,
        pytest.raises(DeliveryError, match="certificate is not accepted") as refusal,
    ):
        connect(settings(running.port, certificates / authority), "x")
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_version_of_tls_is_refused(certificates: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(certificates / "right" / "broker.crt", certificates / "right" / "broker.key")
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        try:
            context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(DeliveryError, match="TLS failed"):
        connect(settings(server.getsockname()[1], certificates / "right"), "x")
    server.close()


def test_a_plain_port_is_not_taken_for_a_secure_one(tmp_path: Path, certificates: Path) -> None:
    with Mosquitto(tmp_path) as running, pytest.raises(DeliveryError):
        connect(settings(running.port, certificates / "right"), "x")


ACCESS = ("require_certificate true", "use_identity_as_username true", f"acl_file {CENTRAL / 'mosquitto' / 'acl'}")


@pytest.mark.parametrize(
    "client", [pytest.param("", id="no certificate"), pytest.param("other", id="another authority's")]
)
def test_a_client_that_cannot_show_who_it_is_is_refused(tmp_path: Path, certificates: Path, client: str) -> None:
    right = certificates / "right"
    strange = {"cert_file": certificates / "other" / "box-1.crt", "key_file": certificates / "other" / "box-1.key"}
    with broker(tmp_path, right, "broker", *ACCESS) as running:
        url = f"mqtts://localhost:{running.port}"
        with pytest.raises(DeliveryError):
            connect(MqttSection(url=url, ca_file=right / "ca.crt", **(strange if client else {})), "x")


def sender(running: Mosquitto, folder: Path, certificate: str, agent: str, outbox: Outbox) -> Publisher:
    topics = Topics("venue", agent)
    will = Will(topics.status, b"{}")
    return Publisher(
        settings(running.port, folder, certificate), topics, outbox, StateMessage(topics.status, b""), will
    )


def test_an_agent_cannot_speak_for_another_and_its_events_wait(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_HOLD", 0.3)
    folder = certificates / "right"
    outbox = Outbox(tmp_path / "outbox.db")
    with (
        broker(tmp_path, folder, "broker", *ACCESS) as running,
        Listener(settings(running.port, folder, "collector")) as listener,
    ):
        outbox.commit([event(number) for number in range(5)])
        impostor = sender(running, folder, "box-1", "box-2", outbox)
        impostor.start()
        wait_for(lambda: impostor.health.refused >= 6, 10.0, "refusals, and a second try")
        assert "check its access rules" in impostor.health.last_error
        impostor.stop(timeout=0.1)
        assert outbox.depth == 5
        assert listener.events == []
        itself = sender(running, folder, "box-2", "box-2", outbox)
        itself.start()
        wait_for(lambda: listener.numbers == [1, 2, 3, 4, 5], 10.0, "the events, in order")
        assert itself.health.refused == 0
        itself.stop()


def test_an_agent_does_not_hear_others_and_only_the_collector_may_ask(tmp_path: Path, certificates: Path) -> None:
    folder = certificates / "right"
    outbox = Outbox(tmp_path / "outbox.db")
    request = b'{"v":1,"from_seq":1,"to_seq":1}'
    with broker(tmp_path, folder, "broker", *ACCESS) as running:
        agent = sender(running, folder, "box-1", "box-1", outbox)
        with (
            Listener(settings(running.port, folder, "box-2")) as neighbour,
            Listener(settings(running.port, folder, "collector")) as collector,
        ):
            agent.start()
            outbox.commit([event()])
            wait_for(lambda: collector.events and not outbox.depth, 10.0, "the event")
            for client in ("box-2", "collector"):
                session = connect(settings(running.port, folder, client), f"asks-{client}")
                session.publish(Topics("venue", "box-1").replay_request, request)
                session.turn(0.3)
                replays = [message for topic, message in collector.seen if topic.endswith("response/replay")]
                assert not replays or client == "collector"
            wait_for(lambda: any(topic.endswith("response/replay") for topic, _ in collector.seen), 5.0, "the answer")
            assert neighbour.seen == []
        agent.stop()


def test_a_topic_that_is_refused_holds_no_other_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_HOLD", 0.3)
    rules = tmp_path / "acl"
    rules.write_text("topic read vqa/#\ntopic write vqa/v1/venue/box-1/event/cam-1/freeze\n")
    rules.chmod(0o644)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.commit([event(number, defect="black" if number % 2 else "freeze") for number in range(60)])
    with Mosquitto(tmp_path, ["allow_anonymous true", f"acl_file {rules}"]) as running:
        plain = MqttSection(url=running.url)
        topics = Topics("venue", "box-1")
        with Listener(plain) as listener:
            agent = Publisher(plain, topics, outbox, StateMessage(topics.status, b"{}"), Will(topics.status, b"{}"))
            agent.start()
            wait_for(lambda: len(listener.events) == outbox.depth == 30, 10.0, "what is allowed")
            rules.write_text("topic readwrite vqa/#\n")
            running.reload()
            wait_for(lambda: len(listener.events) == 60 and not outbox.depth, 10.0, "the rest")
            agent.stop()
    assert listener.numbers == [*range(1, 61, 2), *range(2, 61, 2)]
