"""How well mouths and voice fit at each offset: the voice slides along the mouths, and the distance has a minimum.

The voice slides much farther than an offset is believed. What lies beyond is what chance makes of this very mouth and
this very voice: a minimum is worth as much as it stands out from that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.follow import SLOT

SEARCH = 75
"""Slots by which the voice slides to either side: 3 s."""

BELIEVED = 23
"""Slots within which a minimum is an offset: 0.92 s. Farther away it is chance."""

NEAR = 4
"""Slots around a minimum that belong to it."""

LEAST_OFFSETS = 25
"""Offsets at which there must be a voice: with fewer there is nothing to stand out from."""

LEAST_SPREAD = 0.01
"""Standard deviation of a curve below which it is flat: a hum is at the same distance everywhere."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fit:
    """The best offset in slots (positive: the sound is late), how far the distance falls there, and the curve.

    `depth` is the median of the curve minus its minimum, in cosine distance (0..2). `prominence` is the mean of the
    curve more than `NEAR` slots away minus its minimum, in standard deviations of the curve there.
    """

    offset: float
    depth: float
    prominence: float
    curve: Floats

    @property
    def milliseconds(self) -> float:
        return self.offset * SLOT * 1000

    @property
    def believed(self) -> bool:
        return abs(self.offset) <= BELIEVED


def distances(mouths: Floats, voices: Floats) -> Floats:
    """(n, 2 * reach + 1) cosine distance of each mouth to the voice at each offset; NaN where there is no voice.

    `mouths` (n, d) and `voices` (n + 2 * reach, d) are of length 1; voice `i + reach` is the one of mouth `i`. A row of
    NaN says that there was no sound. What all mouths have in common, or all voices, says who they are and nothing of
    when: their means are taken out.
    """
    reach = (len(voices) - len(mouths)) // 2
    heard = np.isfinite(voices[:, 0])
    if heard.any():
        voices = voices - voices[heard].mean(axis=0)
    span = np.lib.stride_tricks.sliding_window_view(voices, 2 * reach + 1, axis=0)
    return np.asarray(1 - np.einsum("nd,ndk->nk", mouths - mouths.mean(axis=0), span), np.float32)


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
    if heard.sum() < LEAST_OFFSETS:
        return None
    curve = np.full(table.shape[1], np.nan, np.float32)
    curve[heard] = np.nanmean(table[:, heard], axis=0)
    level = np.nanmedian(curve)
    curve = np.asarray(level + (curve - level) * np.sqrt(share), np.float32)
    lowest = int(np.nanargmin(curve))
    away = curve[np.abs(np.arange(len(curve)) - lowest) > NEAR]
    prominence = (np.nanmean(away) - curve[lowest]) / max(float(np.nanstd(away)), LEAST_SPREAD)
    offset = lowest - len(curve) // 2 + _refined(curve, lowest)
    return Fit(offset, float(level - curve[lowest]), float(prominence), curve)


def _refined(curve: Floats, lowest: int) -> float:
    """Where, relative to the lowest point, the parabola through it and its neighbours has its minimum."""
    if not 0 < lowest < len(curve) - 1:
        return 0.0
    left, middle, right = curve[lowest - 1 : lowest + 2].astype(float)
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if np.isfinite(bend) and bend > 1e-9 else 0.0
