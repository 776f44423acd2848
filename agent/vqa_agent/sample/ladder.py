"""The ladder: what is given up, cheapest loss first, when the budget does not buy everything.

Sound and transport are looked at on every level.
"""

from __future__ import annotations

from dataclasses import dataclass

SLICE = 1.0
"""Media seconds for which a level that looks for a part of the time only (`duty`) looks in each turn."""


@dataclass(frozen=True, slots=True)
class Level:
    """One rung. Rates are looks per media second; None is every picture that is decoded."""

    name: str
    picture_rate: float | None
    neural_rate: float | None
    share: float
    """CPU of a stream on this rung as a share of the first rung's, until this box has learnt its own: that of 1080p30
    H.264 with rare key pictures (`benchmarks.decode_ratio --rungs`): a climb is rather cheaper than believed."""
    skip_frame: str = "DEFAULT"
    """What the decoder leaves out: DEFAULT (nothing), NONREF or NONKEY, as FFmpeg names it."""
    duty: float = 1.0
    """Share of the time in which pictures are decoded at all."""

    @property
    def sparse(self) -> bool:
        """Whether the decoder leaves pictures out."""
        return self.skip_frame != "DEFAULT" or self.duty < 1.0

    @property
    def turn(self) -> float:
        """Media seconds from the beginning of one slice of time to the next, at least."""
        return SLICE / self.duty


LADDER: tuple[Level, ...] = (
    Level("full", None, 5.0, 1.0),
    Level("fewer neural looks", None, 1.0, 0.77),
    Level("half the pictures", 12.5, 1.0, 0.76),
    Level("reference pictures", 8.0, 0.5, 0.56, "NONREF"),
    Level("few reference pictures", 3.0, 0.2, 0.49, "NONREF"),
    Level("key pictures", 2.0, 0.1, 0.1, "NONKEY"),
    Level("key pictures, a quarter of the time", 2.0, 0.1, 0.06, "NONKEY", 1 / 4),
    Level("key pictures, an eighth of the time", 2.0, 0.05, 0.05, "NONKEY", 1 / 8),
    Level("key pictures, a sixteenth of the time", 2.0, 0.05, 0.045, "NONKEY", 1 / 16),
)
