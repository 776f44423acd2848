"""Colour bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Picture, Plane

Columns: TypeAlias = NDArray[np.float64]

LOOK = 0.2
"""Seconds from look to look."""

COLUMNS, BANDS = 120, 24
"""Columns and bands of rows that the picture is reduced to."""

UPPER = 14
"""Bands, from the second on, in which every kind of colour bars has its bars."""

SPARE = 0.04
"""Share of these rows that may be left out so that all bands are of the same height."""

ENOUGH = 3
"""Bands in which the bars must be found: a caption or a clock may hide the others."""

ORDER = ("yellow", "cyan", "green", "magenta", "red", "blue")
"""The bars that all kinds share, from left to right, by falling luminance."""

RGB = ((1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1))

SATURATIONS = 0.55, 1.2
"""Saturation of colour bars, as a share of 100 % bars: 75 % ones and both with some error."""

LUMA_MISS = 0.15
"""Share of range by which a bar's luma may miss the standard."""

NARROWEST, SEAM = 3, 4
"""Columns of the narrowest bar, and of the widest seam between two bars."""

FULL_LEVEL = 0.87
"""Saturation from which on bars are 100 % ones."""


class ColourBarsSettings(Settings):
    hue: float = Field(12.0, gt=0, le=30, description="Degrees by which a bar's hue may miss its standard.")
    saturation: float = Field(0.15, gt=0, le=0.5, description="Share by which the bars may differ in saturation.")
    width: float = Field(0.3, gt=0, le=1, description="Share by which the bars may differ in width.")
    flat: float = Field(6.0, gt=0, le=40, description="Code values by which the columns of a bar may differ.")


@dataclass(frozen=True, slots=True)
class Bars:
    """Colour bars as they were found: edges of the six coloured ones in columns, saturation (1: 100 % bars)."""

    left: int
    right: int
    saturation: float

    @property
    def kind(self) -> str:
        """smpte: seven bars to the right edge; ebu: eight over the whole width; hd: seven between pillars."""
        width = (self.right - self.left) / len(ORDER)
        if COLUMNS - self.right < width / 2:
            return "smpte"
        return "ebu" if abs(self.left - width) < width / 2 else "hd"


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring columns with the hue of one bar: its number in ORDER, first column, and the one after the last."""

    bar: int
    left: int
    right: int


@register(
    "test_pattern",
    reads="video",
    cost="cheap",
    live=Rule(set_time=5.0, clear_time=2.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class ColourBars(Detector[ColourBarsSettings]):
    """Sees: colour bars: SMPTE EG 1 and RP 219 (HD), EBU 75 % and 100 %, over the whole picture or between pillars.

    Formula: five times a second, fourteen bands of rows of the upper 60 % of the picture, in 120 columns. In three
    bands or more (a caption or a clock may hide the others) six runs of columns must follow each other from left to
    right: yellow, cyan, green, magenta, red, blue, each within `hue` degrees of its standard's chroma (BT.601 or
    BT.709), flat within `flat` code values, equal in width within `width` and in saturation, relative to 100 % bars,
    within `saturation`, with falling luma. `level` of the detail is 75 or 100.

    Settings: raise any of them to find bars that came through bad analogue paths.

    Mistakes: a picture of colour bars that fills the screen, such as a monitor shot straight from the front. Misses:
    other line-up patterns (grey scales, multibursts, test cards, snow), bars in black and white, a caption over all
    of the upper part.

    Source: SMPTE EG 1, SMPTE RP 219-1 and ITU-R BT.471 (EBU bars); colours of the bars by BT.601 and BT.709.

    >>> from vqa_agent.simulate import motion
    >>> image = motion.bars("smpte", (320, 240))
    >>> planes = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    >>> luma, red, blue = (np.ascontiguousarray(planes[..., number]) for number in range(3))
    >>> from vqa_agent.media import FULL
    >>> picture = Picture(time=0.0, duration=0.04, luma=luma, chroma=(blue, red), levels=FULL)
    >>> [(finding.bad, finding.detail) for finding in ColourBars(ColourBarsSettings()).look(picture)]
    [(True, {'kind': 'smpte', 'level': 75})]
    """

    def reset(self) -> None:
        self._due = float("-inf")

    def look(self, picture: Picture) -> Iterable[Finding]:
        if self._due - 10 < picture.time < self._due:
            return
        self._due = picture.time + LOOK
        found = self._find(picture)
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=max(picture.end, self._due),
            score=1.0 if found else 0.0,
            bad=found is not None,
            certain=found is not None,
            region=(0.0, 0.0, 1.0, 1.0) if found else None,
            detail={"kind": found.kind, "level": 100 if found.saturation >= FULL_LEVEL else 75} if found else {},
        )

    def _find(self, picture: Picture) -> Bars | None:
        bands = upper_bands(picture)
        if bands is None:
            return None
        for standard in STANDARDS:
            names = self._names(bands.reshape(-1, 3), standard).reshape(bands.shape[:2])
            rows = [band for band, row in enumerate(names) if len(set(row.tolist()) - {-1}) == len(ORDER)]
            found = [bars for band in rows if (bars := self._bars(bands[band], names[band], standard))]
            if len(found) >= ENOUGH:
                return found[0]
        return None

    def _bars(self, columns: Columns, names: NDArray[np.int64], standard: Columns) -> Bars | None:
        """The colour bars in one band of rows."""
        runs = _runs(names)
        for first in range(len(runs) - len(ORDER) + 1):
            six = runs[first : first + len(ORDER)]
            if [run.bar for run in six] == list(range(len(ORDER))):
                saturation = self._saturation(six, columns, standard)
                if saturation is not None:
                    return Bars(six[0].left, six[-1].right, saturation)
        return None

    def _names(self, columns: Columns, standard: Columns) -> NDArray[np.int64]:
        """Number in ORDER of the bar whose hue each column has; -1 for none."""
        chroma, nominal = columns[:, 1:], standard[:, 1:]
        strength = np.hypot(chroma[:, 0], chroma[:, 1])[:, None] / np.hypot(nominal[:, 0], nominal[:, 1])
        cosine = chroma @ nominal.T / np.maximum(np.outer(_norm(chroma), _norm(nominal)), 1e-6)
        fits = (cosine >= np.cos(np.radians(self.settings.hue))) & (strength >= SATURATIONS[0])
        fits &= strength <= SATURATIONS[1]
        return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)

    def _saturation(self, six: Sequence[_Run], columns: Columns, standard: Columns) -> float | None:
        """Saturation of six bars that follow each other in order; None where they are no colour bars after all."""
        spacing = np.diff([(run.left + run.right) / 2 for run in six])
        if np.ptp(spacing) > self.settings.width * spacing.mean():
            return None
        insides = [columns[run.left + 1 : run.right - 1] for run in six]
        if max(float(np.ptp(inside, axis=0).max()) for inside in insides) > 2 * self.settings.flat / 255:
            return None
        means = np.array([inside.mean(axis=0) for inside in insides])
        saturations = _norm(means[:, 1:]) / _norm(standard[:, 1:])
        level = float(saturations.mean())
        if np.ptp(saturations) > 2 * self.settings.saturation * level or np.any(np.diff(means[:, 0]) >= 0):
            return None
        return level if np.abs(means[:, 0] - level * standard[:, 0]).max() <= LUMA_MISS else None


def _standard(red_share: float, blue_share: float) -> Columns:
    """(6, 3) luma, Cb and Cr of the bars at 100 %, by a standard's shares of red and blue in luma."""
    red, green, blue = np.array(RGB, np.float64).T
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    return np.stack([luma, (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)], axis=1)


STANDARDS = _standard(0.299, 0.114), _standard(0.2126, 0.0722)
"""The bars by BT.601 and by BT.709."""


def upper_bands(picture: Picture) -> Columns | None:
    """(bands, 120, 3) luma (0..1), Cb and Cr (-0.5..0.5) of the upper part; None for grey pictures."""
    if picture.small_chroma is None:
        return None
    planes = [_reduced(plane) for plane in (picture.small, *picture.small_chroma)]
    bands = np.stack(planes, axis=2).astype(np.float64)
    levels = picture.levels
    bands[..., 0] = (bands[..., 0] - levels.black) / levels.span
    bands[..., 1:] = (bands[..., 1:] - 128) / (224 if levels.black else 255)
    return bands


def _reduced(plane: Plane) -> Plane:
    """(UPPER, 120) means over the upper bands of a plane."""
    rows = len(plane)
    upper = plane[rows // BANDS : rows * (1 + UPPER) // BANDS]
    if len(upper) % UPPER < len(upper) * SPARE:
        # OpenCV is three times faster where every band has the same rows.
        upper = upper[: len(upper) // UPPER * UPPER]
    return np.asarray(cv2.resize(upper, (COLUMNS, UPPER), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _runs(bars: NDArray[np.int64]) -> list[_Run]:
    """Runs of columns of one bar. Seams between bars are left out; anything wider ends what came before it."""
    runs, place = [], 0
    for bar, group in groupby(bars.tolist()):
        length = len(list(group))
        if (bar >= 0 and length >= NARROWEST) or length > SEAM:
            runs.append(_Run(bar, place, place + length))
        place += length
    return runs


def _norm(chroma: Columns) -> Columns:
    return np.asarray(np.hypot(chroma[:, 0], chroma[:, 1]))
