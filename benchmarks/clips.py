"""Clips that the benchmarks share, drawn once and kept in `.cache/benchmarks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av

from vqa_agent.simulate import encode, scenes, sounds

CACHE = Path(".cache/benchmarks")


def kept(name: str, make: Callable[[Path], object]) -> Path:
    """The clip `name`, which `make` writes where it is not there yet: whole, or not at all."""
    path = CACHE / name
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".part{path.suffix}")
    make(unfinished)
    return unfinished.rename(path)


def clip_1080p30(seconds: int = 20) -> Path:
    """1080p30 H.264 at about 8 Mb/s with AAC: fast objects over a panning, grainy ground."""

    def draw(path: Path) -> None:
        pictures = scenes.action(seconds, (1920, 1080), rate=30)
        options = {"preset": "fast", "b": "8000000", "maxrate": "10000000", "bufsize": "16000000"}
        encode.encode(path, pictures, sounds.speech(seconds), rate=30, options=options)

    return kept(f"1080p30-{seconds}s.mp4", draw)


def enlarged(clip: Path) -> Path:
    """`clip` encoded anew as 1080p at its own rate, at about 8 Mb/s with a key picture every two seconds or so."""
    return kept(f"{clip.stem}-1080p.ts", lambda path: _enlarge(clip, path))


def _enlarge(clip: Path, path: Path) -> None:
    with av.open(str(clip)) as given, av.open(str(path), "w", format="mpegts") as output:
        rate = given.streams.video[0].average_rate
        options = {"preset": "veryfast", "b": "8000000", "maxrate": "10000000", "bufsize": "16000000", "g": "60"}
        pictures: Any = output.add_stream("libx264", rate=rate, options=options)
        pictures.width, pictures.height, pictures.pix_fmt = 1920, 1080, "yuv420p"
        copies = {stream.index: output.add_stream_from_template(stream) for stream in given.streams.audio[:1]}
        for packet in given.demux([*given.streams.video[:1], *given.streams.audio[:1]]):
            if packet.stream.index in copies and packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
            elif packet.stream.type == "video":
                frames: list[Any] = list(packet.decode())
                for frame in frames:
                    output.mux(pictures.encode(frame.reformat(1920, 1080, "yuv420p")))
        output.mux(pictures.encode(None))


def broadcast(clip: Path, seconds: float) -> Path:
    """`clip` as a transport stream of at least so many seconds: its pictures and sound again and again, as they are."""
    return join(f"{clip.stem}-{seconds:.0f}s.ts", [(clip, seconds)])


def calm_and_busy(seconds: float) -> Path:
    """1080p30 that nearly stands still, then moves all over, and then stands still again, for so long each."""
    slide = scenes.slide(10, (1920, 1080), rate=30)
    calm = kept("calm-1080p30.mp4", lambda path: encode.encode(path, slide, sounds.speech(10), rate=30))
    # Each is made a transport stream by itself, so that its headers are within its pictures.
    still, moving = broadcast(calm, seconds), broadcast(clip_1080p30(), seconds)
    parts = [(still, seconds), (moving, 2 * seconds), (still, 3 * seconds)]
    return join(f"calm-busy-calm-{seconds:.0f}s.ts", parts)


def join(name: str, parts: Sequence[tuple[Path, float]]) -> Path:
    """A transport stream of clips, one after the other, each again and again until second so and so."""

    def write(path: Path) -> None:
        with av.open(str(path), "w", format="mpegts") as output:
            tracks: dict[str, Any] = {}
            end = 0.0
            for clip, until in parts:
                while end < until:
                    end = _append(clip, output, tracks, end)

    return kept(name, write)


def _append(clip: Path, output: Any, tracks: dict[str, Any], start: float) -> float:
    """Copy the packets of `clip` to `output` from second `start` on; the second at which they end."""
    with av.open(str(clip)) as given:
        chosen = [*given.streams.video[:1], *given.streams.audio[:1]]
        for stream in chosen:
            if stream.type not in tracks:
                tracks[stream.type] = output.add_stream_from_template(stream)
        packets: list[Any] = [packet for packet in given.demux(chosen) if packet.dts is not None]
        first = min(packet.dts * packet.time_base for packet in packets)
        end = start
        for packet in packets:
            later = round((start - float(first)) / packet.time_base)
            packet.dts += later
            packet.pts = packet.dts if packet.pts is None else packet.pts + later
            packet.stream = tracks[packet.stream.type]
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            output.mux(packet)
    return end
