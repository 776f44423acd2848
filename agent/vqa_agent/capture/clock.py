"""One continuous media clock for all tracks of an input.

Time stamps come from outside: they wrap at 33 bits, jump, repeat, or are missing. The clock turns each into media
seconds that start near zero and run over wraps and jumps. A jump seen on one track moves all tracks alike, so that
sound and picture keep their relation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WRAP = 2**33 / 90_000
"""Seconds after which MPEG-TS time stamps begin again (33 bits at 90 kHz)."""

MAX_STEP = 1.0
"""Seconds by which a time stamp may come later than its track expects before it counts as a jump."""

MAX_BACK = 0.25
"""Seconds by which it may come too early: overlapping sound, rounded stamps."""

SETTLED = 5.0
"""Seconds after a jump within which a track may still send what belongs before it."""

MAX_LAG = 1.5
"""Seconds by which a track may stand behind the clock: tracks are interleaved, but a player holds no more."""

MAX_TRACK_SKEW = 60.0
"""Seconds by which the first time stamp of a further track may differ from the clock."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The media second of a sample, and the jump (seconds, signed; 0: none) that its source's time stamp made."""

    time: float
    jump: float = 0.0


class MediaClock:
    """Maps source time stamps (seconds) of several tracks to media seconds.

    `gaps_are_real`: a step forward is a pause in the material, as in files of variable frame rate, not a jump.
    """

    def __init__(self, gaps_are_real: bool = False) -> None:
        self._gaps_are_real = gaps_are_real
        self._newest: float | None = None
        self._jumped_at = 0.0
        self._own: dict[str, float] = {}
        self._expected: dict[str, float] = {}
        self.now = 0.0

    def restart(self, at: float | None = None) -> None:
        """The input begins anew: the next time stamp stands for media second `at` (default: where the clock stands)."""
        self.now = self.now if at is None else max(self.now, at)
        self._newest = None
        self._own.clear()
        self._expected.clear()

    def stamp(self, track: str, source: float | None, duration: float) -> Stamp:
        """The media second of a sample of `track` with time stamp `source` that lasts `duration` seconds."""
        due = self._expected.get(track)
        if source is None or not math.isfinite(source):
            return self._advance(track, self.now if due is None else due, duration, 0.0)
        if self._newest is None:
            self._newest = self.now - source
        offset = self._own.get(track)
        if due is None or offset is None:
            return self._join(track, source, duration, max(self.now, due or 0.0), MAX_TRACK_SKEW)
        if due - MAX_BACK <= source + offset <= due + MAX_STEP:
            if self.now - self._jumped_at > SETTLED and due <= source + self._newest <= self.now + MAX_STEP:
                self._own[track] = offset = self._newest
            return self._advance(track, source + offset, duration, 0.0)
        return self._join(track, source, duration, due, MAX_STEP)

    def _join(self, track: str, source: float, duration: float, due: float, allowed: float) -> Stamp:
        """A track begins, pauses or jumps: where the newest relation of the others puts it, if that is sensible.

        A track that paused comes back where the clock stands, moved on by the others.
        """
        assert self._newest is not None
        time = source + self._newest
        earliest = self.now - allowed if track not in self._own else max(due - MAX_BACK, self.now - MAX_LAG)
        latest = math.inf if self._gaps_are_real else max(due, self.now) + allowed
        jump = 0.0
        if not earliest <= time <= latest:
            due = due if due >= self.now - MAX_LAG else self.now
            jump, time, self._newest = time - due, due, due - source
            self._jumped_at = self.now
        self._own[track] = self._newest
        wrapped = abs(abs(jump) - WRAP) <= MAX_STEP
        return self._advance(track, time, duration, 0.0 if wrapped else jump)

    def locate(self, source: float) -> float | None:
        """The media second of time stamp `source` (seconds), without moving the clock; None before it has started.

        It may lie before the beginning. Of the moments that a stamp of 33 bits may mean, the nearest one is.
        """
        if self._newest is None:
            return None
        times = (source + offset for offset in {self._newest, *self._own.values()})
        return min((self._unwrapped(time) for time in times), key=lambda time: abs(time - self.now))

    def _unwrapped(self, time: float) -> float:
        return time + WRAP * round((self.now - time) / WRAP)

    def _advance(self, track: str, time: float, duration: float, jump: float) -> Stamp:
        time = max(0.0, time)
        self._expected[track] = time + duration
        self.now = max(self.now, time + duration)
        return Stamp(time, jump)
