"""Rows of two moments in one picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Picture, Plane

BACK = 3
"""Pictures back in which the rows of a torn picture are looked for."""

KEPT = BACK + 3
"""Pictures kept: one to come, the one that is judged, and those before it."""

BAND = 24
"""One in so many rows on either side of the line is looked at."""

EDGE = 3
"""Rows next to the line, on either side, that must already agree with their side."""

FLOOR = 0.3
"""Code values that are added to movement, so that next to none is not divided by nothing."""

EXTRA = 0.1
"""Added to what is left of the movement, for the same reason: noise is never nothing."""

AGAIN, AGAIN_ROWS = 10.0, 0.02
"""Seconds, and a share of the height, within which a line in the same place is the same line."""

AROUND = 8
"""Rows on either side of a line that say how much rows there differ from each other."""

NOISE = 0.5
"""Code values by which rows differ without any picture in them."""

SHARP = 1.25
"""Times the contrast from which on a line that moves about need not be an edge."""

TEXTURE = 0.5
"""Code values by which pixels of a row must differ from the next on both sides: blank rows repeat wherever they are."""

SCROLL, SCROLLED = 8, 0.25
"""Part of the height by which a page may have scrolled, and of the squared change of the rows' means that is then left:
lines of text that scroll repeat each other."""

GRAPHIC = 1.5
"""Times that a row differs more than those near it where a graphic or another picture begins."""

Rows: TypeAlias = NDArray[np.float32]


class TearingSettings(Settings):
    motion: float = Field(0.6, gt=0, le=20, description="Least movement on both sides of the line, in code values.")
    contrast: float = Field(3.2, ge=2, le=10, description="Times that one side must move more than the other.")
    edge: float = Field(1.1, ge=1, le=5, description="Times that a line which stays must stand out from its rows.")


@dataclass
class _Seen:
    """A picture: its reduced luma, and how each row differs from pictures before."""

    time: float
    end: float
    small: Plane
    changes: Rows
    """(up to 3, rows) mean change of each row to the last, the second-last and the third-last picture."""

    @cached_property
    def steps(self) -> Rows:
        """(rows - 1,) mean difference of each row to the next."""
        return _row_means(np.asarray(cv2.absdiff(self.small[1:], self.small[:-1]), dtype=np.uint8))


@register(
    "tearing",
    reads="video",
    cost="cheap",
    live=Rule(set_time=5.0, clear_time=10.0, count=3),
    file=Rule(set_time=5.0, clear_time=2.0, count=3),
)
class Tearing(Detector[TearingSettings]):
    """Sees: a picture whose rows below a line come from another moment than those above it.

    Formula: the change of every row of the reduced luma to each of the last three pictures. Where a picture is torn,
    the rows on one side of the line repeat an earlier picture although they moved just before and move again just
    after, and those on the other side do not: `contrast` is the ratio of their changes, each relative to the movement
    of the same rows around that time, in a band of 4 % of the height on either side and right beside the line. A line
    where both pictures have an edge is one of a graphic; beside blank rows, or in a page that scrolls, it says nothing.
    A line that is less sharp, or seen again in the same place, must be an edge whose rows differ `edge` times more than
    those around it, and than those of the other picture. One picture of latency.

    Settings: lower `motion` for slower movement; raise `contrast` or `edge` for fewer findings. `row` of the detail
    is where the line is, as a share of the height.

    Mistakes: two sources of different rates one above the other without any edge between them. Misses: a tear that is
    in every picture at or near the same row, since hardly a row is then repeated; tears in still or hardly moving rows.
    Pictures that the decoder marks as corrupt are left out: concealment repeats rows too.

    Source: repetition of rows as in the tearing measures of game capture (FCAT counts the rows of each rendered
    picture); break of the rows at the line as in interlace and shear detection.

    >>> from vqa_agent.simulate import motion, scenes
    >>> torn = motion.tear(scenes.pan(2.0, (320, 180)), 0.5, 2.0, share=0.3)
    >>> tearing, before, rows = Tearing(TearingSettings()), None, []
    >>> for number, image in enumerate(torn):
    ...     before = Picture(time=number / 25, duration=0.04, luma=image[..., 1], previous=before, index=number)
    ...     rows += [finding.detail["row"] for finding in tearing.look(before) if finding.bad]
    >>> len(rows) >= 5, all(0.1 < row < 0.9 for row in rows)
    (True, True)
    """

    least_rate = inf

    def reset(self) -> None:
        self._index: int | None = None
        self._seen: deque[_Seen] = deque(maxlen=KEPT)
        self._lines: deque[tuple[float, float]] = deque()
        self._edges: deque[tuple[float, float]] = deque()

    def look(self, picture: Picture) -> Iterable[Finding]:
        small = picture.small
        following = self._index is not None and picture.index == self._index + 1
        if not following or picture.corrupt or (self._seen and self._seen[-1].small.shape != small.shape):
            self._seen.clear()
        self._index = picture.index
        before = list(self._seen)[: -BACK - 1 : -1]
        self._seen.append(_Seen(picture.time, picture.end, small, _changes(small, [other.small for other in before])))
        if len(self._seen) == KEPT:
            yield self._judge()

    def _judge(self) -> Finding:
        """Whether the last picture but one is torn, or repeats rows of one that is."""
        torn, place, contrast = self._seen[-2], 0.0, 0.0
        for back, (strength, row) in enumerate(self._sharpest(), start=1):
            share = row / len(torn.small)
            if strength > contrast and strength >= self.settings.contrast and self._is_line(back, row, share, strength):
                contrast, place = strength, share
        bad = contrast > 0
        if bad:
            self._lines.append((torn.time, place))
        return Finding(
            detector=self.name,
            start=torn.time,
            end=torn.end,
            score=min(1.0, contrast / 10 + 0.3) if bad else 0.0,
            bad=bad,
            region=(0.0, round(max(0.0, place - 0.02), 3), 1.0, 0.04) if bad else None,
            detail={"row": round(place, 3)} if bad else {},
        )

    def _sharpest(self) -> list[tuple[float, int]]:
        """For one, two and three pictures back: the sharpest line between rows that repeat that one and others."""
        seen = list(self._seen)
        judged = len(seen) - 2
        changed, after = seen[judged].changes, seen[judged + 1].changes[0]
        rows = changed.shape[1]
        band = max(EDGE + 1, rows // BAND)
        lines = np.arange(band + 1, rows - band - 1)
        if not len(lines) or float(after.max()) < self.settings.motion or not self._repeats(changed, after):
            return []
        near = [[judged + 1, judged - 1], *([judged + 1, *range(judged - back, judged + 1)] for back in (2, BACK))]
        moved: Rows = np.stack([np.minimum.reduce([seen[number].changes[0] for number in them]) for them in near])
        if not self._repeats(changed, moved):
            return []
        wide, close = (_sides(changed, moved, lines, length) for length in (band, EDGE))
        lively = np.minimum(wide[2], wide[3]) >= self.settings.motion
        upper = np.maximum(wide[0], close[0]), np.minimum(np.minimum(wide[0], close[0]), 1.0)
        lower = np.maximum(wide[1], close[1]), np.minimum(np.minimum(wide[1], close[1]), 1.0)
        contrast = np.maximum(upper[1] / (lower[0] + EXTRA), lower[1] / (upper[0] + EXTRA)) * lively
        best = contrast.argmax(axis=1)
        return [(float(contrast[back, place]), int(lines[place])) for back, place in enumerate(best)]

    def _repeats(self, changed: Rows, moved: Rows) -> bool:
        """Whether any row repeats an earlier picture. Where none does, no side of any line can, as in most pictures."""
        return bool(np.any(changed <= (1 / self.settings.contrast - EXTRA) * (moved + FLOOR)))

    def _is_line(self, back: int, row: int, share: float, strength: float) -> bool:
        """Whether a sharp line moves about, as no edge of a graphic does, or else breaks one picture only."""
        torn = self._seen[-2]
        for memory in (self._lines, self._edges):
            while memory and memory[0][0] < torn.time - AGAIN:
                memory.popleft()
        if not _is_textured(torn.small, row) or _has_scrolled(self._seen[-3].small, torn.small):
            return False
        one, other = torn.steps, self._seen[-2 - back].steps
        lines = range(max(AROUND + 1, row - EDGE), min(len(one) - AROUND - 1, row + EDGE - 1))
        if any(min(_edge(one, line), _edge(other, line)) >= GRAPHIC for line in lines):
            self._edges.append((torn.time, share))
        if _near(self._edges, share):
            return False
        sharp = strength >= SHARP * self.settings.contrast
        return (sharp and not _near(self._lines, share)) or any(self._breaks(one, other, line) for line in lines)

    def _breaks(self, one: Rows, other: Rows, line: int) -> bool:
        """Whether one of two pictures, more than the other, has an edge across its whole width at `line`."""
        sharper, softer = (one, other) if one[line] >= other[line] else (other, one)
        least = self.settings.edge
        return _edge(sharper, line) >= least and bool(sharper[line] >= least * (softer[line] + NOISE))


def _edge(steps: Rows, line: int) -> float:
    """How many times more than rows near it the row at `line` differs from the next."""
    around = np.concatenate([steps[line - AROUND : line - 1], steps[line + 2 : line + AROUND + 1]])
    return float(steps[line] / (np.median(around) + NOISE))


def _is_textured(small: Plane, row: int) -> bool:
    """Whether there is something to be seen on both sides of the line at `row`."""
    band = max(EDGE + 1, len(small) // BAND)
    sides = small[max(0, row - band) : row - 1], small[row + 1 : row + 1 + band]
    return all(float(cv2.norm(side[:, 1:], side[:, :-1], cv2.NORM_L1)) >= TEXTURE * side.size for side in sides)


def _has_scrolled(before: Plane, now: Plane) -> bool:
    """Whether one picture is the other, moved up or down as a whole."""
    means = [np.asarray(cv2.reduce(small, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)) for small in (before, now)]
    reach = len(now) // SCROLL
    left = cv2.matchTemplate(means[0], means[1][reach : len(now) - reach], cv2.TM_SQDIFF).ravel()
    return float(left.min()) < SCROLLED * float(left[reach])


def _near(lines: deque[tuple[float, float]], share: float) -> bool:
    return any(abs(share - other) <= AGAIN_ROWS for _, other in lines)


def _changes(small: Plane, before: list[Plane]) -> Rows:
    """(len(before), rows) mean absolute difference of each row to the same row of each picture `before`."""
    if not before:
        return np.empty((0, len(small)), np.float32)
    apart = np.empty((len(before), *small.shape), np.uint8)
    for other, difference in zip(before, apart, strict=True):
        cv2.absdiff(small, other, dst=difference)
    return _row_means(apart.reshape(-1, small.shape[1])).reshape(len(before), -1)


def _row_means(plane: Plane) -> Rows:
    """(rows,) mean of each row, in code values."""
    return np.asarray(cv2.reduce(plane, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float32).ravel()


def _sides(changed: Rows, moved: Rows, lines: NDArray[np.int64], length: int) -> tuple[Rows, Rows, Rows, Rows]:
    """Change relative to movement above and below each line, and the movement itself, over `length` rows; of each back.

    The row at the line itself is left out: reduction mixes both moments there.
    """
    first, last = lines[0], lines[-1] + 1
    sums = [np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1) for rows in (changed, moved)]
    means = [((total[:, length:] - total[:, :-length]) / length).astype(np.float32) for total in sums]
    above = [mean[:, first - 1 - length : last - 1 - length] for mean in means]
    below = [mean[:, first + 1 : last + 1] for mean in means]
    return above[0] / (above[1] + FLOOR), below[0] / (below[1] + FLOOR), above[1], below[1]
