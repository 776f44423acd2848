"""Rows of two fields, woven into one picture where a progressive one is expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.expect import Expect
from vqa_agent.media import Picture, Plane

STRIPS, STRIP = 6, 32
"""Strips of so many neighbouring columns that are looked at, evenly over the width. They begin at multiples of their
width: reading a line of the processor's cache is what costs."""

WINDOW, COLUMNS = 8, 2
"""Rows of a window, four of each field, and columns: noise averages out, a comb is as wide as the movement."""

INSIDE = 0.5
"""Share of the comb that rows of one field may differ from each other: more is fine detail, not a comb."""

FRESH = 0.25
"""Share of the comb that must be new since the look before: stripes stay, combs come and go with the movement."""

CHANGE = 6.0
"""Code values by which a field changes in a window that moves."""

FEWEST, FEWEST_COMBED = 24, 6
"""Moving windows that are needed before anything is said, and combed ones before it is called a comb."""

EVERY = 3
"""One in so many pictures is looked at."""

PAUSE = 2.0
"""Seconds without movement for which nothing is said, rather than that there is no comb."""

SHAM = 3.0
"""Times as many windows that must be combed by fields as by pairs of rows, in which only noise and texture comb."""

FLAG_MEMORY = 5.0
"""Seconds for which a stream counts as interlaced after a picture was flagged so."""

Rows: TypeAlias = NDArray[np.uint8]


class CombingSettings(Settings):
    comb: float = Field(5.0, gt=0, le=100, description="Least difference between the fields, in code values.")
    share: float = Field(0.004, gt=0, le=1, description="Share of the moving windows that are combed.")
    expect: Expect = Field(Expect(), description="What the stream should carry (from the stream's own section).")


@dataclass(frozen=True)
class Fields:
    """The even and the odd rows of the strips, each (rows of whole windows / 2, strips x columns), 8 bit."""

    even: Rows
    odd: Rows

    @cached_property
    def means(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean luma of both fields in each window, in code values."""
        return window_means(self.even), window_means(self.odd)

    def paired(self) -> Fields:
        """Rows 0, 1, 4, 5 ... and 2, 3, 6, 7 ... as if they were fields: no movement combs these."""
        rows = (_taking_turns(self.even[start::2], self.odd[start::2]) for start in (0, 1))
        return Fields(*rows)


@register(
    "combing",
    reads="video",
    cost="moderate",
    live=Rule(set_time=10.0, clear_time=10.0, share=0.2),
    file=Rule(set_time=2.0, clear_time=1.0, share=0.2),
)
class Combing(Detector[CombingSettings]):
    """Sees: the comb of interlaced pictures that are shown as progressive ones.

    Formula: 6 strips of 32 columns at full height, every third picture, in windows of 8 rows by 2 columns. A window
    moves when the mean of one of its fields changes by 6 code values from look to look. It is combed when the means of
    its even and its odd rows differ by `comb` or more, while neighbouring rows of one field differ by no more than half
    of that, and when it was not combed alike at the look before. A picture is combed when this holds for `share` of its
    moving windows (6 at least; clean pictures stay below 0.002), and for three times as many as where rows are compared
    by twos, as a sham: noise and fine detail comb both ways, interlacing does not. Two pictures in five are enough, as
    in film that was brought to 30 pictures and is shown as it is. Pictures without movement say nothing. A stream that
    flags its pictures as interlaced is right to have combs, unless `expect` says scan = "progressive"; with scan =
    "interlaced" nothing is ever reported.

    Settings: raise `comb` for noisy sources; raise `share` to overlook combs in small insets and archive material.

    Mistakes: fine horizontal stripes that flicker or scroll. Misses: combs that were scaled in height, combs of chroma
    only, interlacing in pictures that hardly move.

    Source: areas of Baylon's comb measure and of inverse telecine (differences across against within fields), as in
    ffmpeg idet; "share of pictures classed interlaced against expected" as QC tools report it.

    >>> from vqa_agent.simulate import motion, scenes
    >>> combing, before, bad = Combing(CombingSettings()), None, []
    >>> for number, image in enumerate(motion.weave(scenes.action(2.0, (320, 180)), 0.0, 1.0)):
    ...     luma = image[..., 1]
    ...     before = Picture(time=number / 25, duration=0.04, luma=luma, previous=before, index=number)
    ...     bad += [finding.start < 1.0 for finding in combing.look(before) if finding.bad]
    >>> len(bad), all(bad)
    (8, True)
    """

    def reset(self) -> None:
        self._before: Fields | None = None
        self._looks = 0
        self._flagged: float | None = None
        self._moved = 0.0

    def look(self, picture: Picture) -> Iterable[Finding]:
        if picture.interlaced:
            self._flagged = picture.time
        self._looks += 1
        if self._looks % EVERY and self._before is not None:
            return
        if self._is_expected(picture.time) or picture.height < 2 * WINDOW or picture.width < STRIPS * STRIP:
            yield self._finding(picture, 0.0)
            return
        now, before = fields(picture), self._before
        self._before = now
        if before is None or before.even.shape != now.even.shape:
            return
        share = self._share(now, before)
        if share is not None:
            self._moved = picture.time
        elif picture.time - self._moved <= PAUSE:
            return
        yield self._finding(picture, share or 0.0)

    def _is_expected(self, time: float) -> bool:
        scan = self.settings.expect.scan
        flagged = self._flagged is not None and time - self._flagged <= FLAG_MEMORY
        return scan == "interlaced" or (flagged and scan != "progressive")

    def _share(self, now: Fields, before: Fields) -> float | None:
        """Share of the moving windows that are combed; None where too few move."""
        count, found = self._combed(now, before, self.settings.share)
        if count < FEWEST:
            return None
        share = found / count if found >= FEWEST_COMBED else 0.0
        if share >= self.settings.share and found < SHAM * self._combed(now.paired(), before.paired(), 0.0)[1]:
            return 0.0
        return share

    def _combed(self, now: Fields, before: Fields, least: float) -> tuple[int, int]:
        """How many windows move, and how many of these are combed; 0 where that is less than a share of `least`."""
        (even, odd), (even_before, odd_before) = now.means, before.means
        moving = (np.abs(even - even_before) >= CHANGE) | (np.abs(odd - odd_before) >= CHANGE)
        count = int(np.count_nonzero(moving))
        if count < FEWEST:
            return count, 0
        shift = even - odd
        comb = np.abs(shift)
        fresh = np.abs(shift - (even_before - odd_before)) >= INSIDE * comb
        combed = moving & fresh & (comb >= self.settings.comb)
        if np.count_nonzero(combed) < max(1.0, least * count):
            return count, 0
        combed &= np.maximum(_steps(now.even), _steps(now.odd)) <= INSIDE * comb
        return count, int(np.count_nonzero(combed))

    def _finding(self, picture: Picture, share: float) -> Finding:
        bad = share >= self.settings.share
        return Finding(
            detector=self.name,
            start=picture.time,
            end=picture.time + EVERY * picture.duration,
            score=min(1.0, 0.5 + share) if bad else min(0.49, share / self.settings.share / 2),
            bad=bad,
            detail={"windows": round(share, 3)} if bad else {},
        )


def fields(picture: Picture) -> Fields:
    """The fields of the picture in its strips."""
    left = np.linspace(0, picture.width - STRIP, STRIPS + 2)[1:-1].astype(int) // STRIP * STRIP
    rows = picture.height // WINDOW * WINDOW
    strips = np.concatenate([picture.luma[:rows, start : start + STRIP] for start in left], axis=1)
    samples: Plane = (strips >> (picture.depth - 8)).astype(np.uint8) if picture.depth > 8 else strips.astype(np.uint8)
    return Fields(np.ascontiguousarray(samples[0::2]), np.ascontiguousarray(samples[1::2]))


def _taking_turns(one: Rows, other: Rows) -> Rows:
    """The rows of both, one of each in turn."""
    return np.stack([one, other], axis=1).reshape(-1, one.shape[1])


def window_means(rows: Rows) -> NDArray[np.float32]:
    """Mean of each window's rows of one field."""
    height, width = rows.shape
    means = cv2.resize(rows, (width // COLUMNS, height * 2 // WINDOW), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float32)


def _steps(rows: Rows) -> NDArray[np.float32]:
    """Mean difference of neighbouring rows of one field in each window."""
    steps = cv2.absdiff(rows[1:], rows[:-1])
    return window_means(np.concatenate([steps, steps[-1:]]))
