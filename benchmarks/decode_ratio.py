"""CPU of the whole analysis against decoding alone, and the memory of one worker.

    python -m benchmarks.decode_ratio [FILE] [--runs 5] [--only a,b]

Both sides run as processes of their own, in turn, on the same file (by default a drawn 1080p30 H.264 clip): plain
decoding of pictures and sound with PyAV on one thread, and `vqa-agent analyze` with every detector at full rate.
Start-up (imports) is measured apart with an empty run and taken off both. The ratio of each pair is printed, with the
median; absolute seconds differ from machine to machine, the ratio hardly.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DECODE = """
import sys, av
with av.open(sys.argv[1]) as container:
    for stream in container.streams:
        stream.codec_context.thread_count = 1
    for packet in container.demux():
        for frame in packet.decode():
            pass
"""
CLIP = "from benchmarks.clips import clip_1080p30; print(clip_1080p30())"
"""Run apart: what a process has held itself counts as held by those that it starts."""

DECODE_START = "import sys, av"
ANALYSE_START = "import sys, vqa_agent.cli, vqa_agent.analyze, vqa_agent.pipeline; vqa_agent.pipeline.detectors()"


@dataclass(frozen=True)
class Cost:
    """CPU seconds (user and system) and greatest resident set, in bytes, of one process."""

    cpu: float
    rss: int


def measure(arguments: list[str]) -> Cost:
    """Run a program to its end; raises CalledProcessError where it fails."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a clip; by default one is drawn")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="these detectors alone; by default all at full rate")
    options = parser.parse_args()
    file = str(options.file or subprocess.check_output([sys.executable, "-c", CLIP], text=True).strip())

    python = [sys.executable, "-c"]
    decode_start = measure([*python, DECODE_START]).cpu
    analyse_start = measure([*python, ANALYSE_START]).cpu
    print(f"start-up, taken off: decoding {decode_start:.2f} s, analysis {analyse_start:.2f} s of CPU")
    ratios, rss = [], []
    for run in range(options.runs):
        decoding = measure([*python, DECODE, file])
        analysis = measure([sys.executable, "-m", "vqa_agent", "analyze", "--json", "--only", options.only, file])
        ratio = (analysis.cpu - analyse_start) / (decoding.cpu - decode_start)
        ratios.append(ratio)
        rss.append(analysis.rss)
        print(
            f"run {run + 1}: decoding {decoding.cpu - decode_start:6.2f} s, "
            f"analysis {analysis.cpu - analyse_start:6.2f} s, ratio {ratio:.3f}"
        )
    print(f"ratio: median {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f})")
    print(f"greatest memory of the analysis: {max(rss) / 1e6:.0f} MB resident")


if __name__ == "__main__":
    main()
