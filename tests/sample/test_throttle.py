"""A file without a speed of its own is held to its share of the CPU."""

from __future__ import annotations

import threading

import pytest

from vqa_agent.sample import throttle
from vqa_agent.sample.throttle import Throttle


class Clock:
    """A machine on which work takes CPU and waiting takes none."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.cpu += seconds

    def wait(self, seconds: float) -> bool:
        self.wall += seconds
        return False


@pytest.mark.parametrize("cores", [0.1, 0.5, 0.9])
def test_use_stays_at_what_is_allowed(cores: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(throttle, "monotonic", lambda: clock.wall)
    monkeypatch.setattr(throttle, "process_time", lambda: clock.cpu)
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", clock.wait)
    held = Throttle()
    held.cores = cores
    for _ in range(5000):
        clock.work(0.005)
        held.pause(stop)
    assert clock.cpu / clock.wall == pytest.approx(cores, rel=0.05)


def test_without_a_limit_it_never_waits() -> None:
    stop = threading.Event()
    Throttle().pause(stop)
    assert not stop.is_set()
