"""`vqa-agent run` as the benchmarks of the budget see it: from outside, with its whole tree of processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

MEMORY = "2G"
"""More than eight streams take: a worker that is started anew for its memory would count as CPU."""

LOOPED = "loop = true\nrealtime = true\n"
"""Of a file that is to be played as if it were live."""


def configuration(folder: Path, budget: str, urls: Sequence[object], more: str = LOOPED, broker: str = "") -> Path:
    """Write a configuration with a stream for each URL, each with the lines `more`, and give its path."""
    path = folder / "agent.toml"
    mqtt = f'[mqtt]\nurl = "{broker}"\n' if broker else ""
    limits = f'[budget]\ncpu = "{budget}"\nmemory = "{MEMORY}"\n'
    head = f'[agent]\nid = "bench"\nsite = "lab"\nstate_dir = "{folder}"\n{limits}{mqtt}'
    streams = (f'[[stream]]\nname = "s{number}"\nurl = "{url}"\n{more}' for number, url in enumerate(urls))
    path.write_text(head + "".join(streams))
    return path


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    """The daemon, while the block lasts; its log is `stderr`'s."""
    log = config.with_suffix(".log")
    with log.open("w") as lines:
        command = [sys.executable, "-m", "vqa_agent", "run", "--config", str(config)]
        daemon = subprocess.Popen(command, stderr=lines, text=True)
    try:
        yield daemon
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(15)


@contextmanager
def competing(count: int) -> Iterator[None]:
    """So many processes of ordinary priority that take all they can get, while the block lasts."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def status(config: Path) -> Mapping[str, Any]:
    """What the daemon last wrote of itself."""
    found: Mapping[str, Any] = json.loads((config.parent / "status.json").read_text(encoding="utf-8"))
    return found


def cores(root: psutil.Process, seconds: int) -> Iterator[float]:
    """Cores that the tree below `root` used in each second."""
    before, moment = spent(root), monotonic()
    for _ in range(seconds):
        sleep(1.0)
        total, now = spent(root), monotonic()
        yield (total - before) / (now - moment)
        before, moment = total, now


def spent(root: psutil.Process) -> float:
    """CPU seconds of the tree below `root`; the time of ended processes is with their parents."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
