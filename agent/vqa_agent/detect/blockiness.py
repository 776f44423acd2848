"""Pictures in which the coding blocks are seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from statistics import mean
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import DeepPlane, Picture

PERIODS = (8.0, 16.0, 32.0, 6.0, 12.0, 24.0, 32 / 3)
"""Distances of block edges in pixels: as coded, and scaled by 3/4, 3/2 and 4/3."""

LINES = 68
"""Rows, and columns, that are looked at: spread over the picture, at native resolution."""

MARGIN = 16
"""The outermost sixteenth is left out: borders and letterboxes have edges of their own."""

STRONGEST = 24
"""Steps beyond this many 8-bit codes are real edges; they count no more than this."""

LEAST_ACTIVITY = 0.25
"""Codes per pixel added to the activity, so that flat pictures do not divide by nothing."""

INTERVAL = 0.2
"""Seconds between two looks; key pictures are looked at besides, because movement carries blocks off the grid."""

MEMORY = 1.0
"""Seconds of looks that are taken together, so that there is a key picture among them more often than not."""

MOST = 1.5
"""What one look counts at most: a single picture is not blocky material."""


class BlockinessSettings(Settings):
    strength: float = Field(0.55, gt=0.1, le=10, description="Step at the block edges against the mean step elsewhere.")


@register(
    "blockiness",
    reads="video",
    cost="moderate",
    live=Rule(set_time=5.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Blockiness(Detector[BlockinessSettings]):
    """Sees: the grid of coding blocks, as starved encoding without a loop filter leaves it all over the picture.

    Formula: along 68 rows and 68 columns at native resolution, the mean absolute step between neighbouring pixels
    (strong real edges limited) less its neighbourhood's mean, folded over periods of 8, 16 and 32 pixels and over
    the same scaled by 3/4, 4/3 and 3/2, with free phase; the greatest fold, less how much darker the lines are there
    (gaps between lamps or tiles), divided by the mean step, in both directions, the smaller of the two. The mean over
    the last second (five looks, and every key picture, none counting more than 1.5) is compared with `strength`.
    Ordinary coding stays below 0.3, MPEG-2 at its coarsest quantiser lies at 0.8 and above.

    Settings: lower `strength` to see slighter blocks; pictures of 0.5 are visibly blocky on a large screen.

    Mistakes: mosaics and pixel art whose tiles lie on one of the periods in both directions. Misses:
    blocks that a loop filter has smoothed (they are blur), damage in a few places only (see block_corruption).

    Source: grid-edge energy against the energy inside (Muijs and Kirenko 2005; ffmpeg blockdetect), made robust by
    taking the weaker direction and a local mean.

    >>> import numpy as np
    >>> tiles = np.kron(np.random.default_rng(1).integers(60, 180, (45, 80)), np.ones((8, 8))).astype(np.uint8)
    >>> picture = Picture(time=0.0, duration=0.04, luma=tiles)
    >>> [finding.bad for finding in Blockiness(BlockinessSettings()).look(picture)]
    [True]
    """

    def reset(self) -> None:
        self._due = float("-inf")
        self._after_key = False
        self._recent: deque[tuple[float, float]] = deque()

    def look(self, picture: Picture) -> Iterable[Finding]:
        if picture.time < self._due and (self._after_key or not picture.key):
            return
        self._after_key = picture.key
        if picture.time >= self._due:
            self._due = picture.time + INTERVAL - picture.duration / 2
        while self._recent and self._recent[0][0] < picture.time - MEMORY:
            self._recent.popleft()
        self._recent.append((picture.time, min(MOST, grid_strength(picture))))
        strength = mean(seen for _, seen in self._recent)
        bad = strength >= self.settings.strength
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=min(1.0, strength / (2 * self.settings.strength)),
            bad=bad,
            detail={"strength": round(strength, 2)} if bad else {},
        )


def grid_strength(picture: Picture) -> float:
    """How much stronger the steps on the strongest grid are than elsewhere; the weaker of the two directions."""
    height, width = picture.luma.shape
    if min(height, width) < 64:
        return 0.0
    rows = picture.luma[height // MARGIN : height - height // MARGIN : max(1, height // LINES)]
    columns = picture.luma[:, width // MARGIN : width - width // MARGIN : max(1, width // LINES)].T
    return min(strongest_fold(*profiles(lines, picture.depth)) for lines in (rows, columns))


def profiles(lines: DeepPlane, depth: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean absolute step between neighbours along the lines, and how much darker they are there than two pixels off.

    Both in 8-bit codes. Steps of blocks go up as often as down; the gaps between lamps or tiles are always darker.
    """
    scale = 1 << (depth - 8)
    samples: NDArray[Any] = np.ascontiguousarray(lines)
    moves = _means(np.minimum(cv2.absdiff(samples[:, 1:], samples[:, :-1]), STRONGEST * scale))
    level = _means(samples)
    gaps = np.zeros_like(moves)
    gaps[2:-2] = (level[:-5] + level[5:] - level[2:-3] - level[3:-2]) / 2
    return moves / scale, gaps / scale


def _means(lines: NDArray[Any]) -> NDArray[np.float64]:
    """(samples of a line,) mean over all lines."""
    return np.asarray(cv2.reduce(lines, 0, cv2.REDUCE_AVG, dtype=cv2.CV_64F), dtype=np.float64).ravel()


def strongest_fold(profile: NDArray[np.float64], gaps: NDArray[np.float64]) -> float:
    """The greatest excess of one phase of one period over its neighbours, less gaps, as a share of the mean step."""
    around = np.convolve(profile, np.array([1, 1, 0, 1, 1]) / 4, "same")
    excess = profile - around
    excess[:2] = excess[-2:] = 0.0
    best = 0.0
    for phases, counts in _phases(len(profile)):
        grid = (np.bincount(phases, excess) - np.abs(np.bincount(phases, gaps))) / counts
        best = max(best, float(grid.max()))
    return best / (float(profile.mean()) + LEAST_ACTIVITY)


@lru_cache(maxsize=8)
def _phases(length: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each period: the phase of every place in a profile of `length`, and how many places each phase has."""
    each = [(np.arange(length) % period).astype(np.intp) for period in PERIODS]
    return [(phases, np.maximum(1, np.bincount(phases))) for phases in each]
