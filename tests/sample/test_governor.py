"""The governor against a machine that is simulated: each stream costs so many cores on each rung."""

from __future__ import annotations

import itertools

import pytest

from vqa_agent.sample import LADDER
from vqa_agent.sample.governor import PATIENCE, SETTLE, Governor

BOTTOM = len(LADDER) - 1


class Machine:
    """Streams whose cost on rung n is `cost * 0.7 ** n`, under a governor that measures once a second."""

    def __init__(self, budget: float, costs: dict[str, float], weights: dict[str, float] | None = None) -> None:
        self.governor = Governor(budget)
        self.governor.follow(weights or dict.fromkeys(costs, 1.0))
        self.costs = costs
        self.now = 0.0
        self.moves: list[tuple[float, str, int]] = []
        self.totals: list[float] = []

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            used = {name: cost * 0.7 ** self.governor.level(name) for name, cost in self.costs.items()}
            self.totals.append(sum(used.values()) + 0.02)
            for name, level in self.governor.step(self.now, self.totals[-1], used).items():
                self.moves.append((self.now, name, level))
            self.now += 1.0

    @property
    def levels(self) -> dict[str, int]:
        return {name: self.governor.level(name) for name in self.costs}


def test_a_stream_that_fits_is_left_alone() -> None:
    machine = Machine(1.0, {"a": 0.8})
    machine.run(600)
    assert machine.moves == []


def test_use_comes_under_the_budget_and_stays_there() -> None:
    machine = Machine(1.0, {"a": 1.5, "b": 1.0})
    machine.run(300)
    settled = machine.totals[60:]
    averages = [sum(settled[start : start + 10]) / 10 for start in range(len(settled) - 10)]
    assert max(averages) <= 1.02


def test_one_rung_is_moved_at_a_time_and_its_effect_awaited() -> None:
    machine = Machine(0.3, {"a": 2.0, "b": 2.0})
    machine.run(120)
    moments = [moment for moment, _, _ in machine.moves]
    assert all(later - earlier >= SETTLE for earlier, later in itertools.pairwise(moments))


def test_the_stream_that_uses_most_for_its_weight_falls_first() -> None:
    machine = Machine(1.0, {"important": 0.7, "other": 0.5}, {"important": 3.0, "other": 1.0})
    machine.run(60)
    assert machine.levels["important"] < machine.levels["other"]


def test_a_budget_that_buys_nothing_ends_on_the_last_rung_and_says_so() -> None:
    machine = Machine(0.01, {"a": 2.0})
    machine.run(120)
    assert machine.levels == {"a": BOTTOM}
    assert machine.governor.exhausted


def test_a_stream_climbs_back_when_the_material_becomes_cheaper() -> None:
    machine = Machine(1.0, {"a": 2.5})
    machine.run(60)
    assert machine.levels["a"] > 0
    machine.costs["a"] = 0.3
    machine.run(900)
    assert machine.levels == {"a": 0}


def test_it_does_not_swing_between_two_rungs() -> None:
    machine = Machine(1.0, {"a": 1.2})
    machine.run(3600)
    assert len(machine.moves) <= 2 + 2 * 3600 / 300


def test_climbs_that_fail_become_rarer() -> None:
    machine = Machine(1.0, {"a": 1.6})
    machine.run(7200)
    climbs = [
        moment
        for (moment, _, level), (_, _, before) in zip(machine.moves[1:], machine.moves, strict=False)
        if level < before
    ]
    waits = [later - earlier for earlier, later in itertools.pairwise(climbs)]
    assert all(wait >= PATIENCE for wait in waits)
    assert len(climbs) < 40


@pytest.mark.parametrize("gone", ["a", "b"])
def test_streams_that_stay_keep_their_rung_when_another_leaves(gone: str) -> None:
    machine = Machine(0.5, {"a": 2.0, "b": 2.0})
    machine.run(100)
    stays = "b" if gone == "a" else "a"
    before = machine.levels[stays]
    machine.governor.follow({stays: 1.0})
    assert machine.governor.level(stays) == before > 0
    assert machine.governor.level(gone) == 0
