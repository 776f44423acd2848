"""What the time stamps say about sync by themselves: evidence beside the lips, never a verdict.

Sound that begins long after the pictures (an edit list, a multiplexer's offset), and stamps that part from the number
of samples between them: at once (a step of the elementary stream, or a hole in it) or little by little (a drift).
"""

from __future__ import annotations

from vqa_agent.media import Picture, Sound

LEAST_START = 0.08
"""Seconds between the beginnings of pictures and sound that are worth telling: more than a coder's delay."""

LEAST_STEP = 0.06
"""Seconds of a step. Capture lets stamps and samples part by 50 ms before it follows: that much may be a drift."""

LEAST_MOVE = 0.04
"""Seconds by which stamps and samples must have parted, little by little, to be noted."""

LEAST_MOVES = 3
"""Such moves, in one direction, that make a drift."""

MOST_MOVES = 100


class StampWatch:
    """Holds the time stamps of the sound against its samples, and its beginning against that of the pictures.

    >>> import numpy as np
    >>> watch = StampWatch()
    >>> watch.see(Picture(time=0.0, duration=0.04, luma=np.zeros((2, 2), np.uint8)))
    >>> for time in (0.24, 0.34, 0.84):
    ...     watch.hear(Sound(time=time, rate=1000, samples=np.zeros((1, 100), np.float32)))
    >>> watch.told()
    'sound begins 240 ms after the pictures; time stamps of the sound step by +400 ms at 0.84 s'
    """

    def __init__(self) -> None:
        self._picture: float | None = None
        self._sound: float | None = None
        self._end = 0.0
        self._step: tuple[float, float] | None = None
        self._parted = 0.0
        self._moves: list[tuple[float, float]] = []

    def see(self, picture: Picture) -> None:
        """Take in a picture; only the first counts."""
        if self._picture is None:
            self._picture = picture.time

    def hear(self, sound: Sound) -> None:
        """Take in the next block of sound."""
        if self._sound is None:
            self._sound = self._end = sound.time
        by, self._end = sound.time - self._end, sound.end
        if abs(by) >= LEAST_STEP:
            self._step = sound.time, by
        else:
            self._parted += by
        if abs(self._parted) >= LEAST_MOVE:
            self._move(sound.time)

    def _move(self, time: float) -> None:
        """Note how far stamps and samples have parted since the last time, which must have been in this direction."""
        same = bool(self._moves) and self._moves[-1][1] * self._parted > 0
        self._moves = [*(self._moves[1 - MOST_MOVES :] if same else []), (time, self._parted)]
        self._parted = 0.0

    def told(self) -> str | None:
        """What stands out, in words; None: nothing does."""
        told = [said for said in (self._begins(), self._steps(), self._drifts()) if said]
        return "; ".join(told) or None

    def _begins(self) -> str | None:
        if self._picture is None or self._sound is None or abs(self._sound - self._picture) < LEAST_START:
            return None
        by = round(1000 * (self._sound - self._picture))
        first, second = ("sound begins", "the pictures") if by > 0 else ("pictures begin", "the sound")
        return f"{first} {abs(by)} ms after {second}"

    def _steps(self) -> str | None:
        if self._step is None:
            return None
        time, by = self._step
        return f"time stamps of the sound step by {1000 * by:+.0f} ms at {time:.2f} s"

    def _drifts(self) -> str | None:
        """The slope of the moves: the first of them only says where the count begins."""
        if len(self._moves) < LEAST_MOVES:
            return None
        (first, _), *later = self._moves
        slope = sum(by for _, by in later) / (later[-1][0] - first)
        return f"time stamps of the sound drift by {1e6 * slope:+.0f} ppm against its samples"
