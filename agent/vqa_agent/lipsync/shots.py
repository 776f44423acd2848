"""Where one shot ends and another begins, from the reduced luma alone.

A cut moves most of the picture and changes what is in it at once and for good. A flash comes back, a fade creeps, a
fast pan moves edges but keeps the picture's tones: none of them is a cut.
"""

from __future__ import annotations

import cv2
import numpy as np

from vqa_agent.media import Picture, Plane

CELLS = (24, 16)
"""Columns and rows of the tiny picture that is compared: so coarse that what moves within a shot hardly shows."""

CHANGE = 0.12
"""Least mean difference of the tiny pictures, as a share of nominal range, after their brightness was made equal."""

ALIKE = 0.5
"""Greatest correlation of the tiny pictures on either side of a cut."""

STANDS_OUT = 3.0
"""How many times larger a cut is than the changes shortly before it."""

MEMORY = 0.9
"""What is kept, from one picture to the next, of the usual change."""


def _tiny(picture: Picture) -> np.ndarray:
    small = cv2.resize(picture.small, CELLS, interpolation=cv2.INTER_AREA)
    return (small.astype(np.float32) - picture.levels.black) / picture.levels.span


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two tiny pictures; 1 for two that are flat."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-3 else 1.0


class ShotFinder:
    """Says of each picture whether a new shot begins with it."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._shot: np.ndarray | None = None
        self._usual = 0.0

    def watch(self, picture: Picture) -> bool:
        """Whether `picture` is the first of a new shot."""
        now = _tiny(picture)
        before, self._before = self._before, now
        if before is None:
            return False
        change = float(np.abs((now - now.mean()) - (before - before.mean())).mean())
        usual, self._usual = self._usual, MEMORY * self._usual + (1 - MEMORY) * min(change, CHANGE)
        return change >= CHANGE and change >= STANDS_OUT * usual and alike(now, before) < ALIKE


__all__ = ["Plane", "ShotFinder", "alike"]
