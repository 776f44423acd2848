"""Transport errors of every kind of input that carries MPEG-TS, from its bytes to the event."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.capture import clips
from tests.capture.clips import kinds
from tests.capture.test_live import free_port, sender, web_server
from vqa_agent.analyze import Analysis
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.opening import open_container
from vqa_agent.detect import Profile
from vqa_agent.judge import Decision
from vqa_agent.media import Fact, FactKind

SECONDS = 6.0
TRANSPORT = (FactKind.CONTINUITY, FactKind.TRANSPORT, FactKind.TRANSPORT_ERROR)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.transport_stream(tmp_path_factory.mktemp("ts") / "x.ts", SECONDS, options={"b": "800000", "g": "12"})


def packets(file: Path) -> list[bytes]:
    data = file.read_bytes()
    return [data[start : start + 188] for start in range(0, len(data), 188)]


def with_hole(file: Path, where: float = 0.5, count: int = 6) -> bytes:
    """The stream without `count` packets at this share of it."""
    parts = packets(file)
    place = int(len(parts) * where)
    return b"".join(parts[:place] + parts[place + count :])


def errors(source: Source) -> list[Fact]:
    with open_source(source) as capture:
        return [fact for fact in kinds(list(capture.samples()))[2] if fact.kind in TRANSPORT]


def of_file(file: Path, **options) -> list[Fact]:
    return errors(Source(name="x", url=str(file), live=False, **options))


def alarms(file: Path, profile: Profile = Profile.FILE) -> list[Decision]:
    source = Source(name="x", url=str(file), live=False)
    with Analysis(source, profile, only=["stream_errors"]) as analysis:
        return list(analysis.closed())


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "188 bytes": lambda part: part,
    "192 bytes": lambda part: b"\x2a\x11\x07\x00" + part,
    "204 bytes": lambda part: part + bytes(range(16)),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("junk", [0, 1003])
def test_files_of_every_packet_length_with_and_without_junk(
    whole: Path, tmp_path: Path, packing: str, junk: int
) -> None:
    parts = [PACKINGS[packing](part) for part in packets(whole)]
    head = np.random.default_rng(5).bytes(junk)
    (tmp_path / "clean.ts").write_bytes(head + b"".join(parts))
    assert of_file(tmp_path / "clean.ts") == []
    place = len(parts) // 2
    (tmp_path / "hole.ts").write_bytes(head + b"".join(parts[:place] + parts[place + 6 :]))
    found = of_file(tmp_path / "hole.ts")
    assert {fact.detail["indicator"] for fact in found} == {"continuity"}
    assert all(fact.time == pytest.approx(SECONDS / 2, abs=0.8) for fact in found)


@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
def test_the_time_of_an_error_is_that_of_its_place(whole: Path, tmp_path: Path, share: float) -> None:
    (tmp_path / "x.ts").write_bytes(with_hole(whole, share))
    found = of_file(tmp_path / "x.ts")
    assert found
    assert all(fact.time == pytest.approx(SECONDS * share, abs=0.8) for fact in found)


def test_a_loop_is_no_error_at_its_seam(whole: Path) -> None:
    assert of_file(whole, loop=True, limit=SECONDS * 2.5) == []


def test_a_file_of_another_kind_is_not_looked_at(tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.mp4", 1.0)
    opened = open_container(Source(name="x", url=str(file), live=False))
    assert opened.monitor([1], Counter()) is None
    opened.close()


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda data: data,
    "cut at the end": lambda data: data[: len(data) * 2 // 3 + 77],
    "cut at a packet": lambda data: data[: len(data) // 188 // 2 * 188],
    "begins in the middle": lambda data: data[len(data) // 3 + 50 :],
    "both": lambda data: data[len(data) // 4 + 1 : len(data) * 3 // 4 + 1],
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_a_file_that_is_cut_is_not_damaged(tmp_path: Path, cut: str, codec: str) -> None:
    options = {"b": "800000", "g": "25"} if codec == "mpeg2video" else {"preset": "veryfast", "g": "25"}
    made = clips.transport_stream(tmp_path / "whole.ts", 4.0, codec=codec, options=options)
    (tmp_path / "x.ts").write_bytes(CUTS[cut](made.read_bytes()))
    assert alarms(tmp_path / "x.ts") == []


def test_a_file_without_a_key_picture_is_not_damaged(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "g": "250", "sc_threshold": "0"}
    data = clips.transport_stream(tmp_path / "whole.ts", 4.0, codec="libx264", options=options).read_bytes()
    (tmp_path / "x.ts").write_bytes(data[len(data) // 4 + 1 : len(data) * 3 // 4 + 1])
    assert alarms(tmp_path / "x.ts") == []


def test_the_event_names_the_indicator(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ts").write_bytes(with_hole(whole))
    (event,) = alarms(tmp_path / "x.ts")
    assert event.detail["indicator"] == "continuity"
    assert (event.detail["source"], event.detail["pid"]) in {("stream", 0x100), ("stream", 0x101)}
    assert event.detail["total"] >= 1
    assert event.start == pytest.approx(SECONDS / 2, abs=0.8)


def without_association(whole: Path, first: float, last: float) -> bytes:
    parts = packets(whole)
    span = range(int(len(parts) * first), int(len(parts) * last))
    return b"".join(part for n, part in enumerate(parts) if not (n in span and part[1] & 0x1F == 0 and part[2] == 0))


@pytest.mark.parametrize(("last", "opens"), [(0.4, False), (0.85, True)])
def test_tables_that_are_a_little_late_are_told_but_no_alarm(
    whole: Path, tmp_path: Path, last: float, opens: bool
) -> None:
    (tmp_path / "x.ts").write_bytes(without_association(whole, 0.25, last))
    late = [fact for fact in of_file(tmp_path / "x.ts") if fact.detail["indicator"] == "pat"]
    assert late
    pats = [event for event in alarms(tmp_path / "x.ts") if event.detail["indicator"] == "pat"]
    assert bool(pats) == opens


def test_a_transport_stream_over_http(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ts").write_bytes(with_hole(whole))
    clips.clip(tmp_path / "x.mp4", 1.0)
    with web_server(tmp_path) as url:
        found = errors(Source(name="x", url=f"{url}/x.ts", live=False))
        assert errors(Source(name="x", url=f"{url}/x.mp4", live=False)) == []
    assert {fact.detail["indicator"] for fact in found} == {"continuity"}


def test_a_transport_stream_over_tcp(whole: Path) -> None:
    port = free_port()
    data = with_hole(whole)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(data)

    with socket.create_server(("127.0.0.1", port)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        found = errors(Source(name="x", url=f"tcp://127.0.0.1:{port}", live=False))
        server.join()
    assert {fact.detail["indicator"] for fact in found} == {"continuity"}


def test_a_transport_stream_from_a_command(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ts").write_bytes(with_hole(whole))
    found = errors(Source(name="x", command=sender(tmp_path / "x.ts", 1.0), live=False))
    assert {fact.detail["indicator"] for fact in found} == {"continuity"}
    assert all(fact.time == pytest.approx(SECONDS / 2, abs=0.8) for fact in found)


def test_matroska_from_a_command_is_not_looked_at(tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.mkv", 1.0)
    with open_source(Source(name="x", command=sender(file, 1.0), live=False)) as capture:
        pictures, _, _ = kinds(list(capture.samples()))
        assert capture.statistics.transport == {}
    assert len(pictures) == 25


def remuxed(source: Path, target: Path, **options: str) -> Path:
    """The same coded pictures and sound in a transport stream that is made in another way."""
    with av.open(str(source)) as given, av.open(str(target), "w", format="mpegts", options=options) as made:
        streams = {stream: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                made.mux(packet)
    return target


def paused(path: Path) -> Path:
    """Pictures that stop for three seconds, as an encoder of variable rate does on a screen that stands still."""
    return clips.with_time_stamps(path, lambda n, pts: pts + (270_000 if n >= 50 else 0), 4.0, container="mpegts")


def slow(path: Path, rate: int) -> Path:
    return clips.transport_stream(path, 24.0 / rate + 6, rate=rate, options={"b": "200000", "g": "4"})


MULTIPLEXERS: dict[str, Callable[[Path, Path], Path]] = {
    "constant rate": lambda whole, path: remuxed(whole, path, muxrate="3000000"),
    "tables every 5 s, as in HLS": lambda whole, path: remuxed(whole, path, pat_period="5"),
    "few clock references": lambda whole, path: remuxed(whole, path, pcr_period="500"),
    "m2ts": lambda whole, path: remuxed(whole, path, mpegts_m2ts_mode="1"),
    "one picture a second": lambda _, path: slow(path, 1),
    "five pictures a second": lambda _, path: slow(path, 5),
    "variable rate": lambda _, path: paused(path),
}


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", MULTIPLEXERS)
def test_what_ordinary_multiplexers_make_is_no_alarm(name: str, profile: Profile, whole: Path, tmp_path: Path) -> None:
    assert alarms(MULTIPLEXERS[name](whole, tmp_path / "x.ts"), profile) == []
