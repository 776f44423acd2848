"""From the start of the daemon to its first look at a picture, of one stream and of the last of many.

    python -m benchmarks.startup [--streams 1 8] [--runs 3] [--file CLIP]

The daemon is started on a drawn 1080p30 clip (or CLIP) that is played in real time. A stream's first look is when its
worker says so in the log, all detectors having seen the picture. Told are wall seconds, and the CPU seconds that the
whole tree of processes had used by then: on a box with other work the second says more.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psutil

from benchmarks.clips import clip_1080p30
from benchmarks.daemon import configuration, running, spent

PATIENCE = 60.0
"""Seconds after which a daemon that looks at nothing is given up."""

SAYS = "first look"
STEP = 0.02


@dataclass(frozen=True)
class Start:
    """Wall and CPU seconds from the start to the first look of the last stream."""

    wall: float
    cpu: float


def start(clip: Path, streams: int) -> Start:
    """Start the daemon once. Raises TimeoutError where a stream is not looked at."""
    with tempfile.TemporaryDirectory(prefix="vqa-startup-") as folder:
        config = configuration(Path(folder), "200%", [clip.resolve()] * streams)
        began = monotonic()
        with running(config) as daemon:
            while monotonic() - began < PATIENCE:
                if config.with_suffix(".log").read_text().count(SAYS) >= streams:
                    return Start(monotonic() - began, spent(psutil.Process(daemon.pid)))
                sleep(STEP)
    raise TimeoutError(f"not every one of {streams} streams was looked at within {PATIENCE:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--file", type=Path, help="material; by default a clip is drawn")
    options = parser.parse_args()
    clip = options.file or clip_1080p30()
    print(f"load of the box before: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores\n")
    print("| Streams | first look of the last | longest | CPU by then |\n|---|---|---|---|")
    for streams in options.streams:
        runs = [start(clip, streams) for _ in range(options.runs)]
        print(
            f"| {streams} | {median(run.wall for run in runs):.1f} s | {max(run.wall for run in runs):.1f} s "
            f"| {median(run.cpu for run in runs):.1f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
