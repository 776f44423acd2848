"""CPU of the whole analysis against decoding alone, and the memory of one worker.

    python -m benchmarks.decode_ratio [FILE] [--runs 5] [--only a,b] [--rungs]

Both sides run as processes of their own, in turn, on the same file (by default a drawn 1080p30 H.264 clip): plain
decoding of pictures and sound with PyAV on one thread, and `vqa-agent analyze` with every detector at full rate.
Start-up (imports) is measured apart with an empty run and taken off both. The ratio of each pair is printed, with the
median; absolute seconds differ from machine to machine, the ratio hardly. `--rungs` tells the same of every rung of the
ladder, with the rules of live streams, instead: where the shares of `sample/ladder.py` come from.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vqa_agent.sample.ladder import LADDER

PYTHON = [sys.executable, "-c"]

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

ON_RUNG = """
import sys
from vqa_agent.capture import Source, open_source
from vqa_agent.detect.interface import Profile
from vqa_agent.memory import settle
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.sample import LADDER, Sampler
rung = int(sys.argv[2])
pipeline = Pipeline(build_detectors(Profile.LIVE), Profile.LIVE, Sampler(rung))
settle()
with open_source(Source("rung", sys.argv[1], live=False)) as capture:
    capture.level = LADDER[rung]
    for sample in capture.samples():
        pipeline.feed(sample)
"""


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


def compare(file: str, only: str, runs: int) -> None:
    """The whole analysis against decoding, run by run."""
    decode_start, analyse_start = start_up()
    print(f"start-up, taken off: decoding {decode_start:.2f} s, analysis {analyse_start:.2f} s of CPU")
    ratios, rss = [], []
    for run in range(runs):
        decoding = measure([*PYTHON, DECODE, file]).cpu - decode_start
        found = measure([sys.executable, "-m", "vqa_agent", "analyze", "--json", "--only", only, file])
        analysis = found.cpu - analyse_start
        ratios.append(analysis / decoding)
        rss.append(found.rss)
        print(
            f"run {run + 1}: decoding {decoding:6.2f} s, analysis {analysis:6.2f} s, ratio {ratios[-1]:.3f}", flush=True
        )
    print(f"ratio: median {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f})")
    print(f"greatest memory of the analysis: {max(rss) / 1e6:.0f} MB resident")


def compare_rungs(file: str, runs: int) -> None:
    """Every rung against decoding everything, and against the first rung: the medians of `runs` turns through all."""
    decode_start, analyse_start = start_up()
    decoding: list[float] = []
    rungs: list[list[float]] = [[] for _ in LADDER]
    for _ in range(runs):
        decoding.append(measure([*PYTHON, DECODE, file]).cpu - decode_start)
        for rung, costs in enumerate(rungs):
            costs.append(measure([*PYTHON, ON_RUNG, file, str(rung)]).cpu - analyse_start)
    alone = statistics.median(decoding)
    full = statistics.median(rungs[0])
    print("| Looks | times decoding alone | share of the first rung |\n|---|---|---|")
    for level, costs in zip(LADDER, rungs, strict=True):
        cost = statistics.median(costs)
        print(f"| {level.name} | {cost / alone:.2f} | {cost / full:.2f} |")


def start_up() -> tuple[float, float]:
    """CPU seconds of the start of decoding and of the analysis."""
    return measure([*PYTHON, DECODE_START]).cpu, measure([*PYTHON, ANALYSE_START]).cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a clip; by default one is drawn")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="these detectors alone; by default all at full rate")
    parser.add_argument("--rungs", action="store_true", help="every rung of the ladder instead")
    options = parser.parse_args()
    file = str(options.file or subprocess.check_output([sys.executable, "-c", CLIP], text=True).strip())
    if options.rungs:
        compare_rungs(file, options.runs)
    else:
        compare(file, options.only, options.runs)


if __name__ == "__main__":
    main()
