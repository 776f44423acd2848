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
        self._offsets: list[float] = []
        self._expected: dict[str, float] = {}
        self.now = 0.0

    def restart(self, at: float | None = None) -> None:
        """The input begins anew: the next time stamp stands for media second `at` (default: where the clock stands)."""
        self.now = self.now if at is None else max(self.now, at)
        self._offsets.clear()
        self._expected.clear()

    def stamp(self, track: str, source: float | None, duration: float) -> Stamp:
        """The media second of a sample of `track` with time stamp `source` that lasts `duration` seconds."""
        due = self._expected.get(track)
        if source is None or not math.isfinite(source):
            return self._advance(track, self.now if due is None else due, duration, 0.0)
        if not self._offsets:
            self._offsets = [self.now - source]
        early, late = (MAX_BACK, MAX_STEP) if due is not None else (MAX_TRACK_SKEW, MAX_TRACK_SKEW)
        due = self.now if due is None else due
        # A track that paused comes back where the clock stands, moved on by the others.
        latest = math.inf if self._gaps_are_real else max(due, self.now) + late
        times = [source + offset for offset in self._offsets]
        fitting = [(abs(time - due), time) for time in times if due - early <= time <= latest]
        if fitting:
            return self._advance(track, min(fitting)[1], duration, 0.0)
        due = max(due, self.now - MAX_STEP)
        jump = source + self._offsets[0] - due
        # Packets from before the jump may still follow on other tracks: the offset before stays known.
        self._offsets = [due - source, self._offsets[0]]
        wrapped = abs(abs(jump) - WRAP) <= MAX_STEP
        return self._advance(track, due, duration, 0.0 if wrapped else jump)

    def locate(self, source: float) -> float | None:
        """The media second of time stamp `source` (seconds), without moving the clock; None before it has started."""
        if not self._offsets:
            return None
        return max(0.0, min((source + offset for offset in self._offsets), key=lambda time: abs(time - self.now)))

    def _advance(self, track: str, time: float, duration: float, jump: float) -> Stamp:
        time = max(0.0, time)
        self._expected[track] = time + duration
        self.now = max(self.now, time + duration)
        return Stamp(time, jump)
