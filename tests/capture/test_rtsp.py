"""An RTSP server leads nowhere that the operator has not named."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic, sleep

import pytest

from vqa_agent.capture import Source, open_source, rtsp
from vqa_agent.capture import guard as guard_module
from vqa_agent.capture.guard import Guard
from vqa_agent.errors import InputError


class RtspServer:
    """Answers by URL or by method: a status, and a Location where there is one. `asked` is what it heard."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.answers: dict[str, bytes] = {"OPTIONS": b"200 OK"}
        self.asked: list[str] = []
        self.drip = 0.0
        known = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while (request := self.rfile.readline().decode().strip()) and known.answers:
                    fields = [line.decode() for line in iter(self.rfile.readline, b"\r\n") if line]
                    sequence = next(line for line in fields if line.startswith("CSeq"))
                    known.asked.append(request + "".join(fields))
                    method, url, _ = request.split()
                    answer = known.answers.get(url, known.answers.get(method, b"404 Not Found"))
                    while known.drip:
                        self.wfile.write(b"x")
                        sleep(known.drip)
                    self.wfile.write(b"RTSP/1.0 %s\r\n%s\r\n" % (answer, sequence.encode()))

        self.server = socketserver.ThreadingTCPServer((host, 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"rtsp://{host}:{self.server.server_address[1]}"

    def redirect(self, request: str, target: str) -> None:
        self.answers[request] = f"302 Moved\r\nLocation: {target}".encode()


@pytest.fixture
def servers() -> Iterator[tuple[RtspServer, RtspServer]]:
    """The configured one, and another in this network."""
    with ExitStack() as stack:
        pair = RtspServer(), RtspServer("127.0.0.2")
        for each in pair:
            stack.callback(each.server.server_close)
            stack.callback(each.server.shutdown)
        yield pair


def refusal(url: str, **more: object) -> str:
    with pytest.raises(InputError) as refused, open_source(Source(name="x", url=url, live=False, **more)) as capture:
        next(iter(capture.samples()))
    return str(refused.value)


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_a_redirect_into_this_network_is_refused_before_anybody_is_asked(
    servers: tuple[RtspServer, RtspServer], method: str
) -> None:
    camera, other = servers
    camera.redirect(method, f"{other.url}/secret")
    said = refusal(f"{camera.url}/1")
    assert "127.0.0.2, which is not in a public network; name it in allow_hosts" in said
    assert other.asked == []


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:9/x", "file:///etc/passwd", "rtsp://169.254.169.254/x", "tcp://127.0.0.1"]
)
def test_a_redirect_to_anything_else_is_refused(servers: tuple[RtspServer, RtspServer], target: str) -> None:
    camera, _ = servers
    camera.redirect("DESCRIBE", target)
    assert "redirect names" in refusal(f"{camera.url}/1")
    assert len(camera.asked) == 2


def test_a_redirect_to_a_named_host_is_followed_without_the_password_of_the_first(
    servers: tuple[RtspServer, RtspServer],
) -> None:
    camera, other = servers
    camera.redirect("DESCRIBE", f"{other.url}/2")
    guard = Guard(f"{camera.url}/1", {}, ("127.0.0.2",), 2.0)
    assert rtsp.destination(f"{camera.url}/1", guard) == f"{other.url}/2"
    assert not any("Authorization" in asked for asked in (*camera.asked, *other.asked))


def test_the_password_stays_where_the_hosts_are_trusted(servers: tuple[RtspServer, RtspServer]) -> None:
    camera, _ = servers
    camera.redirect(f"{camera.url}/1", f"{camera.url}/2")
    url = camera.url.replace("//", "//user:pass@")
    assert rtsp.destination(f"{url}/1", Guard(f"{url}/1", {}, (), 2.0)) == f"{url}/2"
    assert not any("pass" in asked for asked in camera.asked)


def test_a_public_host_is_named_by_the_address_that_was_looked_at(
    servers: tuple[RtspServer, RtspServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, other = servers
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: known(host.replace("cdn.example", "127.0.0.2"), *rest, **more),
    )
    monkeypatch.setattr(guard_module, "is_public", lambda address: address == "127.0.0.2")
    camera.redirect("DESCRIBE", other.url.replace("127.0.0.2", "cdn.example") + "/2")
    url = camera.url.replace("//", "//user:pass@")
    assert rtsp.destination(f"{url}/1", Guard(f"{url}/1", {}, (), 2.0)) == f"{other.url}/2"


def test_redirects_without_end_end(servers: tuple[RtspServer, RtspServer]) -> None:
    camera, _ = servers
    camera.redirect("OPTIONS", "/1")
    assert "more than 5 redirects" in refusal(f"{camera.url}/1")


@pytest.mark.parametrize("answer", [b"401 Unauthorized", b"abc", b"200 OK\r\nContent-Length: 99999999999"])
def test_what_is_no_redirect_is_left_to_ffmpeg(servers: tuple[RtspServer, RtspServer], answer: bytes) -> None:
    camera, _ = servers
    camera.answers["DESCRIBE"] = answer
    guard = Guard(f"{camera.url}/1", {}, (), 0.5)
    assert rtsp.destination(f"{camera.url}/1", guard) == f"{camera.url}/1"


def test_a_server_that_drips_is_given_up(servers: tuple[RtspServer, RtspServer]) -> None:
    camera, _ = servers
    camera.drip = 0.05
    began = monotonic()
    with pytest.raises(TimeoutError):
        rtsp.destination(camera.url, Guard(camera.url, {}, (), 0.5))
    assert monotonic() - began < 3.0


def test_a_server_that_closes_at_once_is_left_to_ffmpeg(servers: tuple[RtspServer, RtspServer]) -> None:
    camera, _ = servers
    camera.answers.clear()
    assert rtsp.destination(camera.url, Guard(camera.url, {}, (), 2.0)) == camera.url
