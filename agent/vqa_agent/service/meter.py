"""How much CPU and memory the agent uses: itself, its workers, and the programs that they started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

import psutil


@dataclass(frozen=True, slots=True)
class Use:
    """Cores used since the last measurement, all together and by stream, and resident bytes now."""

    total: float = 0.0
    by_stream: Mapping[str, float] = field(default_factory=dict)
    rss: int = 0


class Meter:
    """Measures the tree of processes below this one. Processes that came or went in between are counted from the
    first, or up to the last, measurement that saw them."""

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._spent: dict[int, float] = {}
        self._moment = monotonic()

    def measure(self, workers: Mapping[str, int]) -> Use:
        """Measure now. `workers` are the process ids of the streams' workers."""
        now = monotonic()
        passed, self._moment = max(1e-3, now - self._moment), now
        processes = [self._root, *self._root.children(recursive=True)]
        spent, rss, parents = self._look_at(processes)
        owners = {pid: stream for stream, pid in workers.items()}
        by_stream = dict.fromkeys(workers, 0.0)
        total = 0.0
        for pid, seconds in spent.items():
            cores = (seconds - self._spent.get(pid, seconds)) / passed
            total += cores
            if stream := _owner(pid, parents, owners):
                by_stream[stream] += cores
        self._spent = spent
        return Use(total, by_stream, rss)

    @staticmethod
    def _look_at(processes: list[psutil.Process]) -> tuple[dict[int, float], int, dict[int, int]]:
        """CPU seconds by process, all their resident bytes, and each one's parent."""
        spent: dict[int, float] = {}
        parents: dict[int, int] = {}
        rss = 0
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    spent[process.pid] = times.user + times.system
                    parents[process.pid] = process.ppid()
                    rss += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return spent, rss, parents


def _owner(pid: int, parents: Mapping[int, int], owners: Mapping[int, str]) -> str:
    """The stream whose worker `pid` is, or descends from; empty where there is none."""
    while pid in parents:
        if pid in owners:
            return owners[pid]
        pid = parents[pid]
    return ""
