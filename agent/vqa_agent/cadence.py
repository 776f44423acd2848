"""How long each picture is held on the screen, and whether that follows from a cadence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

LONG = 1.5
"""Steps from which on a hold is a long one."""

EVEN = 1.4
"""Steps by which pictures of an even cadence may miss their places: one by rounding, the rest for faint pictures."""

SPARSE = 12
"""Pictures from one long hold to the next from which on three of them, not four, show a cadence."""

DOUBTFUL = 0.6
"""A picture that moves less than this share of what its neighbours do may be new or repeated: nobody can tell."""

DOUBTS = 0.15
"""Share of such pictures beyond which nothing is said of the cadence."""

LOSSY = 0.6
"""Share of a picture's movement beyond which a long hold has lost a picture."""

PERIODIC_HOLDS, PERIODIC_SHARE, PERIODIC_MISS, LEAST_PERIOD = 5, 0.75, 0.8, 4.0
"""Long holds are periodic when this share of so many or more lies within these steps of a multiple of the period."""

SURROUNDINGS = 3
"""Holds on either side that must be shorter: slides are all long."""

STEADY = 0.08
"""Share by which steps may scatter (half their quartile range) and still be steady movement."""

JUMP_HOLDS = 8
"""Holds on either side that must be steady, and in time, before a step among them is called a jump."""

CUT = 6.0
"""A step that is so many usual ones long is a cut, or a flash, rather than a jump."""


@dataclass(slots=True)
class Hold:
    """One picture as the viewer sees it, from its first showing to the next picture that differs.

    Times are media seconds. `length` counts the usual steps from picture to picture. `arrival` is the activity (see
    `detect.stutter`) with which the picture came, `step` that with which the next one came, `double` that from the
    picture before it to the one after it. `gap`: time stamps are missing in it. `even`: they came evenly at that time.
    """

    start: float
    end: float
    length: float
    arrival: float
    step: float
    double: float
    gap: bool
    even: bool

    @property
    def long(self) -> bool:
        return self.length >= LONG


def is_odd(holds: Sequence[Hold], place: int, late: float, motion: float) -> bool:
    """Whether the hold at `place` is `late` times longer than its surroundings explain, amid movement of `motion`."""
    hold = holds[place]
    if min(hold.arrival, hold.step) < motion or not hold.even or not _alone(holds, place, late):
        return False
    if doubts(holds) > DOUBTS or in_cadence(holds, place):
        return False
    lengths = [other.length for other in holds]
    usual = median(lengths)
    kept = [length for length in lengths if 0.6 * usual <= length <= 1.6 * usual]
    if len(kept) >= 0.8 * len(lengths):
        return hold.length >= late * mean(kept)
    if usual >= LONG:
        return hold.length >= 1.5 * late * usual
    long = [other for other in holds if other.long]
    # Drawings held for one, two or three pictures as the animator liked: their steps do not grow with the hold.
    animated = len(long) > 0.3 * len(holds) and hold.length <= 3.5 and (loss(holds, long) or 0.0) < 0.5
    return not animated


def in_cadence(holds: Sequence[Hold], place: int) -> bool:
    """Whether the hold at `place` is one of some long ones that an even pull-down made."""
    long = [number for number, hold in enumerate(holds) if hold.long]
    rank = long.index(place)
    for size in (3, 4):
        for first in range(max(0, rank - size + 1), rank + 1):
            window = long[first : first + size]
            if len(window) < size or (size == 3 and window[-1] - window[0] < 2 * SPARSE):
                continue
            span = holds[window[0] : window[-1] + 1]
            if _is_even(span) and not _is_lossy(span, [holds[number] for number in window]):
                return True
    return _is_periodic(holds, long, rank)


def loss(holds: Sequence[Hold], long: Sequence[Hold]) -> float | None:
    """How the movement went on after the long holds: 0 as after any picture, 1 a picture further; None: unknown.

    Pull-down repeats pictures and loses none; a picture that came too late is shown instead of the next one.
    """
    short = [hold for hold in holds if not hold.long]
    if len(short) < 4 or not long:
        return None
    single, double = median(hold.step for hold in short), median(hold.double for hold in short)
    if double < 1.15 * single:
        return None
    return (median(hold.step for hold in long) - single) / (double - single)


def doubts(holds: Sequence[Hold]) -> float:
    """Share of the pictures that move much less than both of their neighbours, and yet are no repeats."""
    arrivals = [hold.arrival for hold in holds]
    triples = zip(arrivals, arrivals[1:], arrivals[2:], strict=False)
    return sum(middle < DOUBTFUL * min(left, right) for left, middle, right in triples) / max(1, len(arrivals) - 2)


def is_jump(holds: Sequence[Hold], place: int, motion: float) -> bool:
    """Whether steady movement takes two steps or more at once after the hold at `place`."""
    step = holds[place].step
    if any(other.step > step / 1.4 for other in (*holds[place - 1 : place], *holds[place + 1 : place + 2])):
        return False
    near = [*holds[max(0, place - JUMP_HOLDS) : place], *holds[place + 1 : place + 1 + JUMP_HOLDS]]
    if place < JUMP_HOLDS or len(near) < 2 * JUMP_HOLDS or any(hold.long for hold in near) or holds[place].long:
        return False
    steps = np.array([hold.step for hold in near])
    low, single, high = (float(value) for value in np.percentile(steps, (25, 50, 75)))
    double = median(hold.double for hold in near)
    if single < motion or high - low > 2 * STEADY * single or double < 1.4 * single or steps.max() > 1.25 * single:
        return False
    return 0.8 <= (step - single) / (double - single) <= CUT


def _alone(holds: Sequence[Hold], place: int, late: float) -> bool:
    """Whether most holds just before and just after are shorter: neither slides nor the end of a movement."""
    sides = holds[max(0, place - SURROUNDINGS) : place], holds[place + 1 : place + 1 + SURROUNDINGS]
    limit = holds[place].length / late
    return all(side and median(hold.length for hold in side) <= limit for side in sides)


def _is_lossy(holds: Sequence[Hold], long: Sequence[Hold]) -> bool:
    return (loss(holds, long) or 0.0) >= LOSSY


def _is_periodic(holds: Sequence[Hold], long: Sequence[int], rank: int) -> bool:
    """Whether most of the long holds lie at multiples of one period from the one of `rank`; some may be overlooked."""
    if len(long) < PERIODIC_HOLDS or _is_lossy(holds, [holds[number] for number in long]):
        return False
    starts = np.cumsum([0.0, *(hold.length for hold in holds)])[list(long)]
    places = starts - starts[rank]
    for period in {round(gap) for gap in np.diff(starts) if gap >= LEAST_PERIOD}:
        turns = np.round(places / period)
        exact = float(places @ turns) / max(1.0, float(turns @ turns))
        if np.mean(np.abs(places - turns * exact) <= PERIODIC_MISS) >= PERIODIC_SHARE:
            return True
    return False


def _is_even(span: Sequence[Hold]) -> bool:
    """Whether the pictures of `span` start where an even rate would put them."""
    places = np.cumsum([0.0, *(hold.length for hold in span)])
    # The rate that fits best lies near the mean one; a few are tried, since the ends are rounded too.
    rate = places[-1] / len(span)
    numbers = np.arange(len(places))
    misses = (np.ptp(places - numbers * (rate + shift / len(span))) for shift in np.linspace(-1, 1, 9))
    return bool(min(misses) <= EVEN)
