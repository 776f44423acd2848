"""Smooth gradients that are broken into steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.history import Pace
from vqa_agent.measures import STRIPS, WIDE, strips, to_8_bit
from vqa_agent.media import Picture, Plane

Colours: TypeAlias = NDArray[np.float32]
Table: TypeAlias = NDArray[np.intp]
"""(steps, 256) numbers of contours."""

PLATEAU, TREMOR = 9, 2
"""Pixels in a row that stay within so many codes make a plateau."""

REACH = 8
"""Pixels from a contour to the middle of the plateaus on either side: coders smear a step over several."""

NEAR, ABRUPT = 4, 0.75
"""Pixels on either side of a contour within which this part of its step must lie: a slope has half of it there."""

WIDEST = 40
"""Steps beyond this many codes are edges of things."""

NARROWEST = 6
"""Smaller steps are what eight-bit gradients and ordinary coding consist of."""

BESIDE = 3
"""Codes between steps, and between levels, that are told from each other; coding blurs them by one."""

ISOLATION = 3.0
"""Times as many contours as steps beside it have, that make a step stand out."""

MULTIPLES = 3
"""Plateaus too narrow to be seen leave steps of two and three times the one."""

LEAST_SHARE = 0.05
"""Share of the contours of one step that a level must have to count."""

INTERVAL, LOOKS = 0.4, 3
"""Seconds from look to look, and looks, a little more than a second, that are taken together."""

STEPS, BESIDE_STEPS = (32.0, 16.0, 8.0), (0.75, 1.0, 1.25)
"""Steps of red, green and blue with 3, 4 and 5 bits; and the multiples of a comb's frequency it is compared at."""

FREQUENCIES = np.outer(1 / np.array(STEPS), BESIDE_STEPS).reshape(-1, 1)
COMBS = np.exp(2j * np.pi * FREQUENCIES * np.arange(256))
"""(steps x multiples, 256) waves that combs of those steps are in phase with."""

CLEARER = 0.12
"""How much more a comb's step must be there than those beside it, as a share of all."""

PLAIN = 0.02
"""Share of the flat pixels beyond which more of the same level do not count."""

ENDS = 8
"""Codes next to black and white that are left out: clipping piles up there."""

LEAST_FLAT = 0.05
"""Share of the pixels that must be flat, or nothing can be said."""

MATRICES = ((0.299, 0.114), (0.2126, 0.0722))
"""Kr and Kb of BT.601 and BT.709: files do not always say which, so both are tried."""


class BandingSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    share: float = Field(0.6, gt=0.1, le=1, description="Share of the contours that must have the one step.")
    levels: int = Field(3, ge=2, le=32, description="Number of different levels at which there must be such contours.")
    comb: float = Field(7.0, gt=1, le=100, description="Strength of the comb in the levels of two primary colours.")
    density: float = Field(0.12, gt=0, le=50, description="Least number of such contours in 1000 pixels of the rows.")


@register(
    "banding",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Banding(Detector[BandingSettings]):
    """Sees: false contours: gradients broken into plateaus, as too few bits or a wrong conversion leave them.

    Formula: in 12 strips of 8 rows at full resolution, every 0.4 s, a contour is a place with plateaus (9
    pixels within two codes) 8 pixels to its left and right, up to 40 codes apart, most of it within 8 pixels. In
    natural pictures contours have all heights; quantisation leaves one step and its multiples. Banded when in the last
    second there are `density` or more contours of one step (six codes or more, give or take one) in 1000 pixels,
    three times as many as have three codes less or more, at `levels` or more levels of luma, and `share` of all
    contours of six codes or more have that step, twice or three times it. Where red, green and blue were quantised
    each for itself, their steps do not coincide in luma: in flat pixels their levels must then form a comb of 3, 4 or
    5 bits, and more of one than of those with 4/3 and 4/5 of its step. Its strength is the squared amount of the mean
    of exp(2 pi i level / step), times the number of levels in use, which is 1 where levels are what they are by
    chance; the second strongest of the three colours must reach `comb`. No level counts more than 2 %, so that a plain
    ground does not stand for all. Absolute in both profiles: what quantisation leaves needs no history to be told.

    Settings: lower `share`, `levels` or `comb` to see banding in fewer gradients; raise `density` to leave small ones
    alone.

    Mistakes: a grey scale with many even steps, as test charts have, shown for long. Misses: bands of a few codes, as
    coders leave them in dark gradients; bands under grain or in small parts of the picture; five bits behind a coder.

    Source: false contours as equal steps between plateaus (Baugh, Kokaram and Pitie 2014; Tu et al. 2020, BBAND), told
    from drawings by the number of levels at which the same step is found; combs in histograms as forensic tests find
    requantisation. Natural pictures have combs of 4 at most, drawings with few colours of 5.

    >>> import numpy as np
    >>> y, x = np.mgrid[0:180, 0:320]
    >>> smooth = 40 + 0.3 * x + 0.2 * y
    >>> tables = [contours(luma.astype(np.uint8)) for luma in (smooth, smooth // 16 * 16)]
    >>> [(bands.step, bands.levels) for bands in map(strongest, tables)]
    [(0, 0), (16, 6)]
    """

    def reset(self) -> None:
        self._pace = Pace(INTERVAL)
        self._recent: deque[tuple[Table, int]] = deque(maxlen=LOOKS)
        self._combs: deque[float] = deque(maxlen=LOOKS)

    def look(self, picture: Picture) -> Iterable[Finding]:
        if not self._pace.due(picture.time):
            return
        settings, rows = self.settings, strips(picture)
        self._recent.append((contours(rows), rows.size))
        table = np.sum([table for table, _ in self._recent], axis=0)
        bands = strongest(table)
        density = 1000 * bands.count / sum(size for _, size in self._recent)
        even = density >= settings.density and bands.levels >= settings.levels and bands.share >= settings.share
        self._combs.append(comb(picture))
        combed = mean(self._combs)
        bad = even or combed >= settings.comb
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=min(1.0, 0.5 + max(bands.step, combed) / 64) if bad else 0.0,
            bad=bad,
            detail={"step": bands.step, "levels": bands.levels, "comb": round(combed, 1)} if bad else {},
        )


@dataclass(frozen=True, slots=True)
class Bands:
    """The contours of one step in codes: their number, their share of all, and the number of levels they are at."""

    step: int = 0
    count: int = 0
    share: float = 0.0
    levels: int = 0


def contours(rows: Plane) -> Table:
    """Number of contours in `rows` (8 bit, full resolution) by their step and by the lower plateau's level."""
    window = np.ones((1, PLATEAU), np.uint8)
    flat = cv2.subtract(cv2.dilate(rows, window), cv2.erode(rows, window)) <= TREMOR
    left, right = rows[:, : -2 * REACH], rows[:, 2 * REACH :]
    step = cv2.absdiff(left, right)
    within = cv2.absdiff(rows[:, REACH - NEAR : -REACH - NEAR], rows[:, REACH + NEAR : rows.shape[1] - REACH + NEAR])
    here = flat[:, : -2 * REACH] & flat[:, 2 * REACH :] & (step <= WIDEST) & (within >= ABRUPT * step)
    here &= step >= TREMOR + 1
    here[:, 1:] &= ~here[:, :-1]
    place = step[here].astype(np.intp) * 256 + np.minimum(left[here], right[here])
    return np.bincount(place, minlength=(WIDEST + BESIDE + 2) * 256).reshape(-1, 256)


def strongest(table: Table) -> Bands:
    """The contours of the most frequent step among those that stand out."""
    near = np.convolve(table.sum(axis=1), np.ones(3), "same")
    sizes = np.arange(NARROWEST, WIDEST + 1)
    beside = np.maximum(1, np.maximum(near[sizes - BESIDE], near[sizes + BESIDE]))
    alone = np.where(near[sizes] >= ISOLATION * beside, near[sizes], 0)
    if not alone.any():
        return Bands()
    step = int(sizes[np.argmax(alone + table.sum(axis=1)[sizes] * (alone > 0))])
    kin = sum(float(near[many * step]) for many in range(1, MULTIPLES + 1) if many * step <= WIDEST)
    levels = _levels(table[step - 1 : step + 2].sum(axis=0))
    return Bands(step, int(near[step]), kin / float(table[NARROWEST - 1 :].sum()), levels)


def _levels(counts: Table) -> int:
    """At how many different levels, `BESIDE` codes apart or more, there is a fair share of the contours."""
    smooth = np.convolve(counts, np.ones(3), "same")
    least = max(1.0, LEAST_SHARE * counts.sum())
    found = 0
    while smooth.max() >= least:
        place = int(np.argmax(smooth))
        smooth[max(0, place - BESIDE) : place + BESIDE + 1] = 0
        found += 1
    return found


def comb(picture: Picture) -> float:
    """Strength of the comb in the levels of two of red, green and blue; 0 for grey pictures and without flat pixels."""
    samples = _flat_colours(picture)
    if samples is None:
        return 0.0
    luma, blue, red = samples
    return max(_combs_of(luma, blue, red, kr, kb) for kr, kb in MATRICES)


def _combs_of(luma: Colours, blue: Colours, red: Colours, kr: float, kb: float) -> float:
    strengths = []
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    for colour in (r, (luma - kr * r - kb * b) / (1 - kr - kb), b):
        codes = np.rint(colour).astype(np.intp)
        counts = np.bincount(codes[(codes >= ENDS) & (codes < 256 - ENDS)], minlength=256)
        shares = np.minimum(counts, PLAIN * counts.sum())
        shares = shares / max(1.0, float(shares.sum()))
        waves = np.abs(COMBS @ shares).reshape(len(STEPS), -1)
        clear = waves[:, 1] - np.maximum(waves[:, 0], waves[:, 2]) >= CLEARER
        levels = 1 / max(1e-9, float(shares @ shares))
        strengths.append(float((clear * waves[:, 1] ** 2).max()) * levels)
    return sorted(strengths)[1]


def _flat_colours(picture: Picture) -> tuple[Colours, Colours, Colours] | None:
    """Luma, Cb and Cr, on the scale of 8-bit RGB, of flat pixels in strips of a few rows of chroma."""
    if picture.chroma is None or min(picture.chroma[0].shape) < 4 * STRIPS:
        return None
    height, width = picture.chroma[0].shape
    down, across = picture.height // height, picture.width // width
    count = 4 if picture.width <= WIDE else 2
    tops = (height - count) * (2 * np.arange(STRIPS) + 1) // (2 * STRIPS)
    rows = (tops[:, None] + np.arange(count)).ravel()
    corners = [
        to_8_bit(picture.luma[rows * down + below][:, beside : width * across : across], picture.depth)
        for below in range(min(2, down))
        for beside in range(min(2, across))
    ]
    luma = np.stack(corners)
    blue, red = (to_8_bit(plane[rows], picture.depth) for plane in picture.chroma)
    steps = [cv2.absdiff(plane[:, 1:], plane[:, :-1]) for plane in (blue, red)]
    flat = (luma.max(axis=0) - luma.min(axis=0) <= TREMOR + 1)[:, :-1] & (steps[0] + steps[1] <= TREMOR)
    if np.count_nonzero(flat) < LEAST_FLAT * flat.size:
        return None
    swing = 255 / 224 if picture.levels.black else 1.0
    grey = (luma.mean(axis=0, dtype=np.float32)[:, :-1][flat] - picture.levels.black) * (255 / picture.levels.span)
    colours = [(plane[:, :-1][flat].astype(np.float32) - 128) * swing for plane in (blue, red)]
    return grey, colours[0], colours[1]
