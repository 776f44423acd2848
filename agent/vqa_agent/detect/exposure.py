"""Blacks that are crushed and whites that are blown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.history import Normal, Pace
from vqa_agent.measures import layout
from vqa_agent.media import Levels, Picture

PILE = 3
"""Codes next to black or white where clipped pixels pile up, rounded by reduction and coding."""

NEAR = 20
"""Codes next to the pile: a clipped photograph fills them, a drawing leaves them empty."""

FILLED = (0.01, 0.03)
"""Least share of pixels in those codes, next to black and next to white."""

MIDDLE = 0.25
"""Least share of pixels between a quarter and three quarters of the range in a photograph with both ends clipped."""


class ExposureSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    growth: float = Field(0.12, gt=0.01, le=1, description="Share of the picture that becomes clipped at once.")
    both: float = Field(0.12, gt=0.01, le=0.5, description="Share at black, and at white, that is clipped at any time.")


@register(
    "exposure",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Exposure(Detector[ExposureSettings]):
    """Sees: shadows crushed to black or highlights blown to white by a wrong level, gain or lift.

    Formula: the share of the reduced luma within 2 codes of black and of white, or of the ends of the scale, bars
    around the picture left out, five times a second. Crushed or blown from when such a share grows by `growth`
    within a scene (no cut, and still the same scene 0.6 s later) until half of that is back. Also at any time while
    both shares are at least `both`, the codes next to them are filled and a quarter of the picture is mid-tones: that
    is too much contrast, not a drawing, not a night, not a white ground.

    Settings: lower `growth` and `both` to see slighter clipping.

    Mistakes: floodlights that blind the camera for longer than the set time. Misses: a wrong level from the first
    picture on, or from a cut on, if it clips at one end only: a high-key or a low-key picture looks the same.

    Source: the share of pixels at the limits of the range (EBU QC "luma levels"); against the scene's own share just
    before, as artistic exposure has no limits.

    >>> import numpy as np
    >>> ramp = np.linspace(0, 255, 320).clip(16, 235).astype(np.uint8)
    >>> luma = np.stack([np.roll(ramp, 3 * row) for row in range(180)])
    >>> crushed, blown = ends(Picture(time=0.0, duration=0.04, luma=luma))
    >>> round(crushed, 2), round(blown, 2)
    (0.08, 0.09)
    """

    def reset(self) -> None:
        self._pace = Pace()
        self._normals = {kind: Normal(self.settings.growth) for kind in ("crushed", "blown")}

    def memory(self) -> dict[str, dict[str, float | int | None]]:
        """What is normal here: the share of the picture at black and at white."""
        return {kind: normal.memory() for kind, normal in self._normals.items()}

    def look(self, picture: Picture) -> Iterable[Finding]:
        for normal in self._normals.values():
            normal.follow(picture)
        if not self._pace.due(picture.time):
            return
        shares = dict(zip(self._normals, ends(picture), strict=True))
        view = layout(picture)
        starts = {kind: self._normals[kind].see(picture.time, share, view) for kind, share in shares.items()}
        known = [start for start in starts.values() if start is not None]
        contrast = min(shares.values()) >= self.settings.both and is_photograph(picture)
        bad = bool(known) or contrast
        yield Finding(
            detector=self.name,
            start=min(known, default=picture.time),
            end=picture.end,
            score=min(1.0, 0.5 + max(shares.values()) / 2) if bad else 0.0,
            bad=bad,
            detail={kind: round(share, 2) for kind, share in shares.items()} if bad else {},
        )


def ends(picture: Picture) -> tuple[float, float]:
    """Share of the picture, without bars, at black and at white."""
    low, high = piles(picture.levels)
    black, white = float(picture.histogram[low].sum()), float(picture.histogram[high].sum())
    bars = _bars(picture) if black > 0 else 0.0
    inside = max(1.0 - bars, 1e-6)
    return max(0.0, black - bars) / inside, white / inside


def piles(levels: Levels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The codes at which clipping leaves its piles: at black and white, and at the ends of the scale.

    What lies between black or white and the end of the scale is beyond the range (see range), and not clipped.
    """
    codes = np.arange(256)
    low = (np.abs(codes - levels.black) < PILE) | (codes < PILE)
    high = (np.abs(codes - levels.white) < PILE) | (codes > 255 - PILE)
    return np.flatnonzero(low), np.flatnonzero(high)


def is_photograph(picture: Picture) -> bool:
    """Whether the codes beside the clipped ones and the mid-tones are there, as in a natural picture."""
    histogram, levels = picture.histogram, picture.levels
    quarter = levels.span // 4
    low = histogram[levels.black + PILE : levels.black + PILE + NEAR].sum()
    high = histogram[levels.white - PILE + 1 - NEAR : levels.white - PILE + 1].sum()
    middle = histogram[levels.black + quarter : levels.white - quarter].sum()
    return bool(low >= FILLED[0] and high >= FILLED[1] and middle >= MIDDLE)


def _bars(picture: Picture) -> float:
    """Share of the picture in rows and columns at its edges that are black from end to end."""
    limit = picture.levels.black + PILE
    rows = _inside(picture.row_profile, limit)
    columns = _inside(picture.column_profile, limit)
    height, width = picture.small.shape
    return float(1.0 - rows * columns / (height * width))


def _inside(profile: NDArray[np.float32], limit: int) -> int:
    """How many entries lie between the first and the last above `limit`."""
    lit = np.flatnonzero(profile >= limit)
    return int(lit[-1] - lit[0] + 1) if lit.size else profile.size
