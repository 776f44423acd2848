"""Live inputs over real sockets, pipes and servers on the loopback interface."""

from __future__ import annotations

import socket
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.capture import clips
from tests.capture.clips import kinds, of_kind
from tests.servers import UdpSender, free_port, rtsp_server, web_server
from vqa_agent.capture import Capture, Source, open_source
from vqa_agent.capture.pacing import FASTER
from vqa_agent.errors import InputError
from vqa_agent.media import Fact, FactKind, Picture, Sample, Sound

SENDER = """
    import pathlib, sys, time
    data = pathlib.Path(sys.argv[1]).read_bytes()
    seconds = float(sys.argv[2])
    step = len(data) // int(seconds * 20)
    for start in range(0, len(data), step):
        sys.stdout.buffer.write(data[start:start + step]); sys.stdout.buffer.flush(); time.sleep(0.05)
"""


def take(capture: Capture, enough: Callable[[list[Sample]], bool], seconds: float = 30.0) -> list[Sample]:
    """Samples until there are enough of them; fails after `seconds`."""
    taken: list[Sample] = []
    until = time.monotonic() + seconds
    for sample in capture.samples():
        taken.append(sample)
        if enough(taken):
            return taken
        assert time.monotonic() < until, f"not enough within {seconds} s: {[s for s in taken if isinstance(s, Fact)]}"
    return taken


def pictures_and_sound(pictures: int, sound: int) -> Callable[[list[Sample]], bool]:
    def enough(taken: list[Sample]) -> bool:
        seen = kinds(taken)
        return len(seen[0]) >= pictures and len(seen[1]) >= sound

    return enough


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return clips.transport_stream(tmp_path / "live.ts", 2.0, options={"b": "400000", "g": "10"})


def test_udp_is_read_lost_and_found_again(stream: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with UdpSender(stream.read_bytes(), 2.0, port) as sender:
        source = Source(name="udp", url=f"udp://127.0.0.1:{port}")
        with open_source(source) as capture:
            taken = take(capture, pictures_and_sound(20, 5))
            sender.sending.clear()
            lost = take(capture, lambda taken: len(of_kind(kinds(taken)[2], FactKind.NO_SIGNAL)) >= 4)
            sender.sending.set()
            back = take(capture, pictures_and_sound(10, 3), 25.0)
    facts = of_kind(kinds(lost)[2], FactKind.NO_SIGNAL)
    assert all(fact.detail["missing"] == "all" for fact in facts)
    assert kinds(back)[0][0].time >= facts[-1].time
    assert taken[0].time < 1.0


def test_a_source_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqa_agent.capture.capture.START_PATIENCE", 0.5)
    port = free_port(socket.SOCK_DGRAM)
    with open_source(Source(name="udp", url=f"udp://127.0.0.1:{port}")) as capture:
        closer = threading.Timer(2.0, capture.close)
        closer.start()
        started = time.monotonic()
        facts = list(capture.samples())
    assert {fact.kind for fact in facts} == {FactKind.NO_SIGNAL}
    assert time.monotonic() - started < 4.0


def hls(folder: Path, segments: int, ended: bool) -> None:
    for number in range(segments):
        if not (folder / f"{number}.ts").exists():
            clips.clip(folder / f"{number}.ts", 1.0)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for number in range(segments):
        lines += ["#EXT-X-DISCONTINUITY", "#EXTINF:1.0,", f"{number}.ts"]
    (folder / "x.part").write_text("\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]) + "\n")
    (folder / "x.part").rename(folder / "x.m3u8")


def test_hls_on_demand_ends(tmp_path: Path) -> None:
    hls(tmp_path, 3, ended=True)
    with web_server(tmp_path) as url, open_source(Source(name="hls", url=f"{url}/x.m3u8", live=False)) as capture:
        pictures, sound, _ = kinds(list(capture.samples()))
    assert len(pictures) == 75
    assert sum(block.duration for block in sound) == pytest.approx(3.0, abs=0.3)
    assert np.diff([picture.time for picture in pictures]).max() < 1.5


def test_live_hls_grows(tmp_path: Path) -> None:
    hls(tmp_path, 3, ended=False)
    grow = threading.Timer(1.5, hls, (tmp_path, 6, False))
    grow.start()
    with web_server(tmp_path) as url, open_source(Source(name="hls", url=f"{url}/x.m3u8")) as capture:
        taken = take(capture, pictures_and_sound(100, 20), 20.0)
    grow.join()
    assert len(kinds(taken)[0]) >= 100


def test_segments_that_come_in_bursts_are_played_evenly_and_without_a_loss(tmp_path: Path) -> None:
    for segments in (8, 4):
        hls(tmp_path, segments, ended=False)

    def grow() -> None:
        for segments in (6, 8):
            time.sleep(2.0)
            hls(tmp_path, segments, ended=False)

    with web_server(tmp_path) as url, open_source(Source(name="hls", url=f"{url}/x.m3u8")) as capture:
        threading.Thread(target=grow, daemon=True).start()
        started = time.monotonic()
        taken = take(capture, pictures_and_sound(120, 20))
        lasted = time.monotonic() - started
    pictures, _, facts = kinds(taken)
    assert lasted > (pictures[-1].time - pictures[0].time) / FASTER - 0.2
    assert sum(fact.duration for fact in of_kind(facts, FactKind.NO_SIGNAL)) < 1.5
    assert not of_kind(facts, FactKind.RECEIVER_DROP)


def test_a_playlist_from_the_network_may_not_open_files(tmp_path: Path) -> None:
    clips.clip(tmp_path / "secret.ts", 1.0)
    (tmp_path / "x.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nfile://{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    with web_server(tmp_path) as url:
        source = Source(name="hls", url=f"{url}/x.m3u8", live=False)
        with pytest.raises(InputError), open_source(source) as capture:
            list(capture.samples())


def sender(stream: Path, seconds: float = 2.0) -> tuple[str, ...]:
    return (sys.executable, "-c", textwrap.dedent(SENDER), str(stream), str(seconds))


def test_a_command_is_read_and_started_again_when_it_ends(stream: Path) -> None:
    with open_source(Source(name="command", command=sender(stream))) as capture:
        taken = take(capture, lambda taken: bool(of_kind(kinds(taken)[2], FactKind.RECONNECT)))
        again = take(capture, pictures_and_sound(10, 3))
    pictures, _, facts = kinds(taken)
    assert len(pictures) > 30
    assert of_kind(facts, FactKind.NO_SIGNAL)
    assert kinds(again)[0][0].time > pictures[-1].time


def test_a_command_is_ended_with_the_input(stream: Path) -> None:
    with open_source(Source(name="command", command=sender(stream, 4.0))) as capture:
        take(capture, pictures_and_sound(1, 0))
        programs = [child for child in psutil.Process().children() if str(stream) in child.cmdline()]
        assert programs
    assert psutil.wait_procs(programs, timeout=3.0)[1] == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/no/such/program",), "check that the program is installed"),
        ((sys.executable, "-c", "import sys; sys.exit('the card is not there')"), "the card is not there"),
    ],
    ids=["not installed", "fails"],
)
def test_a_command_that_fails_says_why(command: tuple[str, ...], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        open_source(Source(name="x", command=command, live=False))
    assert "\n" not in str(refusal.value)


def test_sound_that_stops_while_pictures_go_on_is_told(tmp_path: Path) -> None:
    both = clips.transport_stream(tmp_path / "both.ts", 1.5, options={"b": "400000"})
    silent = clips.clip(tmp_path / "video.ts", 3.5, sound=False, video_codec="mpeg2video", options={"b": "400000"})
    (tmp_path / "x.ts").write_bytes(both.read_bytes() + silent.read_bytes())
    with open_source(Source(name="x", url=str(tmp_path / "x.ts"), live=False)) as capture:
        facts = of_kind(kinds(list(capture.samples()))[2], FactKind.NO_SIGNAL)
    assert {fact.detail["missing"] for fact in facts} == {"audio"}
    assert sum(fact.duration for fact in facts) > 1.5


def test_wall_clock_follows_the_arrival(stream: Path) -> None:
    with open_source(Source(name="command", command=sender(stream))) as capture:
        taken = take(capture, pictures_and_sound(30, 10))
        last = max(sample.end for sample in taken if isinstance(sample, Picture | Sound))
        assert abs((capture.wall(last) - datetime.now(UTC)).total_seconds()) < 1.0


@pytest.fixture
def rtsp(tmp_path: Path) -> Iterator[str]:
    file = clips.clip(tmp_path / "x.mkv", 6.0, sound=False, options={"preset": "ultrafast", "g": "10"})
    with rtsp_server(file) as url:
        yield url


@pytest.mark.servers
def test_rtsp_is_read(rtsp: str) -> None:
    with open_source(Source(name="rtsp", url=rtsp)) as capture:
        pictures, _, _ = kinds(take(capture, pictures_and_sound(25, 0)))
    assert (pictures[0].width, pictures[0].height) == clips.SIZE
    assert np.diff([picture.time for picture in pictures]).max() < 0.5
