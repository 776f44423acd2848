"""Pictures that stand still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.measures import block_means
from vqa_agent.media import Picture

HISTORY = 1.0
"""Seconds of movement before a still that are remembered, to tell how it began."""

MOVING = 0.0008
"""Mean difference between pictures, share of range, above which a programme counts as moving."""

CUT_FACTOR = 4.0
"""A still whose first picture differs this much more than the pictures before it did begins with a cut."""


class FreezeSettings(Settings):
    change: float = Field(2.0, gt=0, le=20, description="Greatest change of a block's mean luma, in 8-bit code values.")
    spots: int = Field(1, ge=0, le=50, description="Blocks that may change more: a clock or a counter on a still.")
    mean_change: float = Field(0.002, gt=0, le=0.05, description="Greatest mean change of all blocks, share of range.")
    noise: float = Field(0.0004, ge=0, le=0.02, description="Difference from picture to picture that is called noise.")
    noisy_time: float = Field(3.0, ge=0, le=60, description="Seconds that a noisy still lasts before it is reported.")


@dataclass(slots=True)
class _Still:
    """The picture that began a still, and what has been seen since."""

    blocks: NDArray[np.float32]
    start: float
    began: str
    pictures: int = 0
    identical: int = 0
    repaired: int = 0
    noisy: int = 0

    @property
    def kind(self) -> str:
        """identical: bit by bit but for key pictures; noisy: over fresh noise; near: everything between."""
        if self.identical and self.identical + self.repaired == self.pictures:
            return "identical"
        return "noisy" if self.noisy > self.pictures / 2 else "near"


@register(
    "freeze",
    reads="video",
    cost="cheap",
    live=Rule(set_time=15.0, clear_time=1.0, certain_set_time=3.0),
    file=Rule(set_time=2.0, clear_time=0.3),
)
class Freeze(Detector[FreezeSettings]):
    """Sees: a picture that stands still, against the picture that began it.

    Formula: the luma is averaged over blocks of 8 x 8 of its reduced form (32 x 32 pixels at 1080p), which divides
    independent noise by 32. A picture belongs to the still while no more than `spots` blocks differ by more than
    `change` code values from the first picture and all differ by at most `mean_change` on average. Its kind is
    "identical" (every picture repeats the one before bit by bit, key pictures apart), "noisy" (pictures differ by more
    than `noise` all the time; reported after `noisy_time`) or "near". `began` says how: in "motion", with a "cut", or
    with the "start" of the stream; slides begin with cuts, frozen feeds in the middle of movement.

    Settings: raise `change` for stills that an encoder pumps; lower it to let slighter movement count as life; raise
    `spots` to ignore larger clocks; raise `noise` where analogue sources are very noisy.

    Mistakes: a locked-off shot in which truly nothing moves for the set time. Misses: a frozen picture behind a large
    moving overlay, and stills shorter than the set time.

    Source: ffmpeg freezedetect (mean absolute difference <= 0.001 against the first picture); set times of live probes
    (3 s for identical pictures, 15 s for near ones).

    >>> import numpy as np
    >>> image = np.random.default_rng(1).integers(40, 200, (180, 320), dtype=np.uint8)
    >>> freeze, before = Freeze(FreezeSettings()), None
    >>> for number in range(3):
    ...     before = Picture(time=number / 25, duration=0.04, luma=image, previous=before)
    ...     findings = list(freeze.look(before))
    >>> [(finding.bad, finding.certain, finding.start) for finding in findings]
    [(True, True, 0.0)]
    """

    def reset(self) -> None:
        self._still: _Still | None = None
        self._differences: deque[tuple[float, float]] = deque()

    def look(self, picture: Picture) -> Iterable[Finding]:
        change = self._change(picture)
        if change is None:
            self._still = _Still(block_means(picture), picture.time, self._began(picture))
        elif self._still is not None:
            self._count(picture, self._still)
        self._remember(picture)
        yield self._finding(picture, change or 0.0)

    def _change(self, picture: Picture) -> float | None:
        """Greatest change of a block since the still began; None where this picture does not belong to it."""
        if self._still is None:
            return None
        if picture.repeats_previous and self._still.pictures:
            return 0.0
        blocks = block_means(picture)
        if blocks.shape != self._still.blocks.shape:
            return None
        differences = cv2.absdiff(blocks, self._still.blocks)
        beyond = int(np.count_nonzero(differences > self.settings.change))
        mean = float(differences.mean()) / picture.levels.span
        if beyond > self.settings.spots or mean > self.settings.mean_change:
            return None
        return float(differences.max())

    def _count(self, picture: Picture, still: _Still) -> None:
        still.pictures += 1
        if picture.repeats_previous:
            still.identical += 1
        elif picture.key:
            still.repaired += 1
        elif (picture.difference or 0.0) > self.settings.noise:
            still.noisy += 1

    def _remember(self, picture: Picture) -> None:
        if picture.difference is not None:
            self._differences.append((picture.time, picture.difference))
        while self._differences and self._differences[0][0] < picture.time - HISTORY:
            self._differences.popleft()

    def _began(self, picture: Picture) -> str:
        """How a still that starts with this picture began."""
        if picture.difference is None or not self._differences:
            return "start"
        usual = median(difference for _, difference in self._differences)
        if usual > MOVING and picture.difference <= CUT_FACTOR * usual:
            return "motion"
        return "cut"

    def _finding(self, picture: Picture, change: float) -> Finding:
        still = self._still
        assert still is not None
        kind = still.kind
        lasted = picture.end - still.start
        bad = still.pictures > 0 and (kind != "noisy" or lasted >= self.settings.noisy_time)
        return Finding(
            detector=self.name,
            start=still.start if bad else picture.time,
            end=picture.end,
            score=1.0 if kind == "identical" else 0.9 if bad else 0.0,
            bad=bad,
            certain=kind == "identical",
            detail={"kind": kind, "began": still.began, "change": round(change, 2)} if bad else {},
        )
