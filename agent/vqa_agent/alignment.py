"""How much one activity over time lags behind another: text behind speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Activity = NDArray[np.float64]

BINS = 10
"""Values a second of an activity: as many as there are blocks of sound."""

SEARCH = 15.0
"""Greatest lag in seconds that is looked for, to either side."""

NEIGHBOURS = 2.5
"""Seconds around the best lag in which another may be as good."""

SMOOTH = np.hanning(9)[1:-1] / np.hanning(9)[1:-1].sum()
"""Over 0.7 s: the short pauses between words are not in the text."""

LEAST_SPREAD = 0.05
"""Variance of both activities (geometric mean) below which one of them hardly changes."""


@dataclass(frozen=True, slots=True)
class Match:
    """The lag in seconds (positive: text is late), the correlation there, and its lead over other lags."""

    lag: float
    likeness: float
    lead: float


def match(speech: Activity, text: Activity) -> Match | None:
    """The lag at which text follows speech best; None where one of them never changes.

    Pearson's correlation of both, smoothed, over what overlaps, at every lag up to SEARCH.
    """
    speech, text = np.convolve(speech, SMOOTH, "same"), np.convolve(text, SMOOTH, "same")
    reach = min(round(SEARCH * BINS), len(speech) // 3)
    lags = np.arange(-reach, reach + 1)
    count = len(speech) - np.abs(lags)
    said, said_square = _sums(speech, np.maximum(0, -lags), count)
    shown, shown_square = _sums(text, np.maximum(0, lags), count)
    middle = len(speech) - 1
    both = np.correlate(text, speech, "full")[middle - reach : middle + reach + 1]
    spread = (said_square - said**2 / count) * (shown_square - shown**2 / count)
    scores = (both - said * shown / count) / np.sqrt(np.maximum(spread, 1e-9))
    scores[spread < (LEAST_SPREAD * count) ** 2] = -1.0
    best = int(scores.argmax())
    near = round(NEIGHBOURS * BINS)
    others = np.concatenate([scores[: max(0, best - near)], scores[best + near + 1 :]])
    if scores[best] <= 0 or not len(others):
        return None
    return Match((best - reach) / BINS, float(scores[best]), float(scores[best] - others.max()))


def _sums(values: Activity, first: NDArray[np.int64], count: NDArray[np.int64]) -> tuple[Activity, Activity]:
    """Sums of the values and of their squares over `count` values from `first` on."""
    totals = [np.concatenate([[0.0], np.cumsum(each)]) for each in (values, values**2)]
    return totals[0][first + count] - totals[0][first], totals[1][first + count] - totals[1][first]


def drift(lags: Sequence[tuple[float, float]], span: float) -> float:
    """Slope of lags (seconds) over time (seconds), by least squares; 0 where they cover less than `span` seconds."""
    if len(lags) < 3 or lags[-1][0] - lags[0][0] < span:
        return 0.0
    times, values = np.array(lags).T
    return float(np.polyfit(times - times[0], values, 1)[0])
