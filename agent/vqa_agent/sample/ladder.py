"""The ladder: what is given up, cheapest loss first, when the budget does not buy everything.

Sound and transport are looked at on every level.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """One rung. Rates are looks per media second; None is every picture."""

    name: str
    picture_rate: float | None
    neural_rate: float | None
    skip_frame: str
    """What the decoder leaves out: DEFAULT (nothing), NONREF or NONKEY, as FFmpeg names it."""


LADDER: tuple[Level, ...] = (
    Level("full", None, 5.0, "DEFAULT"),
    Level("fewer neural looks", None, 1.0, "DEFAULT"),
    Level("half the pictures", 12.5, 1.0, "DEFAULT"),
    Level("reference pictures", 8.0, 0.5, "NONREF"),
    Level("few reference pictures", 3.0, 0.2, "NONREF"),
    Level("key pictures", None, 0.1, "NONKEY"),
)
