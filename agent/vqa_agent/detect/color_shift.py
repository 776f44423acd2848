"""Colours that turn wrong while the picture goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.history import RECENT, Pace, Watch
from vqa_agent.measures import LAYOUT, layout
from vqa_agent.media import Picture

Colours: TypeAlias = NDArray[np.float32]
"""(18, 32, 3) mean luma, and mean Cb and Cr less 128, of the cells of a picture, in 8-bit code values."""

COLOURED = 4.0
"""Distance from neutral, in codes, from which on a cell has a colour."""

LEAST_COLOURED = 0.1
"""Share of the cells that must have one, and move: less is a thing that comes into a picture without colours."""

SHARE = 0.3
"""Share of the coloured cells that must have moved: casts hardly touch deep shadows and highlights."""

UNREST = 3.0
"""Times by which a shift must exceed what the scene's own movement does to its colours."""

NEUTRAL = 0.5
"""Mean distance from neutral below which a picture is black and white."""

KEPT = 0.5
"""Less than this share of the colour left is a loss of colour, not a shift."""

FAINT = 0.1
"""Less than this share of the colour there before is a return of colour, not a shift."""

LIGHT = 12.0
"""Codes by which the median cell's luma may change: more is a change of light, unless the shift is `GROSS`."""

GROSS = 4.0
"""Times `distance` from which on a shift counts in other light too, if one map explains `WHOLE` of the change."""

WHOLE = 0.93
"""A lamp lights some parts of a scene and others not; a wrong gain of one colour spares nothing."""

DIMMED = 0.7
"""Share of the change that one factor for all chroma may explain: more is a change of exposure."""

EXPLAINED = 0.6
"""Share of the change that one linear map must explain: equipment treats all colours alike, lamps do not."""


class ColorShiftSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    distance: float = Field(4.5, gt=1, le=60, description="Codes by which the colours must move within a scene.")


class ColourWatch(Watch[Colours]):
    """The watch over the colours of a picture."""

    least_recent = 2

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.distance = distance
        self._unrest: deque[float] = deque(maxlen=RECENT)
        self._before: Colours | None = None

    def excess(self, reference: Colours, value: Colours) -> float:
        before, after = saturation(reference), saturation(value)
        if before.mean() < max(NEUTRAL, FAINT * after.mean()) or after.mean() < KEPT * before.mean():
            return 0.0
        return self._turned(reference, value)

    def _turned(self, reference: Colours, value: Colours) -> float:
        """How far the colours have moved, in steps; less than half a step where light or movement explain it."""
        moved = movement(reference, value)
        other_light = float(np.median(np.abs(value[..., 0] - reference[..., 0]))) > LIGHT
        if other_light and (moved < GROSS * self.distance or scaled(reference, value) > DIMMED):
            return 0.0
        if moved < 0.5 * self.distance:
            return moved / self.distance
        least = WHOLE if other_light else EXPLAINED
        is_shift = moved >= UNREST * median(self._unrest or [0.0]) and explained(reference, value) >= least
        return moved / self.distance if is_shift else 0.0

    def calm(self, time: float, value: Colours) -> None:
        if self._before is not None:
            self._unrest.append(movement(self._before, value))
        self._before = value

    def _cut(self, value: Colours) -> None:
        super()._cut(value)
        self._unrest.clear()
        self._before = None

    def is_over(self, reference: Colours, last: Colours | None, value: Colours) -> bool:
        """Back to what it was, or a second step: by then the scene may have moved on."""
        again = last is not None and self._turned(last, value) >= 1.0
        return again or movement(reference, value) < 0.5 * self.distance


@register(
    "color_shift",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class ColorShift(Detector[ColorShiftSettings]):
    """Sees: all colours that turn at once: a wrong white balance, a wrong matrix, swapped colour planes, a turned hue.

    Formula: chroma is averaged over 18 x 32 cells, five times a second. It has shifted when, within a scene (no cut,
    and still the same scene 0.6 s later), at least 30 % of the coloured cells (4 codes from neutral) move by `distance`
    or more from one look to the next, three times as far as the scene's own movement takes them, while the light stays
    as it is (median change of luma at most 12 codes) and one map of luma and chroma explains 60 % of the change:
    equipment treats all parts of a picture alike, lamps do not. In other light too where the colours move by four times
    `distance`, one map explains 93 % and a mere change of exposure does not. It ends when the colours come back, or
    turn again, and at a cut.

    Settings: raise `distance` to see gross shifts only; a hue turned by 30 degrees moves skin by 5 codes.

    Mistakes: a colour effect within a scene; a stage whose whole light turns to another colour at once. Misses: a cast
    that comes slowly, at a cut, or is there from the start (a scene may be lit in any colour); shifts of pictures with
    little colour.

    Source: chroma against the scene's own just before, as no absolute limit exists in the field.

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> one = np.dstack([rng.uniform(40, 200, (18, 32)), rng.normal(0, 12, (18, 32, 2))]).astype(np.float32)
    >>> swapped = one[..., [0, 2, 1]]
    >>> watch = ColourWatch(4.5)
    >>> watch.excess(one, swapped) > 1, watch.excess(one, one + 0.5) > 1
    (True, False)
    """

    def reset(self) -> None:
        self._pace = Pace()
        self._watch = ColourWatch(self.settings.distance)

    def memory(self) -> dict[str, float | None]:
        """Since when the colours are turned."""
        return {"changed_since": self._watch.changed}

    def look(self, picture: Picture) -> Iterable[Finding]:
        self._watch.follow(picture)
        if picture.chroma is None or not self._pace.due(picture.time):
            return
        colours = cell_colours(picture)
        since = self._watch.see(picture.time, colours, layout(picture))
        bad = since is not None
        blue, red = (float(colours[..., part].mean()) for part in (1, 2))
        yield Finding(
            detector=self.name,
            start=picture.time if since is None else since,
            end=picture.end,
            score=0.8 if bad else 0.0,
            bad=bad,
            detail={"cb": round(blue, 1), "cr": round(red, 1)} if bad else {},
        )


def cell_colours(picture: Picture) -> Colours:
    """Mean luma and chroma of the cells of `picture`, which must have chroma."""
    assert picture.small_chroma is not None
    chroma = [
        cv2.resize(plane.astype(np.float32), LAYOUT, interpolation=cv2.INTER_AREA) - 128
        for plane in picture.small_chroma
    ]
    return np.dstack([layout(picture).luma, *chroma]).astype(np.float32)


def saturation(colours: Colours) -> NDArray[np.float32]:
    """(18, 32) distance of each cell from neutral."""
    return np.asarray(np.hypot(colours[..., 1], colours[..., 2]))


def movement(one: Colours, other: Colours) -> float:
    """Distance that `SHARE` of the coloured cells have moved by at least, and `LEAST_COLOURED` of all cells."""
    coloured = np.maximum(saturation(one), saturation(other)) >= COLOURED
    moved = np.sort(saturation(other - one)[coloured])[::-1]
    rank = int(max(SHARE * len(moved), LEAST_COLOURED * coloured.size))
    return float(moved[rank]) if rank < len(moved) else 0.0


def scaled(one: Colours, other: Colours) -> float:
    """Share of the change of chroma that one factor for all colours explains, as other exposure gives."""
    before, change = one[..., 1:].ravel(), (other - one)[..., 1:].ravel()
    total, own = float(change @ change), float(before @ before)
    return float(before @ change) ** 2 / (own * total) if own > 0 and total > 0 else 0.0


def explained(one: Colours, other: Colours) -> float:
    """Share of the change of chroma that one map explains: linear in chroma, quadratic in luma."""
    luma = one[..., 0].reshape(-1) / 128
    given = np.column_stack([one[..., 1:].reshape(-1, 2), luma, luma**2, np.ones_like(luma)])
    change = (other - one)[..., 1:].reshape(-1, 2)
    found = np.linalg.lstsq(given, change, rcond=None)[0]
    total = float((change**2).sum())
    return 1.0 - float(((change - given @ found) ** 2).sum()) / total if total > 0 else 0.0
