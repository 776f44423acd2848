"""Steps of the wall clock are noticed, and nothing else is taken for one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vqa_agent.detect.interface import Severity
from vqa_agent.event import State
from vqa_agent.service import clock
from vqa_agent.service.clock import TIME_ERROR, ClockWatch, step_notice


class Machine:
    """Two clocks. `offset` is that of the wall clock; reading it takes what is next in `delays`, in seconds."""

    def __init__(self) -> None:
        self.now, self.offset = 1000.0, 1.7e9
        self.delays: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        wall = self.now + self.offset
        self.now += self.delays.pop(0) if self.delays else 0.0
        return wall

    def time_late(self) -> float:
        """As `time`, but interrupted before the clock is read."""
        self.now += self.delays.pop(0) if self.delays else 0.0
        return self.now + self.offset


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(clock, "monotonic", made.monotonic)
    monkeypatch.setattr(clock, "time", made.time)
    return made


@pytest.mark.parametrize("step", [3600.0, -867_600.0, 0.6])
def test_a_step_is_noticed_once(machine: Machine, step: float) -> None:
    watch = ClockWatch()
    machine.now += 1.0
    machine.offset += step
    assert watch.step() == pytest.approx(step, abs=1e-3)
    machine.now += 1.0
    assert watch.step() == 0.0


def test_a_clock_that_is_slewed_has_not_stepped(machine: Machine) -> None:
    watch = ClockWatch()
    for _ in range(600):
        machine.now += 1.0
        machine.offset += 0.0005
        assert watch.step() == 0.0


@pytest.mark.parametrize("late", [False, True])
def test_an_interruption_while_reading_is_no_step(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    watch = ClockWatch()
    if late:
        monkeypatch.setattr(clock, "time", machine.time_late)
    machine.delays = [0.8, 2.0]
    assert watch.step() == 0.0


@pytest.mark.parametrize(
    ("answer", "trust", "doubt"),
    [(0, "synchronised", None), (TIME_ERROR, "unsynchronised", "unsynchronised"), (-1, "unknown", None)],
)
def test_a_clock_that_nobody_sets_is_doubted(
    monkeypatch: pytest.MonkeyPatch, answer: int, trust: str, doubt: str | None
) -> None:
    class Library:
        @staticmethod
        def adjtimex(request: object) -> int:
            return answer

    monkeypatch.setattr(clock, "_LIBRARY", Library())
    assert ClockWatch().trust == trust
    assert ClockWatch().doubt == doubt


def test_a_step_is_told_with_the_time_before_it() -> None:
    notice = step_notice(-3600.0, "synchronised")
    assert (notice.state, notice.severity, notice.defect) == (State.CLOSED, Severity.MINOR, "agent_clock")
    before = (notice.start + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert notice.detail == {"step": -3600.0, "before": before, "clock": "synchronised"}
