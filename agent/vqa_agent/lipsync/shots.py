"""Where one shot ends and another begins, from the reduced luma alone.

A cut moves most of the picture and changes what is in it, at once and for good. What is flat (black, white, a flash,
the middle of a fade) belongs to no shot: the next picture that shows something is compared with the last one that did,
so that a flash is no cut, and a dip to black between two scenes is one.
"""

from __future__ import annotations

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

Tiny = NDArray[np.float32]


class ShotFinder:
    """Says of each picture whether a new shot begins with it."""

    def __init__(self) -> None:
        self._before: Tiny | None = None
        self._usual = 0.0

    def watch(self, picture: Picture) -> bool:
        """Whether `picture` is the first of a new shot. Give it every picture, in order."""
        now = _tiny(picture)
        if now.std() < FLAT:
            return False
        before, self._before = self._before, now
        if before is None:
            return False
        change = float(np.abs(now - before).mean())
        usual, self._usual = self._usual, MEMORY * self._usual + (1 - MEMORY) * min(change, CHANGE)
        return change >= max(CHANGE, STANDS_OUT * usual) and _alike(now, before) < ALIKE


def _tiny(picture: Picture) -> Tiny:
    """The picture in `CELLS`, as shares of nominal range around its own mean."""
    small = cv2.resize(picture.small, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / picture.levels.span, np.float32)


def _alike(one: Tiny, other: Tiny) -> float:
    return float((one * other).mean() / (one.std() * other.std()))
