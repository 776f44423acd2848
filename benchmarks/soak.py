"""Half an hour of the whole agent, with four streams and faults: does anything grow that must not?

    python -m benchmarks.soak [--minutes 30] [--seed 1]

`vqa-agent run` watches three looped files and a program, under a CPU budget, and publishes to mosquitto over a link.
At random moments, a worker or the broker is killed, the link is cut or held, the configuration is changed and reloaded,
or a bad one is. Every five seconds are measured, of the supervisor: resident memory, open files, threads; of the
workers together: memory and open files; and the write-ahead log of the outbox. After a warm-up of a fifth, the medians
of the last and the first third must not differ by more than `ROOM`; the agent must be alive, and its outbox drained
once the faults end. Exit status 1 where that is not so.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import numpy as np
import psutil

from benchmarks.faults import Broker, Link
from benchmarks.memory import looped_clip
from vqa_agent.service import status as status_file

STEP = 5.0
"""Seconds between two measurements."""

QUIET = (8.0, 25.0)
"""Seconds from the end of a fault to the next."""

LASTS = 6.0
"""Seconds that a fault lasts at most."""

WARM_UP = 0.4
"""Share of the time that is left out: a starved worker meets its networks one after the other."""
PATIENCE = 90.0
"""Seconds after the last fault in which everything must be delivered."""

ROOM = {
    "supervisor_mb": 8.0, "supervisor_files": 4.0, "threads": 2.0, "worker_mb": 8.0, "worker_files": 8.0, "wal_mb": 4.0,
}  # fmt: skip
"""Growth that is no leak: an arena of the allocator, a worker that is being started while another ends."""

SPARED = "program"
"""The stream whose worker is not killed, so that its memory can be followed through the whole soak."""

CONFIGURATION = """\
[agent]
id = "soak"
site = "lab"
state_dir = "{folder}/state"
[budget]
cpu = "80%"
memory = "1500M"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[[stream]]
name = "program"
command = ["sh", "-c", "while cat {clip}; do sleep 1; done"]
"""
FILE = """\
[[stream]]
name = "file-{number}"
url = "{clip}"
loop = true
realtime = true
[stream.defects.black]
set_time = {set_time}
"""


@dataclass(frozen=True)
class Point:
    """One measurement. MB are resident, except for the log's."""

    supervisor_mb: float
    supervisor_files: float
    threads: float
    worker_mb: float
    worker_files: float
    wal_mb: float


class Soak:
    """The agent, its broker and the faults."""

    def __init__(self, folder: Path, broker: Broker, link: Link, rng: random.Random) -> None:
        self._folder, self._broker, self._link, self._rng = folder, broker, link, rng
        self._clip = looped_clip(folder)
        self._config = folder / "agent.toml"
        self.faults: Counter[str] = Counter()
        self._configure()
        command = [sys.executable, "-m", "vqa_agent", "run", "--config", str(self._config)]
        with (folder / "log").open("wb") as log:
            self._agent = subprocess.Popen(command, stdout=log, stderr=log)

    def run(self, seconds: float) -> list[Point]:
        """Measure for so long, while things go wrong."""
        points, until = [], monotonic() + seconds
        fault_due, mend = monotonic() + QUIET[1], _nothing
        mend_due = float("inf")
        while (now := monotonic()) < until and self._agent.poll() is None:
            if now >= mend_due:
                mend()
                mend_due, fault_due = float("inf"), now + self._rng.uniform(*QUIET)
            elif now >= fault_due and mend_due == float("inf"):
                mend, mend_due = self._fault(), now + self._rng.uniform(0.0, LASTS)
            points.append(self._measure())
            sleep(STEP)
        mend()
        return points

    def drained(self) -> bool:
        """Whether all events are delivered, and the streams watched, within the patience."""
        until = monotonic() + PATIENCE
        while monotonic() < until and self._agent.poll() is None:
            with suppress(OSError, ValueError):
                found = status_file.read(self._folder / "state" / "status.json")
                well = all(stream.signal == "ok" for stream in found.streams.values())
                if well and found.delivery.connected and found.delivery.pending <= 2:
                    return True
            sleep(1.0)
        return False

    @property
    def events(self) -> int:
        return status_file.read(self._folder / "state" / "status.json").delivery.seq

    def end(self) -> None:
        self._agent.terminate()
        self._agent.wait(15)

    def _fault(self) -> Callable[[], None]:
        """Do something bad; what takes it back."""
        faults = (self._kill_worker, self._kill_broker, self._cut, self._hold, self._reload, self._reload_badly)
        fault = self._rng.choice(faults)
        self.faults[fault.__name__.strip("_").replace("_", " ")] += 1
        return fault()

    def _kill_worker(self) -> Callable[[], None]:
        found = status_file.read(self._folder / "state" / "status.json")
        pids = [stream.pid for name, stream in found.streams.items() if stream.pid and name != SPARED]
        with suppress(psutil.NoSuchProcess, IndexError):
            psutil.Process(self._rng.choice(pids)).kill()
        return _nothing

    def _kill_broker(self) -> Callable[[], None]:
        self._broker.kill()
        return self._broker.start

    def _cut(self) -> Callable[[], None]:
        self._link.cut()
        return self._link.mend

    def _hold(self) -> Callable[[], None]:
        self._link.hold()
        return self._link.mend

    def _reload(self) -> Callable[[], None]:
        self._configure()
        self._agent.send_signal(signal.SIGHUP)
        return _nothing

    def _reload_badly(self) -> Callable[[], None]:
        good = self._config.read_text()
        self._config.write_text(good.replace("[budget]", "[budgets]"))
        self._agent.send_signal(signal.SIGHUP)

        def correct() -> None:
            self._config.write_text(good)
            self._agent.send_signal(signal.SIGHUP)

        return correct

    def _configure(self) -> None:
        text = CONFIGURATION.format(folder=self._folder, port=self._link.port, clip=self._clip)
        for number in range(3):
            text += FILE.format(number=number, clip=self._clip, set_time=self._rng.choice([0.5, 1.0, 1.5]))
        self._config.write_text(text)

    def _measure(self) -> Point:
        supervisor = psutil.Process(self._agent.pid)
        wal = self._folder / "state" / "outbox.db-wal"
        files = 0
        for worker in supervisor.children(recursive=True):
            with suppress(psutil.Error):
                files += worker.num_fds()
        return Point(
            supervisor.memory_info().rss / 1e6, supervisor.num_fds(), supervisor.num_threads(), self._spared(), files,
            wal.stat().st_size / 1e6 if wal.exists() else 0.0,
        )  # fmt: skip

    def _spared(self) -> float:
        """Resident MB of the worker that is never killed; 0 before there is one."""
        with suppress(OSError, ValueError, KeyError, psutil.Error):
            pid = status_file.read(self._folder / "state" / "status.json").streams[SPARED].pid
            return psutil.Process(pid).memory_info().rss / 1e6 if pid else 0.0
        return 0.0


def _nothing() -> None:
    pass


def growth(points: Sequence[Point]) -> dict[str, tuple[float, float]]:
    """Of each figure, the medians of the first and of the last third after the warm-up."""
    found = settled(points)
    third = max(1, len(next(iter(found.values()))) // 3)
    return {name: (median(series[:third]), median(series[-third:])) for name, series in found.items()}


def slopes(points: Sequence[Point]) -> dict[str, float]:
    """Of each figure, how much a line through it after the warm-up rises in an hour."""
    return {
        name: float(np.polyfit(np.arange(len(series)) * STEP / 3600, series, 1)[0])
        for name, series in settled(points).items()
    }


def settled(points: Sequence[Point]) -> dict[str, list[float]]:
    """Each figure over time, after the warm-up."""
    late = [asdict(point) for point in points[int(len(points) * WARM_UP) :]]
    return {name: [each[name] for each in late] for name in ROOM}


def leaks(found: dict[str, tuple[float, float]]) -> list[str]:
    """What has grown by more than it may."""
    return [name for name, (first, last) in found.items() if last - first > ROOM[name]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-soak-")))
        broker = Broker(folder)
        broker.start()
        stack.callback(broker.kill)
        link = stack.enter_context(Link(broker.port))
        soak = Soak(folder, broker, link, random.Random(arguments.seed))
        stack.callback(soak.end)
        points = soak.run(arguments.minutes * 60)
        drained = soak.drained()
        print(f"{arguments.minutes:.0f} minutes, {soak.events} events, faults: {dict(soak.faults)}")
        found = growth(points)
        grown, slope = leaks(found), slopes(points)
        for name, (first, last) in found.items():
            highest = max(asdict(point)[name] for point in points)
            print(f"{name:17} {first:8.1f} -> {last:8.1f}  {slope[name]:+8.1f} an hour, at most {highest:.1f}")
        print("everything is delivered, every stream is watched" if drained else "NOT DRAINED, or not watched")
        print(f"GROWN: {', '.join(grown)}" if grown else "nothing has grown")
    return 0 if drained and not grown else 1


if __name__ == "__main__":
    sys.exit(main())
