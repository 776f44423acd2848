"""The governor against a machine that is simulated: each stream costs so many cores on each rung."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vqa_agent.sample import LADDER
from vqa_agent.sample.governor import BOTTOM, PATIENCE, TOLERANCE, UNKNOWN, Governor
from vqa_agent.sample.prices import Prices

OWN = 0.02
"""Cores of the supervisor."""

TYPICAL = [level.share for level in LADDER]
FLAT = [1.0, 0.97, 0.95, 0.9, 0.85, 0.5, 0.45, 0.44, 0.43]
"""A stream whose lower rungs save little: not at all what is expected."""


class Machine:
    """Streams whose cost on each rung is `costs[name] * shares[rung]`, under a governor that measures once a second.

    `noise` is the relative spread of the second's cost; `mood` multiplies all costs, by the second.
    """

    def __init__(
        self,
        budget: float,
        costs: dict[str, float],
        weights: dict[str, float] | None = None,
        shares: list[float] | None = None,
        noise: float = 0.0,
        mood: Callable[[float], float] = lambda second: 1.0,
    ) -> None:
        self.governor = Governor(budget)
        self.governor.follow(weights or dict.fromkeys(costs, 1.0))
        self.costs, self.shares, self.noise, self.mood = costs, shares or TYPICAL, noise, mood
        self.rng = np.random.default_rng(1)
        self.silent: set[str] = set()
        self.own: Callable[[float], float] = lambda second: OWN
        self.now = 0.0
        self.moves: list[tuple[float, str, int]] = []
        self.totals: list[float] = []

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            used = {name: self._cost(name) for name in self.costs if name not in self.silent}
            self.totals.append(sum(used.values()) + self.own(self.now))
            for name, level in self.governor.step(self.now, self.totals[-1], used).items():
                self.moves.append((self.now, name, level))
            self.now += 1.0

    def _cost(self, name: str) -> float:
        spread = 1.0 + self.noise * float(self.rng.standard_normal())
        return self.costs[name] * self.shares[self.governor.level(name)] * self.mood(self.now) * max(0.1, spread)

    @property
    def levels(self) -> dict[str, int]:
        return {name: self.governor.level(name) for name in self.costs}

    def averages(self, begin: int = 0) -> list[float]:
        """Cores over every 10 s from second `begin` on."""
        totals = self.totals[begin:]
        return [sum(totals[start : start + 10]) / 10 for start in range(len(totals) - 9)]


def test_a_stream_that_fits_is_looked_at_fully_and_left_alone() -> None:
    machine = Machine(1.0, {"a": 0.8})
    machine.run(600)
    assert machine.levels == {"a": 0}
    assert machine.moves == []


def test_streams_that_cannot_all_fit_begin_cheaply() -> None:
    machine = Machine(0.6, dict.fromkeys("abcd", UNKNOWN))
    assert sum(UNKNOWN * TYPICAL[level] for level in machine.levels.values()) <= 0.6
    machine.run(60)
    assert max(machine.averages()) <= 0.6 + TOLERANCE


@pytest.mark.parametrize("budget", [0.3, 0.6, 1.0, 1.5])
@pytest.mark.parametrize("streams", [1, 4, 8])
@pytest.mark.parametrize("shares", [TYPICAL, FLAT], ids=["as expected", "flat"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_every_ten_seconds_stay_within_the_budget(
    budget: float, streams: int, shares: list[float], noise: float
) -> None:
    machine = Machine(budget, {f"s{number}": 0.6 for number in range(streams)}, shares=shares, noise=noise)
    machine.run(1800)
    cheapest = 0.6 * streams * shares[BOTTOM] + OWN
    if cheapest > budget:
        assert set(machine.levels.values()) == {BOTTOM}
        return
    settled = machine.averages(60)
    assert sum(average > budget + TOLERANCE for average in settled) / len(settled) < 0.01
    assert np.quantile(settled, 0.99) <= budget + 0.05


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("budget", [0.6, 1.0])
def test_what_is_granted_is_used(budget: float, noise: float) -> None:
    machine = Machine(budget, {f"s{number}": 0.6 for number in range(4)}, noise=noise)
    machine.run(600)
    assert np.mean(machine.totals[60:]) > 0.75 * budget


def test_a_jump_of_load_is_answered_within_three_seconds() -> None:
    machine = Machine(1.0, {"a": 0.7}, mood=lambda second: 2.5 if second >= 100 else 1.0)
    machine.run(160)
    jump = [moment for moment, _, _ in machine.moves if moment >= 100]
    assert jump[0] - 99 <= 3
    assert max(machine.averages(112)) <= 1.0 + TOLERANCE
    assert len(jump) <= 3


def test_what_is_held_back_counts_with_what_it_needs() -> None:
    governor = Governor(0.5)
    governor.follow({"a": 1.0})
    for second in range(40):
        governor.step(second, 0.32, {"a": 0.3})
    assert governor.level("a") == 0
    for second in range(40, 43):
        governor.step(second, 0.5, {"a": 0.48}, paces={"a": 0.6})
    assert governor.level("a") > 0
    assert governor.use <= 0.5


def test_what_starting_costs_moves_no_stream() -> None:
    machine = Machine(1.0, {"a": 0.7})
    machine.silent = {"a"}
    for second in range(3):
        machine.governor.step(second - 3, 1.6, {})
    machine.silent = set()
    machine.run(30)
    assert machine.moves == []


def test_what_a_lighter_stream_leaves_is_given_back() -> None:
    machine = Machine(1.0, {"a": 2.5, "b": 0.4}, mood=lambda second: 1.0)
    machine.run(60)
    assert machine.levels["a"] > 0
    machine.costs["a"] = 0.3
    machine.run(60)
    assert machine.levels == {"a": 0, "b": 0}


@pytest.mark.parametrize("cost", [1.02, 1.1, 1.2, 1.6, 2.4])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
def test_it_does_not_swing_between_two_rungs(cost: float, noise: float) -> None:
    machine = Machine(1.0, {"a": cost}, noise=noise)
    machine.run(3600)
    assert len(machine.moves) <= 24


def test_a_climb_that_failed_waits_longer_each_time() -> None:
    machine = Machine(1.0, {"a": 1.0}, mood=lambda second: 0.7 if second % 40 < 25 else 1.3)
    machine.run(3600)
    before = [BOTTOM, *(level for _, _, level in machine.moves)]
    falls = [moment for (moment, _, level), old in zip(machine.moves, before, strict=False) if level > old]
    climbs = [moment for (moment, _, level), old in zip(machine.moves, before, strict=False) if level < old]
    waits = [min(climb - fall for climb in climbs if climb > fall) for fall in falls if fall < climbs[-1]]
    assert all(wait >= PATIENCE for wait in waits)
    assert len(climbs) < 3600 / 40 / 2


def test_streams_that_fell_for_what_the_agent_did_itself_are_soon_back() -> None:
    machine = Machine(0.6, {"a": 0.25, "b": 0.25}, mood=lambda second: 1.3 if 40 <= second < 55 else 1.0)
    machine.own = lambda second: 1.0 if 55 <= second < 58 else OWN
    machine.run(60)
    assert all(level > 0 for level in machine.levels.values())
    machine.run(int(2 * PATIENCE) + 10)
    assert machine.levels == {"a": 0, "b": 0}


def test_a_rung_that_is_cheaper_than_believed_is_found_out() -> None:
    machine = Machine(1.0, {"small": 0.9}, shares=[1.0, 0.95, 0.9, 0.8, 0.7, 0.4, 0.37, 0.36, 0.35])
    machine.run(120)
    assert machine.levels["small"] <= 1
    assert max(machine.averages(0)) <= 1.0 + TOLERANCE


def test_shares_follow_the_weights() -> None:
    machine = Machine(1.0, {"important": 0.9, "other": 0.9}, {"important": 3.0, "other": 1.0})
    machine.run(120)
    assert machine.levels["important"] < machine.levels["other"]


def test_equal_streams_end_near_each_other() -> None:
    machine = Machine(1.0, {f"s{number}": 0.6 for number in range(8)})
    machine.run(300)
    assert max(machine.levels.values()) - min(machine.levels.values()) <= 2


def test_a_budget_that_buys_nothing_ends_on_the_last_rung_and_says_so() -> None:
    machine = Machine(0.01, {"a": 2.0})
    machine.run(120)
    assert machine.levels == {"a": BOTTOM}
    assert machine.governor.exhausted


def test_a_stream_without_signal_keeps_its_rung_and_its_return_is_survived() -> None:
    machine = Machine(1.0, {"a": 0.8, "b": 0.8})
    machine.run(60)
    before = machine.levels["a"]
    machine.silent = {"a"}
    machine.run(120)
    assert machine.levels["a"] == before
    assert machine.levels["b"] == 0
    machine.silent = set()
    machine.run(60)
    assert max(machine.averages(195)) <= 1.0 + TOLERANCE


def test_on_a_machine_that_gives_less_than_the_budget_streams_fall_until_they_keep_up() -> None:
    governor = Governor(1.0)
    governor.follow({"a": 1.0, "b": 1.0})
    known = list(governor.prices["a"].shares)
    for second in range(60):
        used = {name: min(0.3, 0.6 * TYPICAL[governor.level(name)]) for name in "ab"}
        governor.step(second, sum(used.values()), used, {name for name in "ab" if used[name] >= 0.3})
    fits = next(rung for rung, share in enumerate(TYPICAL) if 0.6 * share < 0.3)
    assert [governor.level(name) for name in "ab"] == [fits, fits]
    assert governor.prices["a"].shares == known


def test_what_was_learnt_decides_where_the_next_run_begins() -> None:
    first = Machine(1.0, {"a": 1.3}, shares=[1.0, 0.9, 0.8, 0.7, 0.6, 0.2, 0.15, 0.14, 0.13])
    first.run(120)
    known = first.governor.prices
    rung = first.levels["a"]
    assert (known["a"].full or 0) * known["a"].shares[rung] == pytest.approx(first.totals[-1] - OWN, rel=0.05)
    again = Governor(1.0, known)
    again.follow({"a": 1.0})
    assert again.level("a") in (rung, rung + 1)
    roomy = Governor(2.0, {"a": Prices(full=1.5)})
    roomy.follow({"a": 1.0})
    assert roomy.level("a") == 0


@pytest.mark.parametrize("gone", ["a", "b"])
def test_streams_that_stay_keep_their_rung_when_another_leaves(gone: str) -> None:
    machine = Machine(0.5, {"a": 2.0, "b": 2.0})
    machine.run(100)
    stays = "b" if gone == "a" else "a"
    before = machine.levels[stays]
    machine.governor.follow({stays: 1.0})
    assert machine.governor.level(stays) == before > 0
    assert machine.governor.level(gone) == BOTTOM
