"""Black bars around the picture that were not there before, or are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Region, Rule, Settings, Severity, register
from vqa_agent.media import Picture, Plane

LOOK = 0.2
"""Seconds from look to look."""

CHUNK = 0.6
"""Seconds of looks that are taken together: what lights up in one of them is no bar."""

DARK = 0.05
"""Share of nominal range above black up to which bars are black."""

LIT_EDGE = 0.7
"""Share of a row that is lit just inside of a bar: pictures end along their whole side."""

LIT_PICTURE = 0.4
"""Share of most rows that must be lit before anything can be told."""

LIT_BAR = 0.05
"""Share of a row that may be lit in a bar, but for a logo or a subtitle in it."""

WRITTEN = 0.5
"""Share of a bar's rows that may carry a logo or a subtitle."""

SOFT = 3
"""Rows in which the picture fades into a bar, at most: scaling and coding soften the edge."""

EVEN = 0.35
"""Share by which two opposite bars may differ: pictures are fitted in the middle, dark rooms are not."""

FRAME = 0.45
"""Share of the side that a bar takes at most."""

LEARN = 60.0
"""Seconds after which a new active area counts as intended."""


class LetterboxSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of a changed active area.")
    size: float = Field(0.02, gt=0, le=0.4, description="Least change of a bar, as a share of the picture's side.")


@dataclass(frozen=True, slots=True)
class Area:
    """Widths of the four bars, in shares of the height and of the width."""

    top: float
    bottom: float
    left: float
    right: float

    @property
    def region(self) -> Region:
        across, down = 1 - self.left - self.right, 1 - self.top - self.bottom
        return round(self.left, 3), round(self.top, 3), round(across, 3), round(down, 3)

    def differs(self, other: Area, size: float) -> bool:
        pairs = zip(self.sides, other.sides, strict=True)
        return any(abs(mine - theirs) >= size for mine, theirs in pairs)

    @property
    def sides(self) -> tuple[float, float, float, float]:
        return self.top, self.bottom, self.left, self.right


@dataclass(slots=True)
class _Known:
    """An active area, and since when and how long it has been seen."""

    area: Area
    seconds: float = 0.0
    intended: bool = False


@dataclass(slots=True)
class _Chunk:
    """The brightest that every pixel of the reduced luma was since `start`."""

    start: float
    brightest: Plane = field(repr=False)
    last: float = 0.0


@register(
    "letterbox",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Letterbox(Detector[LetterboxSettings]):
    """Sees: a change of the active picture area: black bars that come or go.

    Formula: the brightest value of every pixel over 0.6 s, looked at three or four times. A bar begins where at most
    5 % of a row (or column) is lit, 5 % of the range above black, and the row just inside is lit over 70 % of its
    length. Half of a bar's rows may carry a logo or a subtitle. Opposite bars must be about equal. Times in which the
    edges are too dark to tell count for what fits them. The first area that is seen is the intended one; another that
    differs by `size` on any side is reported until it goes, or has lasted a minute and is then intended too. `region`
    is the active area.

    Settings: raise `size` to overlook narrow bars.

    Mistakes: archive and phone material with bars of its own, when it is on for the set time; a graphic in the middle
    of black. Misses: bars that are not black, bars on one side only, pictures that are too dark at their edges.

    Source: ffmpeg cropdetect (limit 24 of 255); picture shift alarms of broadcast monitors; a change "held for 10 s".

    >>> import numpy as np
    >>> box, found = Letterbox(LetterboxSettings()), []
    >>> for number in range(200):
    ...     luma = np.full((180, 320), 120, np.uint8)
    ...     luma[: 24 if number >= 100 else 0] = luma[156 if number >= 100 else 180 :] = 16
    ...     found += list(box.look(Picture(time=number / 25, duration=0.04, luma=luma)))
    >>> next((finding.start, finding.detail["bars"]) for finding in found if finding.bad)
    (4.0, '13/13/0/0 %')
    """

    def reset(self) -> None:
        self._chunk: _Chunk | None = None
        self._known: list[_Known] = []
        self._current: _Known | None = None

    def look(self, picture: Picture) -> Iterable[Finding]:
        chunk, small = self._chunk, picture.small
        if chunk is None or chunk.brightest.shape != small.shape or picture.time < chunk.last:
            self._chunk = _Chunk(picture.time, small.copy(), picture.time)
            return
        if picture.time - chunk.last < LOOK:
            return
        if picture.time - chunk.start >= CHUNK:
            yield self._judge(chunk, picture.time, picture)
            self._chunk = _Chunk(picture.time, small.copy(), picture.time)
            return
        cv2.max(chunk.brightest, small, dst=chunk.brightest)
        chunk.last = picture.time

    def _judge(self, chunk: _Chunk, end: float, picture: Picture) -> Finding:
        lit = chunk.brightest > picture.levels.black + DARK * picture.levels.span
        area = active_area(lit)
        if area is not None:
            self._current = self._recognise(area)
            self._current.seconds += end - chunk.start
            self._current.intended |= self._current.seconds >= LEARN
        elif self._current is not None and not _fits(lit, self._current.area):
            self._current = None
        current = self._current
        bad = current is not None and not current.intended
        sides = "/".join(f"{100 * side:.0f}" for side in current.area.sides) if current is not None else ""
        return Finding(
            detector=self.name,
            start=chunk.start,
            end=end,
            score=0.8 if bad else 0.0,
            bad=bad,
            region=current.area.region if bad and current is not None else None,
            detail={"bars": f"{sides} %"} if bad else {},
        )

    def _recognise(self, area: Area) -> _Known:
        for known in self._known:
            if not area.differs(known.area, self.settings.size):
                return known
        new = _Known(area, intended=not self._known)
        self._known = [known for known in self._known if known.intended] + [new]
        return new


def active_area(lit: NDArray[np.bool_]) -> Area | None:
    """The part of the picture inside its bars; None where it is too dark, or too uneven, to tell."""
    height, width = lit.shape
    sides: list[int] = []
    for profile in (lit.mean(axis=1), lit.mean(axis=0)):
        for end in (profile, profile[::-1]):
            bar = _bar(end)
            if bar is None:
                return None
            sides.append(bar)
    top, bottom, left, right = sides
    if not (_even(top, bottom, height) and _even(left, right, width)):
        return None
    return Area(top / height, bottom / height, left / width, right / width)


def _bar(profile: NDArray[np.float64]) -> int | None:
    """Rows of the bar at the beginning of `profile` (share of each row that is lit); None where nobody can tell."""
    # Between pillars a row is lit only as far as the pillars leave it.
    most = float(np.quantile(profile, 0.9))
    if most < LIT_PICTURE:
        return None
    share = profile / most
    if min(share[:2]) > LIT_BAR:
        return 0
    limit = round(FRAME * len(share))
    dark = share <= LIT_BAR
    edges = np.flatnonzero(dark[:limit] & (share[SOFT + 1 : limit + SOFT + 1] >= LIT_EDGE))
    for edge in edges[::-1]:
        if dark[: edge + 1].mean() >= 1 - WRITTEN and share[: edge + 1].max() < LIT_EDGE:
            return int(edge) + 1
    return None


def _even(one: int, other: int, side: int) -> bool:
    return abs(one - other) <= max(EVEN * max(one, other), 0.01 * side)


def _fits(lit: NDArray[np.bool_], area: Area) -> bool:
    """Whether hardly anything is lit where the bars of `area` are, but for what bars may carry."""
    height, width = lit.shape
    top, bottom = round(area.top * height), round(area.bottom * height)
    left, right = round(area.left * width), round(area.right * width)
    bars = lit[:top], lit[height - bottom :], lit[:, :left], lit[:, width - right :]
    return all(not bar.size or bar.mean() <= WRITTEN / 2 for bar in bars)
