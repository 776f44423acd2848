"""Colour that goes away while the picture goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.black import saturation
from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.measures import block_means
from vqa_agent.media import Picture

MEMORY = 1.0
"""Seconds within which the colour must have gone: a fade or a grade takes longer."""

INTERVAL = 0.1
"""Seconds between two looks."""

STUCK = 8
"""Distance in codes from the ends of the scale within which a plane that does not vary is stuck."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look saw."""

    time: float
    saturation: float
    blocks: NDArray[np.float32]
    luma: float


class ChromaLossSettings(Settings):
    colourful: float = Field(0.03, gt=0, le=0.5, description="Saturation that a picture must have had before, 0 to 1.")
    left: float = Field(0.15, ge=0, lt=1, description="Share of it that is left, at most, when the colour is lost.")
    same: float = Field(0.7, gt=0, le=1, description="Correlation of the luma before and after: the same scene.")


@register(
    "chroma_loss",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class ChromaLoss(Detector[ChromaLossSettings]):
    """Sees: colour that vanishes within a scene, and a colour plane that is stuck at one end of its scale.

    Formula: the mean distance of the chroma from neutral falls within a second from above `colourful` to `left` of
    what it was, while the luma (means of blocks) stays the same scene (correlation at least `same`, no darker than
    4/5 of before). It stays lost until half of the colour is back. Or: one chroma plane does not vary at all and lies
    within 8 codes of an end of its scale, which turns the picture green or magenta (certain).

    Settings: raise `left` to call a weak colour lost; lower `same` where the scene moves fast.

    Mistakes: a picture that is made black and white by effect within a scene. Misses: a loss at a cut, which cannot
    be told from a black-and-white shot; material that never had colour.

    Source: chroma level against the programme's own just before, as no absolute limit exists in the field.

    >>> import numpy as np
    >>> luma = np.tile(np.arange(40, 200, dtype=np.uint8), (90, 1))
    >>> detector = ChromaLoss(ChromaLossSettings())
    >>> for number, code in enumerate((90, 90, 128, 128)):
    ...     plane = np.full((45, 80), code, np.uint8)
    ...     picture = Picture(time=number / 5, duration=0.2, luma=luma, chroma=(plane, plane))
    ...     findings = list(detector.look(picture))
    >>> [finding.bad for finding in findings]
    [True]
    """

    def reset(self) -> None:
        self._due = float("-inf")
        self._looks: deque[_Look] = deque()
        self._lost: float | None = None

    def look(self, picture: Picture) -> Iterable[Finding]:
        if picture.chroma is None or picture.time < self._due:
            return
        self._due = picture.time + INTERVAL - picture.duration / 2
        now = _Look(picture.time, saturation(picture), block_means(picture), picture.mean)
        self._follow(now)
        stuck = is_stuck(picture)
        bad = stuck or self._lost is not None
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=1.0 if bad else 0.0,
            bad=bad,
            certain=stuck,
            detail={"saturation": round(now.saturation, 3), "stuck": stuck} if bad else {},
        )

    def _follow(self, now: _Look) -> None:
        """Keep in mind what colour there was, and notice when it goes and when it is back."""
        if self._lost is not None:
            if now.saturation > self._lost / 2:
                self._lost = None
                self._looks.clear()
            return
        while self._looks and self._looks[0].time < now.time - MEMORY:
            self._looks.popleft()
        losses = [before.saturation for before in self._looks if self._is_loss(before, now)]
        self._lost = max(losses, default=None)
        self._looks.append(now)

    def _is_loss(self, before: _Look, now: _Look) -> bool:
        settings = self.settings
        if before.saturation < settings.colourful or now.saturation > settings.left * before.saturation:
            return False
        return now.luma >= 0.8 * before.luma and correlation(before.blocks, now.blocks) >= settings.same


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlation of two pictures of block means; 0 where they have not the same shape or do not vary."""
    if one.shape != other.shape:
        return 0.0
    first, second = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else 0.0


def is_stuck(picture: Picture) -> bool:
    """Whether a chroma plane stands still at an end of its scale while the luma varies."""
    assert picture.small_chroma is not None
    low, high = STUCK, 255 - STUCK
    ends = [
        int(plane.min()) == int(plane.max()) and not low < int(plane[0, 0]) < high for plane in picture.small_chroma
    ]
    return any(ends) and float(picture.small.std()) > 4.0
