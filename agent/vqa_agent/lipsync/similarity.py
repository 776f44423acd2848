"""How well mouths and voice fit at each offset: the voice slides along the mouths, and the distance has a minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.follow import SLOT

REACH = 25
"""Slots by which the voice slides to either side: 1 s."""

EDGE = 2
"""Slots at either end of the search where a minimum is no minimum: the curve may go on falling outside."""

Floats = NDArray[np.float32]


NEAR = 4
"""Slots around a minimum that belong to it: another one begins beyond."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The best offset in slots (positive: the sound is late), how far the distance falls there, and the curve.

    In units of cosine distance (0..2): `confidence` is the median of the curve minus its minimum, `margin` the least
    of the curve more than `NEAR` slots away minus its minimum.
    """

    offset: float
    confidence: float
    margin: float
    curve: Floats

    @property
    def milliseconds(self) -> float:
        return self.offset * SLOT * 1000

    @property
    def at_edge(self) -> bool:
        return abs(self.offset) > REACH - EDGE


def distances(mouths: Floats, voices: Floats) -> Floats:
    """(n, 2 * REACH + 1) cosine distance of each mouth to the voice at each offset; NaN where there is no voice.

    `mouths` (n, d) and `voices` (n + 2 * REACH, d) are of length 1; voice `i + REACH` is the one of mouth `i`. A row of
    NaN says that there was no sound.
    """
    span = np.lib.stride_tricks.sliding_window_view(voices, 2 * REACH + 1, axis=0)
    return np.asarray(1 - np.einsum("nd,ndk->nk", mouths, span), np.float32)


def fit(table: Floats, least: int = 10) -> Fit | None:
    """The offset at which the mean of the rows of `distances` is least; None with fewer than `least` rows.

    An offset counts only where at least half of the rows have a voice. A mean of fewer rows strays further by chance:
    it is drawn to the median by the root of their share. The minimum is refined by the parabola through it and its
    neighbours.
    """
    if len(table) < least:
        return None
    share = np.isfinite(table).mean(axis=0)
    heard = share >= 0.5
    if heard.sum() < REACH:
        return None
    curve = np.full(table.shape[1], np.nan, np.float32)
    curve[heard] = np.nanmean(table[:, heard], axis=0)
    level = np.nanmedian(curve)
    curve = np.asarray(level + (curve - level) * np.sqrt(share), np.float32)
    lowest = int(np.nanargmin(curve))
    confidence = float(level - curve[lowest])
    away = curve[np.abs(np.arange(len(curve)) - lowest) > NEAR]
    margin = float(np.nanmin(away) - curve[lowest])
    return Fit(lowest - REACH + _refined(curve, lowest), confidence, margin, curve)


def _refined(curve: Floats, lowest: int) -> float:
    """Where, relative to the lowest point, the parabola through it and its neighbours has its minimum."""
    if not 0 < lowest < len(curve) - 1:
        return 0.0
    left, middle, right = curve[lowest - 1 : lowest + 2].astype(float)
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if np.isfinite(bend) and bend > 1e-9 else 0.0
