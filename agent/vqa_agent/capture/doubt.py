"""How long a picture may still show what was lost on the way."""

from __future__ import annotations

LONGEST = 5.0
"""Seconds that damage is expected to last at most, where no key picture ends it (intra refresh)."""


class Doubt:
    """Whether a picture may be damaged: it was hit itself, or one that it may have been predicted from.

    A decoder marks only the picture that was hit, and not every decoder does. Damage lasts until the next whole key
    picture. Stamps are the input's own presentation times in seconds.

    >>> doubt = Doubt()
    >>> doubt.begin(1.0)
    >>> [doubt.covers(stamp, key=stamp == 1.5, hit=False) for stamp in (0.9, 1.0, 1.4, 1.5, 1.6)]
    [False, True, True, False, False]
    """

    def __init__(self) -> None:
        self._hits: list[float] = []

    def begin(self, stamp: float) -> None:
        """The coded picture of this time is damaged. It may come before pictures that are shown earlier."""
        self._hits.append(stamp)

    def covers(self, stamp: float | None, key: bool, hit: bool) -> bool:
        """Whether the next shown picture may be damaged; `hit`: the decoder says so itself."""
        if stamp is None:
            return hit
        if hit:
            self.begin(stamp)
        if self._hits:
            self._hits = [each for each in self._hits if abs(stamp - each) <= LONGEST and not (key and each < stamp)]
        return any(each <= stamp for each in self._hits)
