"""Time as the stream itself tells it: the programme clock, and how far apart things are on it.

The arrival of packets is not used, so that a file can be checked at any speed, and so that a pause of this machine
is never taken for one of the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture.transport.headers import PCR_HZ, PCR_WRAP

PCR_LIMIT = 0.1
"""Seconds by which two clock references may differ (ISO/IEC 13818-1, 2.7.2; DVB recommends 0.04)."""

ORDINARY_STEP = 0.2
"""Seconds by which the clock may step forward without any question."""

LONGEST_PAUSE = 10.0
"""Seconds beyond which a step forward is a jump, whatever the stream is like."""

PLAUSIBLE = 3.0
"""A longer step is a late reference where the bytes that passed can take so long: this often the time that they take
at the slowest rate of late. Otherwise nothing was sent: the clock jumped, or the encoder paused."""

STEADY = 1.5
"""Ratio of the greatest to the least rate of late up to which the rate is constant, so that there are no pauses."""

DEFAULT_STEP = 0.02
"""Seconds that a discontinuity is taken to last while the rate is unknown."""

HISTORY = 15
"""Intervals whose median is what is usual."""

FEW = 3
"""Intervals (or steps of the clock) that must be known before any is usual."""

MOST_PENDING = 2000
"""Notes that wait for a tick: without a clock nothing is ever late, and memory must not grow."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The clock's value changed by `seconds` (signed) at `offset`, without being announced."""

    offset: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Late:
    """What was due did not come: at `offset` it was missing for `interval` seconds; `usual` is what the stream keeps.

    `usual` is None while too little of the stream is known.
    """

    offset: int
    interval: float
    usual: float | None


@dataclass(slots=True)
class Ticks:
    """Places in the stream (bytes) and their time (seconds on one axis that never goes back), both ascending."""

    offsets: NDArray[np.int64]
    times: NDArray[np.float64]

    def at(self, offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.interp(offsets, self.offsets, self.times)


class ProgrammeClock:
    """Program clock references to one time axis."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, float]] = deque(maxlen=50)
        self.forget()

    def forget(self) -> None:
        """Packets are missing: the next reference is the first one again."""
        self._last: tuple[int, int] | None = None
        self._tick: tuple[int, float] = (0, 0.0)

    def add(self, references: list[tuple[int, int, bool]]) -> tuple[Ticks, list[Jump]]:
        """Take in references (offset, ticks of 27 MHz, discontinuity announced).

        The ticks of the axis, with the one before these where there is one, and the jumps.
        """
        ticks = [self._tick] if self._last is not None else []
        jumps = []
        for offset, value, announced in references:
            step, jump = self._step(offset, value, announced)
            if jump is not None:
                jumps.append(Jump(offset, jump))
            self._tick = (offset, self._tick[1] + step)
            self._last = (offset, value)
            ticks.append(self._tick)
        return Ticks(np.array([tick[0] for tick in ticks], np.int64), np.array([tick[1] for tick in ticks])), jumps

    def _step(self, offset: int, value: int, announced: bool) -> tuple[float, float | None]:
        """Seconds since the reference before, and the jump where there is one."""
        if self._last is None:
            return 0.0, None
        passed = offset - self._last[0]
        ahead = (value - self._last[1]) % PCR_WRAP
        seconds = (ahead if ahead < PCR_WRAP // 2 else ahead - PCR_WRAP) / PCR_HZ
        if announced:
            return self._guess(passed), None
        if 0 <= seconds <= ORDINARY_STEP or self._is_plausible(seconds, passed):
            if seconds > 0:
                self._steps.append((passed, seconds))
            return seconds, None
        is_jump = seconds < 0 or seconds > LONGEST_PAUSE or self._is_steady()
        return self._guess(passed), seconds if is_jump else None

    def _is_plausible(self, seconds: float, passed: int) -> bool:
        if not 0 < seconds <= LONGEST_PAUSE:
            return False
        return len(self._steps) < FEW or seconds <= PLAUSIBLE * passed / min(self._rates())

    def _is_steady(self) -> bool:
        rates = self._rates()
        return len(rates) >= HISTORY and max(rates) <= STEADY * min(rates)

    def _rates(self) -> list[float]:
        """Bytes a second between the last references."""
        return [size / seconds for size, seconds in self._steps]

    def _guess(self, passed: int) -> float:
        """Seconds that so many bytes take at the mean rate of late."""
        size = sum(step[0] for step in self._steps)
        return passed * sum(step[1] for step in self._steps) / size if size else DEFAULT_STEP


class Interval:
    """How long something that must come again and again stays away.

    It is late at `limit`, and again with each further `repeat` seconds, at the first clock tick after that. The end of
    the stream completes nothing.
    """

    def __init__(self, limit: float, repeat: float | None = None) -> None:
        self.limit = limit
        self._repeat = repeat or limit
        self._usual: deque[float] = deque(maxlen=HISTORY)
        self._pending: list[NDArray[np.int64]] = []
        self.forget()

    def forget(self) -> None:
        """Packets are missing: nothing can be late before it has come again."""
        self._last: float | None = None
        self._told = 0
        self._pending.clear()

    def note(self, offsets: NDArray[np.int64]) -> None:
        """It came at `offsets`; when that was, the clock's next tick tells."""
        if len(self._pending) > MOST_PENDING:
            self.forget()
        if offsets.size:
            self._pending.append(offsets)

    def check(self, ticks: Ticks) -> Iterator[Late]:
        """What was late up to the last of `ticks`."""
        if len(ticks.offsets) < 2:
            return
        times = self._times(ticks)
        if times.size and self._last is None:
            self._last, times = float(times[0]), times[1:]
        if times.size:
            yield from self._came(times, ticks)
        if self._last is not None and ticks.times[-1] - self._last > self.limit:
            yield from self._late(float(ticks.times[-1]), ticks)

    def _came(self, times: NDArray[np.float64], ticks: Ticks) -> Iterator[Late]:
        """It came at `times`; the intervals between them that were too long."""
        gaps = times.copy()
        gaps[1:] -= times[:-1]
        gaps[0] -= self._last
        done = 0
        for place in np.flatnonzero(gaps > self.limit).tolist():
            self._usual.extend(gaps[max(done, place - HISTORY) : place].tolist())
            self._last = self._last if place == 0 else float(times[place - 1])
            yield from self._late(float(times[place]), ticks)
            done, self._told = place, 0
        self._usual.extend(gaps[max(done, gaps.size - HISTORY) :].tolist())
        self._last, self._told = float(times[-1]), 0

    def _times(self, ticks: Ticks) -> NDArray[np.float64]:
        """Times of what came between the first and the last tick; what came after it waits."""
        if not self._pending:
            return np.zeros(0)
        offsets = np.concatenate(self._pending)
        known = int(np.searchsorted(offsets, ticks.offsets[-1], side="right"))
        self._pending = [offsets[known:]] if known < offsets.size else []
        return ticks.at(offsets[:known][offsets[:known] >= ticks.offsets[0]])

    def _late(self, until: float, ticks: Ticks) -> Iterator[Late]:
        assert self._last is not None
        usual = median(self._usual) if len(self._usual) >= FEW else None
        while (missing := self.limit + self._told * self._repeat) < until - self._last:
            self._told += 1
            tick = min(int(np.searchsorted(ticks.times, self._last + missing, side="right")), len(ticks.times) - 1)
            yield Late(int(ticks.offsets[tick]), missing, usual)
