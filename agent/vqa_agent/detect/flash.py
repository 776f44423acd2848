"""Flashing that may harm photosensitive viewers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Region, Rule, Settings, register
from vqa_agent.measures import block_means
from vqa_agent.media import Picture

PEAK = 200.0
"""cd/m2 of nominal white on the display that the standard assumes."""

GAMMA = 2.4
"""Exponent of that display (ITU-R BT.1886)."""

AT_ONCE = 0.1
"""Seconds within which changes of several places belong to one change of the picture."""

TOGETHER = 0.5
"""Changes the other way, as a share, beyond which the picture moves rather than flashes."""

RED_SCALE = 320.0
"""Scale of R - G - B, of linear light, in which a change of 20 is a red flash (WCAG 2)."""

RED_CODE = 150
"""Cr below which no colour is a saturated red."""

SAMPLED_ROWS = 32
"""Rows of chroma samples by which a picture is searched for red."""

SECOND = 1.0

Cells: TypeAlias = NDArray[np.float32]
Marks: TypeAlias = NDArray[np.bool_]


class FlashSettings(Settings):
    change: float = Field(20.0, gt=0, le=200, description="Least change of luminance, in cd/m2.")
    darker: float = Field(160.0, gt=0, le=200, description="The darker state must be below this, in cd/m2.")
    area: float = Field(0.25, gt=0, le=1, description="Share of the screen that must flash at once.")
    red: float = Field(0.8, gt=0.5, le=1, description="R / (R + G + B) from which on a red is saturated.")
    flashes: int = Field(3, ge=1, le=30, description="Flashes (pairs of opposing changes) that one second may have.")


class _Swings:
    """Follows every cell of a picture from extreme to extreme, and tells when a large share turns at once."""

    def __init__(self, change: float, darker: float, area: float) -> None:
        self.change, self.darker, self.area = change, darker, area
        self.turns: deque[float] = deque()
        self._low: Cells | None = None
        self._direction = 0
        self._swung = -np.inf
        """When a cell last turned."""

    def follow(self, cells: Cells, time: float) -> Marks | None:
        """The cells that belong to a change of the picture that this picture completes; None without one."""
        if self._low is None or self._low.shape != cells.shape:
            self._low, self._high = cells.copy(), cells.copy()
            self._risen = np.full(cells.shape, -np.inf, np.float32)
            self._fallen = self._risen.copy()
            return None
        np.minimum(self._low, cells, out=self._low)
        np.maximum(self._high, cells, out=self._high)
        up = (cells - self._low >= self.change) & (self._low < self.darker)
        down = (self._high - cells >= self.change) & (cells < self.darker)
        if not (up.any() or down.any()):
            return self._turn(time) if time - self._swung <= AT_ONCE else None
        self._swung = time
        # From here on only the way back counts for these cells: extremes start anew.
        self._high[up], self._low[up] = cells[up], cells[up]
        self._high[down], self._low[down] = cells[down], cells[down]
        self._risen[up], self._fallen[up] = time, -np.inf
        self._fallen[down], self._risen[down] = time, -np.inf
        return self._turn(time)

    def count(self, now: float, slack: float) -> int:
        """Changes within the last second, one way and the other in turn."""
        while self.turns and self.turns[0] <= now - SECOND + slack:
            self.turns.popleft()
        return len(self.turns)

    def _turn(self, time: float) -> Marks | None:
        rising, falling = self._risen >= time - AT_ONCE, self._fallen >= time - AT_ONCE
        up, down = float(rising.mean()), float(falling.mean())
        for direction, most, least, marks in ((1, up, down, rising), (-1, down, up, falling)):
            if most > self.area and least <= TOGETHER * most and direction != self._direction:
                self._direction = direction
                self.turns.append(time)
                (self._risen if direction > 0 else self._fallen)[marks] = -np.inf
                return marks
        return None


@dataclass(slots=True)
class _Kind:
    name: str
    swings: _Swings
    where: Region | None = None


@register(
    "flash",
    reads="video",
    cost="cheap",
    live=Rule(set_time=0.0, clear_time=2.0),
    file=Rule(set_time=0.0, clear_time=2.0),
)
class Flash(Detector[FlashSettings]):
    """Sees: flashing of the picture that may harm photosensitive viewers. Advisory, not certified.

    Formula: the picture in some 2000 cells (8 x 8 of the reduced luma), each as the luminance of a display with 200
    cd/m2 at white and gamma 2.4. A change is a rise or a fall by `change` with the darker state below `darker`, over
    more than `area` of the screen within 0.1 s, while less than half as much changes the other way. Two opposing
    changes are a flash; more than `flashes` in one second are reported. The same for saturated red, R / (R + G + B)
    of at least `red`, where a change is one by 20 of 320 (R - G - B), whatever its luminance.

    Settings: raise `change`, `area` or `flashes` to report less, at the viewers' risk.

    Mistakes: material in HDR is read as SDR. Misses: striped patterns that are harmful without flashing; flashes
    faster than the pictures that are looked at; what a display makes brighter than the standard's.

    Source: ITU-R BT.1702-3 and Ofcom's guidance note on flashing images (2009); red as WCAG 2.3.1. Only a certified
    analyser (Harding FPA and the like) can clear a programme.

    >>> import numpy as np
    >>> flash, found = Flash(FlashSettings()), []
    >>> for number in range(50):
    ...     luma = np.full((90, 160), 180 if number // 3 % 2 else 40, np.uint8)
    ...     found += [finding for finding in flash.look(Picture(time=number / 25, duration=0.04, luma=luma))]
    >>> next((finding.start, finding.detail["flashes"]) for finding in found if finding.bad)
    (0.12, 3.5)
    """

    least_rate = 10.0

    def reset(self) -> None:
        change, darker, area = self.settings.change, self.settings.darker, self.settings.area
        self._kinds = (
            _Kind("luminance", _Swings(change, darker, area)),
            _Kind("red", _Swings(20.0, np.inf, area)),
        )
        self._red_seen = -np.inf

    def look(self, picture: Picture) -> Iterable[Finding]:
        light = luminance(picture)
        measured = (light, self._redness(picture, light.shape))
        worst = max(self._kinds, key=lambda kind: self._count(kind, picture, measured[self._kinds.index(kind)]))
        turns = len(worst.swings.turns)
        bad = turns > 2 * self.settings.flashes
        yield Finding(
            detector=self.name,
            start=worst.swings.turns[0] if bad else picture.time,
            end=picture.end,
            score=min(1.0, turns / (4 * self.settings.flashes + 2)),
            bad=bad,
            region=worst.where if bad else None,
            detail={"kind": worst.name, "flashes": turns / 2} if bad else {},
        )

    def _count(self, kind: _Kind, picture: Picture, cells: Cells | None) -> int:
        if cells is not None:
            marks = kind.swings.follow(cells, picture.time)
            if marks is not None:
                kind.where = _bounds(marks)
        return kind.swings.count(picture.time, picture.duration / 2)

    def _redness(self, picture: Picture, shape: tuple[int, ...]) -> Cells | None:
        """How red each cell is, 0 where the red is not saturated; None while there has been no red for a second."""
        if red_share(picture) > self.settings.area / 2:
            self._red_seen = picture.time
        if picture.time - self._red_seen > SECOND or picture.small_chroma is None:
            return None
        size = (shape[1], shape[0])
        blue, red = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in picture.small_chroma)
        return redness(block_means(picture), blue, red, picture, self.settings.red)


def luminance(picture: Picture) -> Cells:
    """Luminance of each cell on the standard's display, in cd/m2."""
    levels = picture.levels
    signal = np.clip((block_means(picture) - levels.black) / levels.span, 0, 1)
    return np.asarray(PEAK * signal**GAMMA, dtype=np.float32)


def red_share(picture: Picture) -> float:
    """Share of the picture, by samples of its Cr, that may be a saturated red: hardly any picture is, and a sample is
    cheap. 0 for grey."""
    if picture.chroma is None:
        return 0.0
    red = picture.chroma[1]
    step = max(1, red.shape[0] // SAMPLED_ROWS)
    return float(np.mean(red[step // 2 :: step, step // 2 :: step] > RED_CODE << (picture.depth - 8)))


def redness(luma: Cells, blue: NDArray[Any], red: NDArray[Any], picture: Picture, saturated: float) -> Cells:
    """320 (R - G - B) of linear light (BT.709), at least 0; 0 where R / (R + G + B) is below `saturated`."""
    levels = picture.levels
    swing = 255 / 224 if levels.black else 1.0
    y = (luma - levels.black) / levels.span
    cb, cr = (swing * (plane.astype(np.float32) - 128) / 255 for plane in (blue, red))
    rgb = np.stack([y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb])
    linear = np.clip(rgb, 0, 1) ** GAMMA
    pure = linear[0] >= saturated * np.maximum(linear.sum(axis=0), 1e-6)
    return np.asarray(np.where(pure, np.maximum(RED_SCALE * (2 * linear[0] - linear.sum(axis=0)), 0), 0), np.float32)


def _bounds(marks: Marks) -> Region:
    """The rectangle around the marked cells, in fractions of the picture."""
    rows, columns = np.flatnonzero(marks.any(axis=1)), np.flatnonzero(marks.any(axis=0))
    height, width = marks.shape
    x, y = columns[0] / width, rows[0] / height
    right, bottom = (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return round(float(x), 3), round(float(y), 3), round(float(right - x), 3), round(float(bottom - y), 3)
