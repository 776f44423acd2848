"""How much CPU and memory the agent uses: itself, its workers, and the programs that they started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil

CGROUPS = Path("/sys/fs/cgroup")

WEIGHED_EVERY = 10.0
"""Seconds between two measurements of memory, for which the kernel walks through all of it."""


@dataclass(frozen=True, slots=True)
class Use:
    """Cores used since the last measurement, all together and by stream, and resident bytes now."""

    total: float = 0.0
    by_stream: Mapping[str, float] = field(default_factory=dict)
    rss: int = 0
    """Memory that several processes share is counted once."""
    rss_by_stream: Mapping[str, int] = field(default_factory=dict)


class Meter:
    """Measures the tree of processes below this one; the total from the service's own cgroup, where it has one.

    What a process has used is counted with what its ended children had: nothing is lost between two measurements but
    what was orphaned, and that the cgroup counts.
    """

    def __init__(self, cgroups: Path = CGROUPS) -> None:
        self._root = psutil.Process()
        self._cgroup = own_cgroup(self._root, cgroups)
        self._moment = monotonic()
        self._spent: dict[str, float] = {}
        self._spent_by_all = self._all_spent(self._root, _tree(self._root))
        self._weighed: float | None = None
        self._sizes: dict[int, int] = {}

    def measure(self, workers: Mapping[str, int]) -> Use:
        """Measure now. `workers` are the process ids of the streams' workers."""
        now = monotonic()
        passed, self._moment = max(1e-3, now - self._moment), now
        tree = _tree(self._root)
        spent = {stream: _sum(pid, tree) for stream, pid in workers.items() if pid in tree}
        known, self._spent = self._spent, {f"{stream} {workers[stream]}": seconds for stream, seconds in spent.items()}
        by_stream = dict.fromkeys(workers, 0.0)
        for stream, seconds in spent.items():
            by_stream[stream] = max(0.0, seconds - known.get(f"{stream} {workers[stream]}", 0.0)) / passed
        all_spent = self._all_spent(self._root, tree)
        total, self._spent_by_all = max(0.0, all_spent - self._spent_by_all) / passed, all_spent
        if self._weighed is None or now - self._weighed >= WEIGHED_EVERY:
            self._weighed, self._sizes = now, {pid: _size(pid) for pid in tree}
        sizes = {
            stream: sum(self._sizes.get(each, 0) for each in _family(pid, tree))
            for stream, pid in workers.items()
            if pid in tree
        }
        return Use(total, by_stream, sum(self._sizes.values()), sizes)

    def _all_spent(self, root: psutil.Process, tree: Mapping[int, _Process]) -> float:
        if self._cgroup is not None:
            try:
                return _usage(self._cgroup)
            except (OSError, ValueError):
                self._cgroup = None
        return _sum(root.pid, tree)


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    cpu: float
    """CPU seconds of the process and of its children that have ended."""


def _tree(root: psutil.Process) -> dict[int, _Process]:
    tree: dict[int, _Process] = {}
    for process in (root, *root.children(recursive=True)):
        try:
            with process.oneshot():
                times = process.cpu_times()
                cpu = times.user + times.system + times.children_user + times.children_system
                tree[process.pid] = _Process(process.ppid(), cpu)
        except psutil.NoSuchProcess:
            continue
    return tree


def _size(pid: int) -> int:
    """Resident bytes, of what is shared this process's part; 0 once it has ended."""
    try:
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _sum(root: int, tree: Mapping[int, _Process]) -> float:
    """CPU seconds of `root` and everything below it."""
    return sum(tree[pid].cpu for pid in _family(root, tree))


def _family(root: int, tree: Mapping[int, _Process]) -> Iterator[int]:
    yield root
    for pid, process in tree.items():
        if process.parent == root and pid != root:
            yield from _family(pid, tree)


def own_cgroup(root: psutil.Process, cgroups: Path = CGROUPS) -> Path | None:
    """The cgroup (version 2) that holds this tree of processes and nothing else, as systemd gives one to a service."""
    try:
        membership = Path(f"/proc/{root.pid}/cgroup").read_text(encoding="ascii")
        path = next(line.removeprefix("0::/") for line in membership.splitlines() if line.startswith("0::/"))
        folder = cgroups / path
        members = {int(pid) for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split()}
        _usage(folder)
    except (OSError, ValueError, StopIteration):
        return None
    family = {root.pid, *(child.pid for child in root.children(recursive=True))}
    return folder if os.getpid() in members and members <= family else None


def _usage(cgroup: Path) -> float:
    """CPU seconds of everything that ever ran in `cgroup`. Raises OSError, ValueError."""
    for line in (cgroup / "cpu.stat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "usage_usec":
            return int(value) / 1e6
    raise ValueError(f"{cgroup} tells no usage")
