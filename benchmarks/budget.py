"""Whether the budget of CPU is kept, what coverage it buys, and what is still found on each rung.

    python -m benchmarks.budget [--budgets 30% 60% 100% 150%] [--streams 1 4 8] [--seconds 45] [--files CLIP ...]
                                [--udp] [--load 2] [--plot FILE]

First part: the daemon runs on a drawn 1080p30 clip, or on FILES in turn, of which every other stream is enlarged to
1080p. They are made into streams that are long enough, since no broadcast begins anew every few seconds, and are played
by the daemon in real time or (`--udp`) sent to it by this process. The CPU of its whole tree of processes is read once
a second from outside. After the start (15 s) are told: the mean as a share of the budget, the greatest average over
10 s, and the 99th percentile of single seconds, both in points of a core above the budget. `--load` starts so many busy
processes of ordinary priority beside it. Other load takes CPU away, which is seen as latency, as lower rungs and as
pictures that were dropped.

Second part, in this process: a clip with defects of 5 s is looked at on every rung, with the rules of files; told are
which were found and how long after their start, in media seconds, they were decided.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import psutil

from benchmarks.clips import broadcast, clip_1080p30, enlarged, kept
from benchmarks.daemon import competing, configuration, cores, running, status
from benchmarks.faults import free_port
from vqa_agent.capture import Source, open_source
from vqa_agent.demo.programme import Part
from vqa_agent.demo.sender import Sender
from vqa_agent.detect.interface import Profile
from vqa_agent.event import State
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.sample import LADDER, Sampler
from vqa_agent.simulate import defects, encode, scenes, sounds, spatial

WINDOW = 10
"""Seconds over which the budget is kept."""

START = 15
"""Seconds that are left for the start: eight workers take 9 s of a budget of 30 % to begin."""

DEFECTS = {"black": 5.0, "freeze": 17.0, "solid_color": 29.0, "chroma_loss": 41.0, "silence": 53.0}
"""Start of each defect of the second part, in media seconds; each lasts `LASTS`."""

LASTS, LENGTH = 5.0, 62.0


@dataclass
class Run:
    """One run of the daemon: cores in use in each second, and the last status that it wrote."""

    budget: str
    streams: int
    cores: list[float] = field(default_factory=list)
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return float(self.budget.rstrip("%")) / 100

    @property
    def settled(self) -> list[float]:
        """Cores in each second after the start."""
        return self.cores[START:]

    @property
    def averages(self) -> list[float]:
        return [mean(self.settled[begin : begin + WINDOW]) for begin in range(max(1, len(self.settled) - WINDOW + 1))]

    def row(self) -> str:
        streams = list(self.status["streams"].values())
        latency = max(each["latency"] for each in streams)
        coverage = [share for each in streams for share in each["coverage"].values() if share is not None]
        rungs = Counter(each["level"] for each in streams)
        return (
            f"| {self.budget} | {self.streams} | {mean(self.settled) / self.share:.2f} "
            f"| {(max(self.averages) - self.share) * 100:+.1f} "
            f"| {(float(np.percentile(self.settled, 99)) - self.share) * 100:+.1f} "
            f"| {', '.join(f'{count} x {rung}' for rung, count in sorted(rungs.items()))} "
            f"| {mean(coverage):.2f} | {latency:.2f} s "
            f"| {sum(each['late_pictures'] for each in streams)} | {self.status['rss'] / 1e6:.0f} MB |"
        )


def watch(budget: str, streams: int, seconds: int, clips: Sequence[Path], load: int = 0, udp: bool = False) -> Run:
    """Run the daemon for `seconds` on streams that take turns with `clips`, beside `load` busy processes."""
    run = Run(budget, streams)
    with tempfile.TemporaryDirectory(prefix="vqa-budget-") as folder, competing(load), ExitStack() as stack:
        played = [clip.resolve() for clip, _ in zip(cycle(clips), range(streams), strict=False)]
        if udp:
            urls = [f"udp://127.0.0.1:{free_port()}" for _ in played]
            config = configuration(Path(folder), budget, urls, more="")
            for clip, url in zip(played, urls, strict=True):
                sender = Sender(clip, url, (Part(seconds + WINDOW, clip.stem),))
                sender.start()
                stack.callback(sender.stop)
        else:
            config = configuration(Path(folder), budget, played)
        with running(config) as daemon:
            run.cores = list(cores(psutil.Process(daemon.pid), seconds))
            run.status = status(config)
    return run


def damaged_clip() -> Path:
    """A 720p25 clip with a key picture a second and the defects one after the other."""
    return kept("defects-720p25.ts", _draw_damaged)


def _draw_damaged(path: Path) -> None:
    pictures: Any = scenes.action(LENGTH, (1280, 720), rate=25)
    for name, change in (("black", defects.black), ("freeze", defects.freeze), ("chroma_loss", spatial.grey)):
        pictures = change(pictures, DEFECTS[name], DEFECTS[name] + LASTS)
    pictures = defects.color(pictures, DEFECTS["solid_color"], DEFECTS["solid_color"] + LASTS, (20, 60, 200))
    sound = defects.mute(sounds.speech(LENGTH), DEFECTS["silence"], DEFECTS["silence"] + LASTS)
    encode.encode(path, pictures, sound, options={"preset": "veryfast", "b": "3000000", "g": "25"})


def delays(clip: Path, rung: int) -> dict[str, float]:
    """Media seconds from the start of each defect to the decision, for those that were found on `rung`."""
    pipeline = Pipeline(build_detectors(Profile.FILE), Profile.FILE, Sampler(rung))
    found: dict[str, float] = {}
    with open_source(Source("defects", str(clip), live=False)) as capture:
        capture.level = LADDER[rung]
        for sample in capture.samples():
            for decision in pipeline.feed(sample).decisions:
                began = DEFECTS.get(decision.defect)
                if decision.state is State.OPEN and began is not None and abs(decision.start - began) < LASTS:
                    found.setdefault(decision.defect, sample.end - began)
    return found


def print_delays() -> None:
    clip = damaged_clip()
    print("\n| Looks | found | " + " | ".join(DEFECTS) + " |\n|---|---|" + "---|" * len(DEFECTS))
    for rung, level in enumerate(LADDER):
        found = delays(clip, rung)
        cells = [f"{found[name]:.1f} s" if name in found else "missed" for name in DEFECTS]
        print(f"| {level.name} | {len(found)} of {len(DEFECTS)} | " + " | ".join(cells) + " |", flush=True)


def rolling(used: Sequence[float]) -> list[float]:
    """Average over the `WINDOW` seconds that end with each second; over fewer at the beginning."""
    return [mean(used[max(0, end - WINDOW) : end]) for end in range(1, len(used) + 1)]


def plot(runs: list[Run], path: Path) -> None:
    """The use of every run over time, as a share of its budget."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    for run in runs:
        axes.plot(
            [use / run.share for use in rolling(run.cores)], label=f"{run.budget}, {run.streams} streams", linewidth=1.2
        )
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.set(xlabel="seconds since the start", ylabel="average of 10 s / budget", ylim=(0, 2))
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", nargs="+", default=["30%", "60%", "100%", "150%"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4, 8])
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--files", nargs="+", type=Path, help="material; by default a clip is drawn")
    parser.add_argument("--udp", action="store_true", help="send the streams over UDP instead of playing the files")
    parser.add_argument("--load", type=int, default=0, help="busy processes beside the daemon")
    parser.add_argument("--plot", type=Path, help="draw the use over time into this file (needs matplotlib)")
    parser.add_argument("--no-rungs", action="store_true", help="leave out the second part")
    options = parser.parse_args()
    files = [each for clip in options.files or () for each in (enlarged(clip), clip)] or [clip_1080p30()]
    clips = [broadcast(clip, options.seconds + WINDOW) for clip in files]
    print(f"load of the box before: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores\n")
    print("| Budget | Streams | mean / budget | greatest 10 s | p99 of seconds | rungs | coverage", end=" ")
    print("| latency | too late | memory |\n|---|---|---|---|---|---|---|---|---|---|")
    runs = []
    for budget in options.budgets:
        for streams in options.streams:
            runs.append(watch(budget, streams, options.seconds, clips, options.load, options.udp))
            print(runs[-1].row(), flush=True)
    if options.plot:
        plot(runs, options.plot)
    if not options.no_rungs:
        print_delays()


if __name__ == "__main__":
    main()
