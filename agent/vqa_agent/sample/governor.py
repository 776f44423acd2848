"""Keeps the agent's CPU use at its budget by moving each stream up or down the ladder.

It moves one stream one rung at a time and then waits until the effect can be seen. A rung that was given up is
climbed again only when what it cost before fits in what is left; a climb that had to be taken back makes the next one
wait twice as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vqa_agent.sample.ladder import LADDER

SETTLE = 5.0
"""Seconds after a move before its effect is judged."""

WINDOW = 10
"""Measurements (one a second) that are averaged, at most; only those since the last move count."""

ROOM = 0.9
"""Share of the budget that the use must stay under, with the climb's price, before a stream climbs."""

PATIENCE, LONGEST_PATIENCE = 15.0, 600.0
"""Seconds on a rung before the first attempt to climb, and the most that failed attempts raise it to."""

REGRET = 60.0
"""Seconds within which a fall after a climb means that the climb was wrong."""

PRICE_AGE = 300.0
"""Seconds after which what a rung cost is no longer believed: the material will have changed."""

GUESS = 1.5
"""What the next rung up costs, as a multiple of the present one, where it is not known."""


@dataclass(slots=True)
class _Seat:
    weight: float
    level: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    prices: dict[int, tuple[float, float]] = field(default_factory=dict)
    patience: float = PATIENCE
    moved: float = float("-inf")
    climbed: float = float("-inf")

    @property
    def rate(self) -> float:
        return _mean(self.recent)

    def price(self, level: int, now: float) -> float:
        """Cores that this stream would need on `level`."""
        known, when = self.prices.get(level, (0.0, float("-inf")))
        return known if now - when <= PRICE_AGE else self.rate * GUESS


class Governor:
    """Levels of all streams under one budget. Give it a measurement a second; it knows no clock of its own."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self._seats: dict[str, _Seat] = {}
        self._total: deque[float] = deque(maxlen=WINDOW)
        self._moved: float | None = None

    @property
    def use(self) -> float:
        """Cores in use, averaged since the last move (10 s at most)."""
        return _mean(self._total)

    @property
    def exhausted(self) -> bool:
        """The budget is exceeded although every stream is on the last rung."""
        return self.use > self.budget and all(seat.level == len(LADDER) - 1 for seat in self._seats.values())

    def level(self, stream: str) -> int:
        """The stream's rung; 0 is everything."""
        return self._seats[stream].level if stream in self._seats else 0

    def follow(self, weights: Mapping[str, float]) -> None:
        """The streams there are now, with their weights. Those that stay keep their rung."""
        for gone in set(self._seats) - set(weights):
            del self._seats[gone]
        for name, weight in weights.items():
            self._seats.setdefault(name, _Seat(weight)).weight = weight

    def step(self, now: float, total: float, used: Mapping[str, float]) -> dict[str, int]:
        """Take in the cores used in the last second, by all and by each stream; the streams whose level changes."""
        if self._moved is None:
            self._moved = now
        self._total.append(total)
        for name, seat in self._seats.items():
            seat.recent.append(used.get(name, 0.0))
        if now - self._moved < SETTLE:
            return {}
        if self.use > self.budget:
            return self._fall(now)
        return self._climb(now)

    def _fall(self, now: float) -> dict[str, int]:
        able = [name for name, seat in self._seats.items() if seat.level < len(LADDER) - 1]
        if not able:
            return {}
        name = max(able, key=self._greed)
        seat = self._seats[name]
        seat.prices[seat.level] = (seat.rate, now)
        if now - seat.climbed <= REGRET:
            seat.patience = min(LONGEST_PATIENCE, seat.patience * 2)
        return self._move(name, seat.level + 1, now)

    def _climb(self, now: float) -> dict[str, int]:
        for name in sorted(self._seats, key=self._greed):
            seat = self._seats[name]
            if seat.level == 0 or now - seat.moved < seat.patience:
                continue
            if self.use - seat.rate + seat.price(seat.level - 1, now) <= self.budget * ROOM:
                seat.climbed = now
                return self._move(name, seat.level - 1, now)
        return {}

    def _greed(self, name: str) -> float:
        """How much a stream uses for its weight."""
        return self._seats[name].rate / self._seats[name].weight

    def _move(self, name: str, level: int, now: float) -> dict[str, int]:
        seat = self._seats[name]
        seat.level, seat.moved, self._moved = level, now, now
        self._total.clear()
        for other in self._seats.values():
            other.recent.clear()
        return {name: level}


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0
