"""How the governor answers a jump of the load: the step response.

    python -m benchmarks.step [--budget 60%] [--streams 2] [--seconds 40] [--plot FILE]

Streams of 1080p30 are sent over UDP. They nearly stand still, then move all over for so many SECONDS, and then stand
still again. The CPU of the daemon's tree of processes is read once a second from outside, the rungs from the status.
Told are, of the jump: how far above the budget the greatest second and the greatest 10 s were, and after how many
seconds the use was back at the budget to stay (two points above count as at it, for 2 s together); of each third of the
time, how often streams changed their rungs in its second half, when nothing changes: an oscillation would be seen
there. The plot shows use, budget and rungs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import mean

import psutil

from benchmarks.budget import WINDOW, rolling
from benchmarks.clips import calm_and_busy
from benchmarks.daemon import configuration, cores, running, status
from benchmarks.faults import free_port
from vqa_agent.demo.programme import Part
from vqa_agent.demo.sender import Sender
from vqa_agent.sample import LADDER

TOLERANCE = 0.02
"""Cores above the budget that count as at it."""

START = 5
"""Seconds until the workers listen."""


def watch(budget: str, streams: int, seconds: int) -> tuple[list[float], list[list[int]]]:
    """Cores in use and the rungs of all streams in each second, from the beginning of the material."""
    clip = calm_and_busy(seconds)
    used: list[float] = []
    rungs: list[list[int]] = []
    with tempfile.TemporaryDirectory(prefix="vqa-step-") as folder, ExitStack() as stack:
        urls = [f"udp://127.0.0.1:{free_port()}" for _ in range(streams)]
        config = configuration(Path(folder), budget, urls, more="")
        daemon = stack.enter_context(running(config))
        each_second = cores(psutil.Process(daemon.pid), START + 3 * seconds)
        for _ in range(START):
            next(each_second)
        for url in urls:
            sender = Sender(clip, url, (Part(3.0 * seconds, clip.stem),))
            sender.start()
            stack.callback(sender.stop)
        for use in each_second:
            used.append(use)
            rungs.append([int(each["level"]) for each in status(config)["streams"].values()])
    return used, rungs


def settling(used: Sequence[float], limit: float) -> int:
    """Seconds after which the mean of any two in a row stays at `limit` or below.

    >>> settling([0.9, 0.9, 0.4, 0.5, 0.4], 0.6)
    2
    """
    pairs = [mean(pair) for pair in pairwise(used)]
    return max((place + 1 for place, use in enumerate(pairs) if use > limit), default=0)


def moves(rungs: Sequence[Sequence[int]]) -> int:
    """How often a stream changed its rung."""
    return sum(one != other for before, after in pairwise(rungs) for one, other in zip(before, after, strict=True))


def plot(used: Sequence[float], rungs: Sequence[Sequence[int]], budget: float, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=[2, 1])
    above.step(range(len(used)), used, where="mid", linewidth=0.8, label="each second")
    above.plot(rolling(used), linewidth=1.5, label="average of 10 s")
    above.axhline(budget, color="black", linewidth=0.8, linestyle="--", label="budget")
    above.set(ylabel="cores", ylim=(0, None))
    above.legend(fontsize=8)
    for number, levels in enumerate(zip(*rungs, strict=True)):
        below.step(range(len(levels)), levels, where="mid", linewidth=1.2, label=f"stream {number + 1}")
    below.set(xlabel="seconds", ylabel="rung", yticks=range(len(LADDER)))
    below.invert_yaxis()
    below.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="60%")
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=40, help="length of each of the three parts")
    parser.add_argument("--plot", type=Path, help="draw use and rungs into this file (needs matplotlib)")
    options = parser.parse_args()
    share, length = float(options.budget.rstrip("%")) / 100, options.seconds
    used, rungs = watch(options.budget, options.streams, length)
    busy = used[length : 2 * length]
    windows = rolling(used)[length - 1 : 2 * length]
    quiet = [moves(rungs[part * length + length // 2 : (part + 1) * length]) for part in range(3)]
    print(f"before: {mean(used[length - WINDOW : length]) / share:.2f} of the budget, rungs {rungs[length - 1]}")
    print(f"jump: greatest second {(max(busy) - share) * 100:+.1f}, greatest 10 s {(max(windows) - share) * 100:+.1f}")
    print(f"back at the budget after {settling(busy, share + TOLERANCE)} s, rungs then {rungs[2 * length - 1]}")
    print(f"after: {mean(used[-WINDOW:]) / share:.2f} of the budget, rungs {rungs[-1]}")
    print(f"moves while nothing changes: {quiet[0]}, {quiet[1]}, {quiet[2]}")
    if options.plot:
        plot(used, rungs, share, options.plot)


if __name__ == "__main__":
    main()
