"""What it costs to look at the packets of a transport stream: megabytes a second, and the share of decoding.

    python -m benchmarks.transport [FILE.ts ...] [--runs 5]

CPU seconds of this process (median of the runs), one thread. Without files, one is drawn: 1080p30 H.264 and AAC.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from time import process_time

import av

from benchmarks.clips import clip_1080p30
from vqa_agent.capture.feeds import PIECE
from vqa_agent.capture.transport import Analyser

LIVE_RATE = 8e6 / 8
"""Bytes a second of an ordinary HD programme, for the share of a core that a live stream takes."""

ENOUGH = 0.2
"""CPU seconds that a measurement of the analysis lasts at least: the file is looked at as often as that takes."""


def cpu(work: Callable[[], None]) -> float:
    before = process_time()
    work()
    return process_time() - before


def decode(file: Path) -> None:
    """Demux and decode pictures and sound as the agent does, and let them go."""
    with av.open(str(file)) as container:
        chosen = [stream for stream in container.streams if stream.type in ("video", "audio")]
        for stream in chosen:
            stream.codec_context.thread_count = 1
        for packet in container.demux(*chosen):
            packet.decode()


def analyse(data: bytes, tracks: list[int], piece: int) -> None:
    analyser = Analyser(tracks)
    for start in range(0, len(data), piece):
        analyser.feed(data[start : start + piece])
    analyser.take()


def tracks_of(file: Path) -> list[int]:
    with av.open(str(file)) as container:
        return [stream.id for stream in container.streams if stream.type in ("video", "audio")]


def measure(file: Path, runs: int) -> None:
    data, tracks = file.read_bytes(), tracks_of(file)
    decoding = statistics.median(cpu(lambda: decode(file)) for _ in range(runs))
    print(f"{file.name}: {len(data) / 1e6:.1f} MB, decoding {decoding:.2f} s")
    for name, piece in (("file", PIECE), ("live", 7 * 188)):
        times = max(1, round(ENOUGH / max(1e-4, cpu(lambda piece=piece: analyse(data, tracks, piece)))))  # type: ignore[misc]
        looks = [
            cpu(lambda piece=piece, times=times: [analyse(data, tracks, piece) for _ in range(times)]) / times  # type: ignore[misc]
            for _ in range(runs)
        ]
        look = statistics.median(looks)
        speed = len(data) / look
        print(
            f"  {name:4} {look * 1e3:7.1f} ms, {speed / 1e6:4.0f} MB/s, {look / decoding:.2%} of decoding, "
            f"{LIVE_RATE / speed:.2%} of a core at 8 Mbit/s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    for file in options.files or [transport_stream()]:
        measure(file, options.runs)


def transport_stream() -> Path:
    """The drawn clip, packed anew as a transport stream beside it."""
    source = clip_1080p30()
    target = source.with_suffix(".ts")
    if not target.exists():
        with av.open(str(source)) as given, av.open(str(target), "w", format="mpegts") as packed:
            streams = {stream: packed.add_stream_from_template(stream) for stream in given.streams}
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream]
                    packed.mux(packet)
    return target


if __name__ == "__main__":
    main()
