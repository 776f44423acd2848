"""Keeps the agent's CPU use at its budget by moving streams up and down the ladder.

A model of what each rung costs (`prices`) lets it go at once to the rungs that fit, down within three measurements of
a jump of load, up when what is unused pays for it. A climb that had to be taken back makes the next one wait twice as
long. It knows no clock: it is given a measurement a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from vqa_agent.sample.ladder import LADDER
from vqa_agent.sample.prices import Prices

UNKNOWN = 0.5
"""Cores that a stream is thought to take on the first rung until it has been measured: HD with everything looked at."""

WINDOW = 10
"""Measurements (one a second) over which the budget is kept."""

TRANSIENT = 2
"""Measurements after a move that still show what was before it."""

JUMP = 2
"""Measurements that are enough to see a jump of load."""

JUMP_ABOVE = 0.15
"""Share of the budget that two measurements must lie above it to be acted upon after a fall, when there are no more."""

ENOUGH = 5
"""Measurements after the transient without which neither a drift is seen nor a climb made."""

TOLERANCE = 0.02
"""Cores that the average may lie above the budget."""

SETTLED, AIM, ROOM = 0.97, 0.93, 0.88
"""Shares of the budget above which no stream stays, for which a fall aims, and up to which a climb may lead."""

PATIENCE, LONGEST_PATIENCE = 15.0, 600.0
"""Seconds between a stream's fall and its next climb, and the most that failed climbs raise it to."""

REGRET = 60.0
"""Seconds within which a fall after a climb means that the climb was wrong."""

TRIAL_PAUSE = 60.0
"""Seconds between two attempts at rungs that are believed too dear, whichever stream makes them."""

TRIAL_AGE = 600.0
"""Seconds for which the cost of a rung that was tried is believed, where it forbids the rung."""

BOTTOM = len(LADDER) - 1


@dataclass(slots=True)
class _Seat:
    """One stream at the table."""

    weight: float
    prices: Prices
    level: int
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """Cores used, one a second, since the last move and its transient."""
    active: bool = False
    """Whether anything arrives; a stream without signal costs nothing and keeps its rung."""
    behind: int = 0
    """For how many measurements it has not kept up with its input; what it takes then is not what it needs."""
    skip: int = TRANSIENT
    came_from: tuple[int, float] | None = None
    """Rung and cores before the last move, until its effect has been learnt."""
    tried: dict[int, float] = field(default_factory=dict)
    """When each rung was last lived on."""
    fell: float = float("-inf")
    climbed: float | None = None
    """When it climbed, if it has not fallen since."""
    patience: float = PATIENCE

    def rate(self, last: int = WINDOW) -> float:
        return _mean(list(self.recent)[-last:])

    def note(self, cores: float | None, behind: bool) -> None:
        self.active = cores is not None
        self.behind = self.behind + 1 if behind else 0
        if cores is None:
            return
        if behind:
            self.came_from = None
        if self.skip:
            self.skip -= 1
            return
        self.recent.append(cores)
        if len(self.recent) >= ENOUGH and not behind:
            self.prices.note(self.level, self.rate())
            self._learn()

    def move(self, level: int, now: float) -> None:
        self.tried[self.level] = now
        if len(self.recent) >= JUMP and not self.behind:
            self._learn()
            self.came_from = (self.level, self.rate(JUMP))
        self.level, self.skip = level, TRANSIENT
        self.recent.clear()

    def lose_patience(self, now: float) -> None:
        """It falls: a climb just before was wrong, which counts once, however far it falls; one long ago was right."""
        if self.climbed is not None:
            regretted = now - self.climbed <= REGRET
            self.patience = min(LONGEST_PATIENCE, self.patience * 2) if regretted else PATIENCE
        self.fell, self.climbed = now, None

    def _learn(self) -> None:
        if self.came_from is not None:
            self.prices.learn(*self.came_from, self.level, self.rate())
            self.came_from = None


class Governor:
    """Levels of all streams under one budget."""

    def __init__(self, budget: float, known: Mapping[str, Prices] | None = None) -> None:
        self.budget = budget
        self.prices: dict[str, Prices] = dict(known or {})
        """What is known of every stream, those of earlier runs too."""
        self._seats: dict[str, _Seat] = {}
        self._window: deque[float] = deque(maxlen=WINDOW)
        self._since_move: deque[float] = deque(maxlen=WINDOW)
        self._skip = TRANSIENT
        self._climbing = self._on_trial = False
        self._strained = self._tried = float("-inf")

    @property
    def _levels(self) -> dict[str, int]:
        return {name: seat.level for name, seat in self._seats.items()}

    def _greed(self, name: str) -> float:
        """How much a stream uses for its weight."""
        return self._seats[name].rate() / self._seats[name].weight

    @property
    def use(self) -> float:
        """Cores in use, averaged over the last 10 s."""
        return _mean(self._window)

    @property
    def exhausted(self) -> bool:
        """The budget has been exceeded for a whole window although no stream can fall any further."""
        settled = len(self._since_move) >= WINDOW
        return settled and self.use > self.budget + TOLERANCE and all(s.level == BOTTOM for s in self._seats.values())

    def level(self, stream: str) -> int:
        """The stream's rung; 0 is everything."""
        return self._seats[stream].level if stream in self._seats else BOTTOM

    def follow(self, weights: Mapping[str, float]) -> None:
        """The streams there are now, with their weights. Those that stay keep their rung."""
        for gone in set(self._seats) - set(weights):
            del self._seats[gone]
        new = [name for name in weights if name not in self._seats]
        for name, weight in weights.items():
            if name in self._seats:
                self._seats[name].weight = weight
            else:
                self._seats[name] = _Seat(weight, self.prices.setdefault(name, Prices()), BOTTOM)
        self._begin_where_it_fits(new)

    def step(
        self,
        now: float,
        total: float,
        used: Mapping[str, float],
        behind: Collection[str] = (),
        paces: Mapping[str, float] | None = None,
    ) -> dict[str, int]:
        """Take in the cores used in the last second, by all and by each stream that carries anything; what changes.

        `behind`: streams that do not keep up with their input, because the machine has less to give than the budget.
        `paces`: media seconds that a stream got through in that second, where it is not one: decisions are made on what
        a media second takes, because what is held back or catches up shows less or more than that.
        """
        self._window.append(total)
        needed = {name: cores / (paces or {}).get(name, 1.0) for name, cores in used.items()}
        total += sum(needed.values()) - sum(used.values())
        if any(name in used and not seat.active for name, seat in self._seats.items()):
            self._settle()
        for name, seat in self._seats.items():
            seat.note(needed.get(name), name in behind)
        if behind:
            self._strained = now
        if self._skip:
            self._skip -= 1
            return {}
        self._since_move.append(total)
        if late := [name for name, seat in self._seats.items() if seat.behind >= JUMP and seat.level < BOTTOM]:
            slowest = max(late, key=self._greed)
            return self._move({**self._levels, slowest: self._seats[slowest].level + 1}, now)
        if len(self._since_move) < ENOUGH:
            believed = self._bound if self._climbing else self.budget * (1 + JUMP_ABOVE)
            return self._fall(now, JUMP) if self._latest > believed else {}
        settled = len(self._since_move) == WINDOW and _mean(self._since_move) > self.budget * SETTLED
        if self._forecast > self._bound or settled:
            return self._fall(now, JUMP if self._latest > self.budget else WINDOW)
        return self._climb(now)

    @property
    def _bound(self) -> float:
        """Cores above which something falls: a rung that was only tried must leave room, or is left again."""
        return self.budget * (AIM if self._on_trial else 1.0)

    @property
    def _latest(self) -> float:
        """Cores of the last two seconds; nothing is known of less."""
        return _mean(list(self._since_move)[-JUMP:]) if len(self._since_move) >= JUMP else 0.0

    @property
    def _forecast(self) -> float:
        """What the average of the window will be if it goes on as in the last two seconds until a fall takes effect."""
        kept = list(self._since_move)[-(WINDOW - TRANSIENT) :]
        return _mean([*kept, *[self._latest] * TRANSIENT])

    def _begin_where_it_fits(self, new: list[str]) -> None:
        """Streams begin on the rungs that what is unused pays for, as far as earlier runs know what they cost."""
        levels = {name: self._seats[name].level for name in new}
        costs = {name: self._believed(name) * self._seats[name].prices.shares[BOTTOM] for name in new}
        self._spread(levels, costs, self.budget * ROOM - self.use - sum(costs.values()), new)
        for name, level in levels.items():
            self._seats[name].level = level

    def _believed(self, name: str) -> float:
        """Cores of a stream on the first rung."""
        full = self._seats[name].prices.full
        return UNKNOWN if full is None else full

    def _fall(self, now: float, last: int) -> dict[str, int]:
        """Go down, the stream that uses most for its weight first, until the model says that it is enough."""
        rates = {name: seat.rate(last) if seat.active else 0.0 for name, seat in self._seats.items()}
        levels = self._levels
        excess = _mean(list(self._since_move)[-last:]) - self.budget * AIM
        while excess > 0:
            able = [name for name, level in levels.items() if level < BOTTOM and self._seats[name].active]
            if not able:
                break
            name = max(able, key=lambda each: rates[each] / self._seats[each].weight)
            seat = self._seats[name]
            cheaper = seat.prices.price(levels[name] + 1, levels[name], rates[name])
            excess -= rates[name] - cheaper
            levels[name], rates[name] = levels[name] + 1, cheaper
        return self._move(levels, now)

    def _climb(self, now: float) -> dict[str, int]:
        """Go up, the stream that uses least for its weight first, as far as what is unused pays for."""
        if now - self._strained < PATIENCE:
            return {}
        ready = [
            name
            for name, seat in self._seats.items()
            if seat.active and len(seat.recent) >= ENOUGH and now - seat.fell >= seat.patience
        ]
        rates = {name: self._seats[name].rate() for name in ready}
        levels = self._levels
        use = _mean(self._since_move)
        self._spread(levels, rates, self.budget * ROOM - use, ready)
        return self._move(levels, now) or self._try(use, rates, now)

    def _try(self, use: float, rates: Mapping[str, float], now: float) -> dict[str, int]:
        """Go up one rung that is believed too dear, but was not lived on lately, where the window bears the attempt."""
        if now - self._tried < TRIAL_PAUSE:
            return {}
        for name in sorted(rates, key=lambda each: rates[each] / self._seats[each].weight):
            seat, above = self._seats[name], self._seats[name].level - 1
            if above < 0 or now - seat.tried.get(above, float("-inf")) < TRIAL_AGE:
                continue
            dearer = seat.prices.price(above, seat.level, rates[name]) - rates[name]
            if use + dearer / 2 <= self.budget:
                self._tried = now
                moved = self._move({**self._levels, name: above}, now)
                self._on_trial = True
                return moved
        return {}

    def _spread(self, levels: dict[str, int], rates: dict[str, float], room: float, ready: list[str]) -> None:
        """Raise `levels`, a rung at a time, while there is room for it."""
        able = list(ready)
        while able := [name for name in able if levels[name] > 0]:
            name = min(able, key=lambda each: rates[each] / self._seats[each].weight)
            dearer = self._seats[name].prices.price(levels[name] - 1, levels[name], rates[name])
            if dearer - rates[name] > room:
                able.remove(name)
                continue
            room -= dearer - rates[name]
            levels[name], rates[name] = levels[name] - 1, dearer

    def _move(self, levels: Mapping[str, int], now: float) -> dict[str, int]:
        moved = {name: level for name, level in levels.items() if level != self._seats[name].level}
        for name, level in moved.items():
            seat = self._seats[name]
            if level > seat.level:
                seat.lose_patience(now)
            else:
                seat.climbed = now
            seat.move(level, now)
        if moved:
            self._climbing = not any(self._seats[name].fell == now for name in moved)
            self._on_trial = False
            self._settle()
        return moved

    def _settle(self) -> None:
        """What was measured before no longer tells what is: a stream was moved, or has just begun."""
        self._since_move.clear()
        self._skip = TRANSIENT


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0
