"""Which pictures are looked at on the present level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vqa_agent.sample.ladder import LADDER, Level

if TYPE_CHECKING:
    from vqa_agent.media import Picture


class Sampler:
    """Says of each picture whether it is looked at, and whether the networks look too. Keeps to media time."""

    def __init__(self, level: int = 0) -> None:
        self.index = level
        self._next_picture = float("-inf")
        self._next_neural = float("-inf")

    @property
    def level(self) -> Level:
        return LADDER[self.index]

    @property
    def rate(self) -> float:
        """Pictures a second that are looked at, at most, on the whole; infinite where it is every one."""
        return (self.level.picture_rate or float("inf")) * self.level.duty

    def wants(self, picture: Picture) -> bool:
        """Whether this picture is due for a look."""
        wanted, self._next_picture = due(picture.time, self._next_picture, self.level.picture_rate)
        return wanted

    def wants_neural(self, picture: Picture) -> bool:
        """Whether the networks are due to look at this picture."""
        wanted, self._next_neural = due(picture.time, self._next_neural, self.level.neural_rate)
        return wanted


def due(now: float, due_at: float, rate: float | None) -> tuple[bool, float]:
    """Whether a look is due at `now`, and when the next one is; looks keep their phase while pictures keep coming."""
    if rate is None:
        return True, now
    step = 1.0 / rate
    if now < due_at <= now + step:
        return False, due_at
    return True, now + step if now - due_at > step or now < due_at else due_at + step
