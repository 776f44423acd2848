"""The agent on streams that real servers send: what happens to the source arrives at the broker."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture import clips
from tests.servers import UdpSender, free_port, rtsp_server, web_server
from tests.service.harness import Agent, Subscriber
from vqa_agent.simulate import defects, scenes
from vqa_agent.simulate.encode import encode

pytestmark = [pytest.mark.mosquitto]

Start = Callable[[str], Agent]

QUICK = "[stream.defects.black]\nset_time = 0.5\n[stream.defects.signal_loss]\nset_time = 1.0\nclear_time = 1.0\n"


def watched(url: str) -> str:
    return f'[[stream]]\nname = "main"\nurl = "{url}"\n{QUICK}'


def test_a_udp_source_that_stops_changes_and_loses_its_sound_is_reported_and_recovered(
    agent: Start, subscriber: Subscriber, tmp_path: Path
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    large, small, silent = (
        clips.transport_stream(tmp_path / f"{name}.ts", 2.0, size=size, sound=sound, options={"b": "400000", "g": "10"})
        for name, size, sound in (("large", (320, 192), True), ("small", (160, 96), True), ("mute", (160, 96), False))
    )
    running = agent(watched(f"udp://127.0.0.1:{port}"))
    with UdpSender(large.read_bytes(), 2.0, port):
        running.await_running("main")
    lost = subscriber.event("signal_loss", "open")
    assert lost["severity"] == "critical"
    with UdpSender(small.read_bytes(), 2.0, port):
        assert subscriber.event("signal_loss", "closed")["id"] == lost["id"]
        changed = subscriber.event("format_change", "open")
    assert changed["detail"]["width"] == "320 -> 160"
    subscriber.messages.clear()
    with UdpSender(silent.read_bytes(), 2.0, port):
        mute = subscriber.event("signal_loss", "open")
    assert (mute["detail"]["missing"], mute["severity"]) == ("audio", "major")
    with UdpSender(small.read_bytes(), 2.0, port):
        assert subscriber.event("signal_loss", "closed")["id"] == mute["id"]
    assert running.stream("main").restarts == 0


def test_a_black_picture_in_a_stream_over_http_is_reported(
    agent: Start, subscriber: Subscriber, tmp_path: Path
) -> None:
    pictures = defects.black(scenes.pan(6, (320, 180), noise=0.0), 1, 4)
    encode(tmp_path / "0.ts", pictures, options={"preset": "ultrafast", "g": "25"})
    playlist = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:6", "#EXTINF:6.0,", "0.ts", "#EXT-X-ENDLIST"]
    (tmp_path / "x.m3u8").write_text("\n".join(playlist) + "\n")
    with web_server(tmp_path) as url:
        running = agent(watched(f"{url}/x.m3u8"))
        opened = subscriber.event("black", "open")
        closed = subscriber.event("black", "closed")
    assert opened["id"] == closed["id"]
    assert closed["duration"] == pytest.approx(3.0, abs=0.2)
    assert running.stream("main").restarts == 0


@pytest.mark.servers
def test_a_black_picture_in_a_stream_over_rtsp_is_reported(
    agent: Start, subscriber: Subscriber, tmp_path: Path
) -> None:
    pictures = defects.black(scenes.pan(8, (320, 180), noise=0.0), 2, 5)
    file = encode(tmp_path / "x.mkv", pictures, options={"preset": "ultrafast", "g": "10"})
    with rtsp_server(file) as url:
        agent(watched(url))
        subscriber.event("black", "open", 20)
        assert subscriber.event("black", "closed", 20)["duration"] == pytest.approx(3.0, abs=0.5)
