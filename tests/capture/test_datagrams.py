"""Transport streams over real UDP sockets: what the network lost, and what this machine lost, are told apart."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.capture import clips
from tests.capture.clips import kinds, of_kind
from tests.capture.test_live import UdpSender, free_port, pictures_and_sound, take
from tests.capture.transport.multiplex import AUDIO, VIDEO, multiplex
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.datagrams import Address, Receiver
from vqa_agent.capture.transport import Analyser, Hole
from vqa_agent.errors import InputError
from vqa_agent.media import FactKind

SIZE = 7 * 188
STREAM = multiplex(2.0)
DATAGRAMS = [STREAM[start : start + SIZE] for start in range(0, len(STREAM), SIZE)]


def rtp(number: int, content: bytes, *, extension: bytes = b"", padding: int = 0) -> bytes:
    head = bytes([0x80 | (0x10 if extension else 0) | (0x20 if padding else 0), 33])
    head += (number & 0xFFFF).to_bytes(2, "big") + bytes(4) + b"SSRC"
    if extension:
        head += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    return head + content + (bytes(padding - 1) + bytes([padding]) if padding else b"")


@contextmanager
def receiver(buffer: int = 4 * 2**20) -> Iterator[tuple[Receiver, socket.socket, tuple[str, int]]]:
    port = free_port(socket.SOCK_DGRAM)
    made = Receiver(Address("127.0.0.1", port, buffer=buffer), patience=1.0)
    with socket.socket(type=socket.SOCK_DGRAM) as out:
        yield made, out, ("127.0.0.1", port)
    made.close()


def everything(made: Receiver) -> list[bytes | Hole]:
    """All that waits in the socket."""
    pieces: list[bytes | Hole] = []
    try:
        while True:
            pieces.append(made.read(65536))
    except TimeoutError:
        return pieces


def content(pieces: list[bytes | Hole]) -> bytes:
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def holes(pieces: list[bytes | Hole]) -> list[Hole]:
    return [piece for piece in pieces if isinstance(piece, Hole)]


def observed(pieces: list[bytes | Hole]) -> set[str]:
    analyser = Analyser([VIDEO, AUDIO])
    for piece in pieces:
        analyser.feed(piece) if isinstance(piece, bytes) else analyser.skip()
    return {str(one.indicator) for one in analyser.take()}


def test_datagrams_of_any_size_keep_their_order() -> None:
    with receiver() as (made, out, place):
        edges = [0, 188, 188 * 8, 188 * 9, 188 * 58]
        parts = [STREAM[start:end] for start, end in zip(edges, [*edges[1:], 188 * 60], strict=True)]
        for part in parts:
            out.sendto(part, place)
        pieces = everything(made)
    assert content(pieces) == STREAM[: 188 * 60]
    assert holes(pieces) == []


def test_a_socket_without_room_tells_how_much_it_lost_and_where() -> None:
    with receiver(buffer=30_000) as (made, out, place):
        for datagram in DATAGRAMS[:200]:
            out.sendto(datagram, place)
        first = everything(made)
        for datagram in DATAGRAMS[200:208]:
            out.sendto(datagram, place)
        pieces = first + everything(made)
    received = len(content(pieces)) // SIZE
    lost = sum(hole.receiver for hole in holes(pieces))
    assert lost > 100
    assert received + lost == 208
    assert observed(pieces) == set(), "what the receiver lost is no error of the stream"
    assert "continuity" in observed([content(pieces)])


def test_datagrams_that_never_came_are_errors_of_the_stream() -> None:
    with receiver() as (made, out, place):
        for number, datagram in enumerate(DATAGRAMS):
            if number % 50:
                out.sendto(datagram, place)
        pieces = everything(made)
    assert holes(pieces) == []
    assert observed(pieces) == {"continuity"}


def test_rtp_is_unpacked_and_its_numbers_say_what_the_network_lost() -> None:
    with receiver() as (made, out, place):
        for number, datagram in enumerate(DATAGRAMS[:100]):
            if number not in (40, 41, 70):
                out.sendto(rtp(65_500 + number, datagram, extension=b"abcd", padding=8 * (number % 2)), place)
        pieces = everything(made)
    assert made.is_rtp
    assert [hole.network for hole in holes(pieces)] == [2, 1]
    assert content(pieces) == b"".join(DATAGRAMS[n] for n in range(100) if n not in (40, 41, 70))
    assert observed(pieces) == set(), "told once, by the numbers"


def test_rtp_datagrams_that_change_places_or_come_twice_are_put_in_order() -> None:
    order = [0, 2, 1, 3, 3, 4, 7, 6, 5, 8]
    with receiver() as (made, out, place):
        for number in order:
            out.sendto(rtp(number, DATAGRAMS[number]), place)
        pieces = everything(made)
    assert content(pieces) == b"".join(DATAGRAMS[:9])
    assert holes(pieces) == []


def test_rtp_that_the_receiver_lost_is_not_blamed_on_the_network() -> None:
    with receiver(buffer=30_000) as (made, out, place):
        for number, datagram in enumerate(DATAGRAMS[:100]):
            out.sendto(rtp(number, datagram), place)
        first = everything(made)
        out.sendto(rtp(103, DATAGRAMS[103]), place)
        pieces = first + everything(made)
    assert sum(hole.receiver for hole in holes(pieces)) > 50
    assert sum(hole.network for hole in holes(pieces)) == 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("udp://@239.1.1.1:1234", Address("239.1.1.1", 1234)),
        ("udp://192.0.2.7@239.1.1.1:1234", Address("239.1.1.1", 1234, sources=("192.0.2.7",))),
        ("udp://239.1.1.1:5000?sources=192.0.2.7,192.0.2.8&localaddr=10.0.0.2&buffer_size=65536&fifo_size=9",
         Address("239.1.1.1", 5000, "10.0.0.2", ("192.0.2.7", "192.0.2.8"), 65536)),
        ("udp://0.0.0.0:5000?overrun_nonfatal=1", Address("0.0.0.0", 5000)),
        ("udp://@:5000", Address("", 5000)),
        ("rtp://[::1]:5004", Address("::1", 5004, family=socket.AF_INET6)),
    ],
)  # fmt: skip
def test_addresses_as_ffmpeg_and_vlc_write_them(url: str, expected: Address) -> None:
    assert Address.of(url, {}) == expected


def test_groups_are_told_from_hosts() -> None:
    assert Address.of("udp://@239.1.1.1:1", {}).is_multicast
    assert Address.of("udp://[ff15::1]:1", {}).is_multicast
    assert not Address.of("udp://127.0.0.1:1", {}).is_multicast
    assert not Address.of("udp://@:1", {}).is_multicast


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("udp://239.1.1.1", "names no port"),
        ("udp://no-such-host.invalid:5000", "no-such-host.invalid"),
        ("udp://127.0.0.1:{taken}", "in use"),
        ("udp://192.0.2.1@[ff15::1]:5000", "use a command"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_one_line(url: str, reason: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        source = Source(name="x", url=url.format(taken=other.getsockname()[1]), live=False)
        with pytest.raises(InputError, match=reason) as refusal:
            open_source(source)
    assert "\n" not in str(refusal.value)


def test_multicast_is_joined() -> None:
    port = free_port(socket.SOCK_DGRAM)
    made = Receiver(Address("239.255.77.3", port, interface="127.0.0.1"), patience=1.0)
    with socket.socket(type=socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        out.sendto(DATAGRAMS[0], ("239.255.77.3", port))
    assert content(everything(made)) == DATAGRAMS[0]
    made.close()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = clips.transport_stream(tmp_path_factory.mktemp("udp") / "x.ts", 6.0, options={"b": "800000", "g": "10"})
    return file.read_bytes()


def test_losses_on_the_way_are_told_of_a_live_stream(stream: bytes) -> None:
    port = free_port(socket.SOCK_DGRAM)
    thinned = b"".join(part for n, part in enumerate(split(stream)) if n % 30 != 29)
    source = Source(name="u", url=f"udp://127.0.0.1:{port}", options={"buffer_size": "1000000", "probesize": "500000"})
    with UdpSender(thinned, 6.0, port), open_source(source) as capture:
        taken = take(capture, lambda taken: len(of_kind(kinds(taken)[2], FactKind.CONTINUITY)) >= 5)
        totals = capture.statistics.transport
    facts = kinds(taken)[2]
    assert {fact.detail["indicator"] for fact in of_kind(facts, FactKind.CONTINUITY)} == {"continuity"}
    assert of_kind(facts, FactKind.RECEIVER_DROP) == []
    assert totals["continuity"] >= 5


def test_losses_of_this_machine_are_told_of_a_live_stream(stream: bytes) -> None:
    port = free_port(socket.SOCK_DGRAM)
    source = Source(name="u", url=f"udp://127.0.0.1:{port}?buffer_size=4000")
    with BurstSender(stream, 6.0, port), open_source(source) as capture:
        taken = take(capture, lambda taken: len(of_kind(kinds(taken)[2], FactKind.RECEIVER_DROP)) >= 3)
    facts = kinds(taken)[2]
    assert {fact.detail["where"] for fact in of_kind(facts, FactKind.RECEIVER_DROP)} == {"socket"}
    assert of_kind(facts, FactKind.CONTINUITY) == []


def split(stream: bytes) -> list[bytes]:
    return [stream[start : start + SIZE] for start in range(0, len(stream), SIZE)]


class BurstSender(UdpSender):
    """Sends the stream once, half of it in groups of 20 datagrams at once, for which a small buffer has no room."""

    def _run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            for number, datagram in enumerate(self._datagrams):
                out.sendto(datagram, ("127.0.0.1", self._port))
                if number < 100 or number % 40 < 20:
                    time.sleep(self._pause)


def test_rtp_is_read_live(stream: bytes) -> None:
    port = free_port(socket.SOCK_DGRAM)
    sender = UdpSender(stream, 6.0, port)
    sender._datagrams = [rtp(number, part) for number, part in enumerate(split(stream) * 3)]
    sender._pause = 6.0 / len(split(stream))
    with sender, open_source(Source(name="r", url=f"rtp://127.0.0.1:{port}")) as capture:
        taken = take(capture, pictures_and_sound(30, 8))
    assert of_kind(kinds(taken)[2], FactKind.RECEIVER_DROP) == []


def test_a_socket_waits_no_longer_than_it_may_and_stops_when_told() -> None:
    with receiver() as (made, _, _):
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="no datagram"):
            made.read(1)
        assert 0.9 < time.monotonic() - started < 2.0
        made.stop()
        assert made.read(1) == b""
