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

LONGER = 1.25
"""Times its usual length that a long hold may have in a cadence: one of three where two and three take turns."""

LOSSY = 0.4
"""Share of a picture's movement that most long holds must have lost before they are lossy: a quarter may miss it."""

FAINT = 0.4
"""A picture that moves less than this share of what its neighbours do may be a repeat that an encoder touched."""

PERIODS, TURNS = np.arange(2.5, 32.5, 0.5), np.array([*range(-6, 0), *range(1, 7)])
"""Steps from one repeat to the next in cadences, and the turns from a hold on which others are looked for."""

CALM = 3.0
"""Activity, in code values, below which nobody can tell faint pictures from others."""

PERIODIC_SHARE, PERIODIC_MISS, FEWEST_TURNS = 0.75, 0.8, 4
"""Repeats are periodic when this share of the turns, of so many or more, have one within these steps."""

SURROUNDINGS = 3
"""Holds on either side that must be shorter: slides are all long."""

NEAR, IN_MOTION = 12, 0.5
"""Holds on either side, and the share of their movement that must be there before and after a hold that is odd."""

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
    `regular` is set when it is found to belong to a cadence.
    """

    start: float
    end: float
    length: float
    arrival: float
    step: float
    double: float
    gap: bool
    even: bool
    regular: bool = False

    @property
    def long(self) -> bool:
        return self.length >= LONG


def is_odd(holds: Sequence[Hold], place: int, late: float, motion: float) -> bool:
    """Whether the hold at `place` is `late` times longer than its surroundings explain, amid movement of `motion`."""
    hold = holds[place]
    hold.regular = in_cadence(holds, place)
    usual_motion = median(other.step for other in holds[max(0, place - NEAR) : place + NEAR + 1])
    moving = min(hold.arrival, hold.step) >= max(motion, IN_MOTION * usual_motion)
    if not moving or not hold.even or not _alone(holds, place, late):
        return False
    if doubts(holds) > DOUBTS or hold.regular or _is_usual(hold, holds[:place]):
        return False
    lengths = [other.length for other in holds]
    usual = median(lengths)
    kept = [length for length in lengths if 0.6 * usual <= length <= 1.6 * usual]
    if len(kept) >= 0.8 * len(lengths):
        return hold.length >= late * mean(kept)
    if usual >= LONG:
        return hold.length >= 1.5 * late * usual
    long = [number for number, other in enumerate(holds) if other.long]
    # Drawings held for one, two or three pictures as the animator liked: their steps do not grow with the hold.
    animated = len(long) > 0.3 * len(holds) and hold.length <= 3.5 and not _is_lossy(holds, long)
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
            if _is_even(holds[window[0] : window[-1] + 1]) and not _is_lossy(holds, window):
                return True
    no_longer = holds[place].length <= LONGER * median(holds[number].length for number in long)
    return no_longer and _is_periodic(holds, place) and not _is_lossy(holds, long)


def losses_of(holds: Sequence[Hold], long: Sequence[int]) -> list[float]:
    """How the movement went on after the holds at `long`: 0 as after others near, 1 a picture further; known ones only.

    Pull-down repeats pictures and loses none; a picture that came too late is shown instead of the next one.
    """
    losses = []
    for place in long:
        near = [hold for hold in (*holds[max(0, place - 4) : place], *holds[place + 1 : place + 5]) if not hold.long]
        if len(near) < 4:
            continue
        single, double = median(hold.step for hold in near), median(hold.double for hold in near)
        if double >= 1.15 * single > 0.0:
            losses.append((holds[place].step - single) / (double - single))
    return losses


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


def _is_lossy(holds: Sequence[Hold], long: Sequence[int]) -> bool:
    losses = losses_of(holds, long)
    return bool(losses) and float(np.quantile(losses, 0.25)) >= LOSSY


def _is_periodic(holds: Sequence[Hold], place: int) -> bool:
    """Whether pictures are repeated, or faint as repeats are that an encoder touched, one period after the other."""
    starts = np.cumsum([0.0, *(hold.length for hold in holds)])
    arrivals = np.array([hold.arrival for hold in holds])
    faint = np.flatnonzero(arrivals[1:-1] < FAINT * np.minimum(arrivals[:-2], arrivals[2:])) + 1
    long = [number for number, hold in enumerate(holds) if hold.long]
    repeats = np.sort(np.concatenate([starts[faint], starts[long] + 1]))
    here = starts[place] + 1
    around = np.lib.stride_tricks.sliding_window_view(np.pad(arrivals, 2, mode="edge"), 5)
    calm = np.median(around, axis=1) < CALM
    for period in PERIODS:
        points = here + period * TURNS
        points = points[(points >= starts[1]) & (points < starts[-1] - 1)]
        points = points[~calm[np.searchsorted(starts, points) - 1]]
        if len(points) < FEWEST_TURNS:
            continue
        next_one = np.searchsorted(repeats, points).clip(1, len(repeats) - 1) if len(repeats) > 1 else 0
        misses = np.minimum(np.abs(repeats[next_one] - points), np.abs(repeats[next_one - 1] - points))
        if np.mean(misses <= PERIODIC_MISS) >= PERIODIC_SHARE:
            return True
    return False


def _is_usual(hold: Hold, before: Sequence[Hold]) -> bool:
    """Whether long holds have been regular so far and this one is no longer than they: a cadence cut at an edit."""
    long = [other for other in before if other.long]
    regular = [other.length for other in long if other.regular]
    return len(regular) >= max(4, len(long) / 2) and hold.length <= LONGER * median(regular)


def _is_even(span: Sequence[Hold]) -> bool:
    """Whether the pictures of `span` start where an even rate would put them, and its long holds as evenly."""
    gaps = np.diff([number for number, hold in enumerate(span) if hold.long])
    if np.ptp(gaps) > 1:
        return False
    places = np.cumsum([0.0, *(hold.length for hold in span)])
    # The rate that fits best lies near the mean one; a few are tried, since the ends are rounded too.
    rate = places[-1] / len(span)
    numbers = np.arange(len(places))
    misses = (np.ptp(places - numbers * (rate + shift / len(span))) for shift in np.linspace(-1, 1, 9))
    return bool(min(misses) <= EVEN)
