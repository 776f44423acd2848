"""Where one shot ends and another begins, from the reduced luma alone.

A cut moves most of the picture and changes what is in it, at once and for good. What is flat (black, white, a flash,
the middle of a fade) belongs to no shot: the next picture that shows something is compared with the last one that did,
so that a flash is no cut, and a dip to black between two scenes is one. A photographer's flash, which makes everything
brighter for a moment, is waited out. In a dissolve each picture is a mixture of what was shown before it and after it,
which no pan, zoom or movement is; so is a fade that leads through black or white. Dissolves between shots that look
alike, or that move much meanwhile, are missed.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Picture

CELLS = (24, 16)
"""Columns and rows of the tiny picture that is compared: so coarse that what moves within a shot hardly shows."""

CHANGE = 0.06
"""Least mean difference of two tiny pictures, as a share of nominal range, after their brightness was made equal."""

ALIKE = 0.6
"""Greatest correlation of the tiny pictures on either side of a cut."""

STANDS_OUT = 3.0
"""How many times larger a cut is than the changes shortly before it."""

MEMORY = 0.9
"""What is kept, from one picture to the next, of the usual change."""

FLAT = 0.02
"""Standard deviation of a tiny picture, as a share of nominal range, below which it shows nothing."""

CLEAR = 1.5 * FLAT
"""The same, from which a picture that comes out of a flat one shows enough to be compared."""

LIT, LIT_CELLS = 0.04, 0.97
"""Rise of the mean, as a share of nominal range, and share of cells that are no darker, of a photographer's flash."""

LIT_ALIKE = 0.4
"""Least correlation of such a flash, as far as it is not burnt out, with the picture before it."""

LONGEST_LIT = 0.2
"""Seconds for which such a flash is waited out."""

STEP = 0.12
"""Seconds between two of the pictures in which a dissolve is looked for."""

SPANS = (6, 11, 21)
"""Numbers of such pictures that may hold a whole dissolve: 0.6, 1.2 and 2.4 s."""

MIXED = 0.15, 0.85
"""Share of the coming shot in a picture that is a mixture of two; a dissolve has at least two of them."""

MIXED_ALIKE = 0.45
"""Greatest correlation of the shots on either side of a dissolve."""

REST = 0.2
"""Greatest part of the mixed pictures that no mixture explains, relative to what lies between the two shots."""

BACK = 0.1
"""By how much the coming shot's share may fall on the way."""

Tiny = NDArray[np.float32]


class ShotFinder:
    """Says of each picture whether a new shot begins with it."""

    def __init__(self) -> None:
        self._before: Tiny | None = None
        self._usual = 0.0
        self._was_flat = False
        self._lit_since: float | None = None
        self._dissolves = DissolveFinder()

    def watch(self, picture: Picture) -> bool:
        """Whether `picture` is the first of a new shot. Give it every picture, in order."""
        now = _tiny(picture)
        cut = not self._is_lit(now, picture.time) and self._is_cut(now)
        found = self._dissolves.watch(_centred(now), picture.time) or cut
        if found:
            self._dissolves = DissolveFinder()
        return found

    def _is_lit(self, now: Tiny, time: float) -> bool:
        """Whether a photographer's flash lights the picture: the shot goes on when it is over."""
        if self._before is None or self._was_flat or not _is_brighter(now, self._before):
            self._lit_since = None
        elif self._lit_since is None:
            self._lit_since = time
        return self._lit_since is not None and time - self._lit_since < LONGEST_LIT

    def _is_cut(self, now: Tiny) -> bool:
        """Whether the picture is another one than the last that showed something."""
        was_flat, contrast = self._was_flat, now.std()
        self._was_flat = contrast < (CLEAR if was_flat else FLAT)
        before = self._before
        if self._was_flat:
            return False
        self._before = now
        if before is None:
            return False
        one, other = _centred(now), _centred(before)
        change = float(np.abs(one - other).mean())
        usual, self._usual = self._usual, MEMORY * self._usual + (1 - MEMORY) * min(change, CHANGE)
        return (was_flat or change >= max(CHANGE, STANDS_OUT * usual)) and _alike(one, other) < ALIKE


class DissolveFinder:
    """Finds where the pictures of the last seconds turned, step by step, from one shot into another."""

    def __init__(self) -> None:
        self._seen: deque[Tiny] = deque(maxlen=max(SPANS))
        self._next = float("-inf")

    def watch(self, now: Tiny, time: float) -> bool:
        """Whether `now`, a tiny picture around its mean, is the end of a dissolve."""
        if time < self._next - 1e-6:
            return False
        self._next = time + STEP
        self._seen.append(now)
        return any(_is_dissolve(np.stack(list(self._seen)[-span:])) for span in SPANS if len(self._seen) >= span)


def _is_dissolve(run: Tiny) -> bool:
    """Whether the pictures of `run` (n, rows, columns), around their means, are mixtures of the first and the last.

    Each is split by least squares into a share of the first, a share of the last, and a rest.
    """
    first, last = run[0], run[-1]
    if (
        min(first.std(), last.std()) < CLEAR
        or np.abs(last - first).mean() < CHANGE
        or _alike(first, last) > MIXED_ALIKE
    ):
        return False
    ends = run[[0, -1]].reshape(2, -1)
    flat = run.reshape(len(run), -1)
    shares = np.linalg.solve(ends @ ends.T, ends @ flat.T)
    rest = np.sqrt(((flat - shares.T @ ends) ** 2).mean(axis=1)) / (last - first).std()
    coming = shares[1]
    mixed = (coming > MIXED[0]) & (coming < MIXED[1])
    falls = np.diff(shares[0]).max() <= BACK and np.diff(coming).min() >= -BACK
    return bool(mixed.sum() >= 2 and falls and rest[mixed].max() <= REST)


def _is_brighter(now: Tiny, before: Tiny) -> bool:
    """Whether `now` could be what is in `before`, lit more brightly everywhere."""
    rise = now - before
    brighter = rise.mean() >= LIT and (rise >= -FLAT).mean() >= LIT_CELLS
    return bool(brighter and _alike(_centred(now), _centred(before)) >= LIT_ALIKE)


def _tiny(picture: Picture) -> Tiny:
    """The picture in `CELLS`, as shares of nominal range."""
    small = cv2.resize(picture.small, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - picture.levels.black) / picture.levels.span, np.float32)


def _centred(tiny: Tiny) -> Tiny:
    """`tiny` around its own mean."""
    return np.asarray(tiny - tiny.mean(), np.float32)


def _alike(one: Tiny, other: Tiny) -> float:
    """Correlation of two tiny pictures around their means."""
    return float((one * other).mean() / max(float(one.std() * other.std()), 1e-9))
