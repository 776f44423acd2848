"""Processes that share a budget wait for each other within fractions of a second, and are never late by much."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from vqa_agent.sample import bucket as module
from vqa_agent.sample.bucket import DEPTH, LONGEST_DELAY, Bucket, SharedUse


class Machine:
    """A clock, and processes on it that work and wait in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 0.0
        self.cpu = 0.0
        monkeypatch.setattr(module, "monotonic", lambda: self.wall)
        monkeypatch.setattr(module, "process_time", lambda: self.cpu)
        self.stop = threading.Event()
        monkeypatch.setattr(self.stop, "wait", self.wait)

    def wait(self, seconds: float) -> bool:
        self.wall += seconds
        return False

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.cpu += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def _given(shared: SharedUse) -> Bucket:
    bucket = shared.bucket()
    assert bucket is not None
    return bucket


def test_a_burst_is_spread_over_the_time_that_the_budget_gives_it(machine: Machine) -> None:
    bucket = _given(SharedUse(0.3))
    bucket.tell()
    for _ in range(20):
        machine.work(0.01)
        bucket.pause(0.0, machine.stop)
    assert machine.cpu == pytest.approx(0.2)
    assert machine.wall == pytest.approx((0.2 - DEPTH) / 0.3, abs=0.02)


def test_what_stays_below_the_budget_never_waits(machine: Machine) -> None:
    bucket = _given(SharedUse(0.5))
    for _ in range(1000):
        machine.work(0.01)
        machine.wait(0.015)
        bucket.pause(0.0, machine.stop)
    assert machine.wall == pytest.approx(25.0)


def test_one_waits_for_what_another_has_used(machine: Machine) -> None:
    shared = SharedUse(0.5)
    one, other = _given(shared), _given(shared)
    one.tell()
    other.tell()
    machine.work(0.13)
    other.tell()
    machine.cpu = 0.0
    one.pause(0.0, machine.stop)
    assert machine.wall - 0.13 == pytest.approx((0.13 * 0.5 - DEPTH) / 0.5, abs=1e-6)


def test_what_is_late_already_does_not_wait(machine: Machine) -> None:
    bucket = _given(SharedUse(0.1))
    bucket.tell()
    machine.work(1.0)
    bucket.pause(LONGEST_DELAY, machine.stop)
    assert machine.wall == 1.0
    bucket.pause(LONGEST_DELAY - 0.2, machine.stop)
    assert machine.wall == pytest.approx(1.2)


def test_a_place_serves_the_next_process_after_a_restart(machine: Machine) -> None:
    shared = SharedUse(0.5)
    bucket = _given(shared)
    bucket.tell()
    machine.work(0.2)
    bucket.tell()
    shared.give_back(bucket)
    machine.cpu = 0.0
    again = _given(shared)
    again.tell()
    machine.wait(1.0)
    machine.work(0.02)
    before = machine.wall
    again.pause(0.0, machine.stop)
    assert machine.wall == before


def _use(bucket: Bucket) -> None:
    bucket.tell()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    bucket.tell()


def test_processes_see_what_others_use() -> None:
    shared = SharedUse(0.2)
    watching, other = _given(shared), _given(shared)
    watching.tell()
    process = multiprocessing.get_context("forkserver").Process(target=_use, args=(other,))
    process.start()
    process.join()
    assert sum(shared._cells[1:]) >= 0.2
