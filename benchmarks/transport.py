"""What it costs to look at the packets of a transport stream, and how well a UDP socket is read.

    python -m benchmarks.transport [FILE.ts ...] [--runs 5]
    python -m benchmarks.transport --udp 50

First: megabytes a second, and the share of decoding. CPU seconds of this process (median of the runs), one thread.
Without files, one is drawn: 1080p30 H.264 and AAC. Second: so many Mbit/s over the loopback interface, read by our own
socket and by FFmpeg's, while another thread keeps the interpreter busy: what is lost, and what the reading costs.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time, thread_time

import av
import av.error

from benchmarks.clips import clip_1080p30
from vqa_agent.capture.datagrams import DEFAULT_BUFFER, Address, Receiver
from vqa_agent.capture.feeds import PIECE, Fetch, Origin
from vqa_agent.capture.transport import Analyser

LIVE_RATE = 8e6 / 8
"""Bytes a second of an ordinary HD programme, for the share of a core that a live stream takes."""

ENOUGH = 0.2
"""CPU seconds that a measurement of the analysis lasts at least: the file is looked at as often as that takes."""

DATAGRAM = 7 * 188

SENDER = """
import socket, sys, time
port, datagrams, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
out = socket.socket(type=socket.SOCK_DGRAM)
part = (b"\\x47\\x1f\\xff\\x10" + bytes(184)) * 7
began = time.perf_counter()
for number in range(datagrams):
    out.sendto(part, ("127.0.0.1", port))
    while number % 10 == 0 and time.perf_counter() - began < number / rate:
        time.sleep(0.001)
"""

FFMPEG_OPTIONS = {"fifo_size": "50000", "overrun_nonfatal": "1"}


def cpu(work: Callable[[], object]) -> float:
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
            with suppress(av.error.FFmpegError):
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
    for name, piece in (("file", PIECE), ("live", DATAGRAM)):
        look = time_of_look(data, tracks, piece, runs)
        speed = len(data) / look
        print(
            f"  {name:4} {look * 1e3:7.1f} ms, {speed / 1e6:4.0f} MB/s, {look / decoding:.2%} of decoding, "
            f"{LIVE_RATE / speed:.2%} of a core at 8 Mbit/s"
        )


def time_of_look(data: bytes, tracks: list[int], piece: int, runs: int) -> float:
    """Median CPU seconds of one analysis."""
    times = max(1, round(ENOUGH / max(1e-4, cpu(lambda: analyse(data, tracks, piece)))))

    def often() -> None:
        for _ in range(times):
            analyse(data, tracks, piece)

    return statistics.median(cpu(often) / times for _ in range(runs))


def measure_udp(megabits: float, buffer: int, seconds: float = 10.0) -> None:
    rate = megabits * 1e6 / 8 / DATAGRAM
    datagrams = int(rate * seconds)
    for name in ("own socket", "FFmpeg's"):
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if name == "own socket":
            origin: Origin = Receiver(Address("127.0.0.1", port, buffer=buffer), 2.0)
        else:
            origin = Fetch(f"udp://127.0.0.1:{port}", {**FFMPEG_OPTIONS, "buffer_size": str(buffer)}, (10.0, 2.0))
        received, used = receive(origin, [sys.executable, "-c", SENDER, str(port), str(datagrams), str(rate)])
        print(
            f"{megabits:g} Mbit/s, {name:10}: {datagrams - received / DATAGRAM:6.0f} of {datagrams} datagrams lost, "
            f"reading took {used / seconds:.1%} of a core"
        )


def receive(origin: Origin, sender: list[str]) -> tuple[int, float]:
    """Bytes that arrived, and the CPU seconds that all but the busy thread took."""
    received = 0

    def read() -> None:
        nonlocal received
        try:
            while piece := origin.read(65536):
                received += len(piece) if isinstance(piece, bytes) else 0
        except (OSError, av.error.FFmpegError):
            return

    reader = threading.Thread(target=read)
    before, busy = process_time(), thread_time()
    reader.start()
    with subprocess.Popen(sender):
        while reader.is_alive():
            sum(range(2000))
    used = process_time() - before - (thread_time() - busy)
    origin.close()
    return received, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--udp", type=float, metavar="MBIT", help="measure the reading of a UDP socket instead")
    parser.add_argument("--buffer", type=int, default=DEFAULT_BUFFER, help="bytes of room to ask the system for")
    options = parser.parse_args()
    if options.udp:
        measure_udp(options.udp, options.buffer)
        return
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
