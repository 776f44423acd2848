"""Pictures that stand still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Region, Rule, Settings, register
from vqa_agent.measures import block_means
from vqa_agent.media import Picture

HISTORY = 2.0
"""Seconds before a still that tell how it began. A dissolve between two slides is shorter than most of it."""

STEP = 0.19
"""Least seconds between two pictures whose movement is measured: drawings on twos and repeated pictures move too."""

MOVING_PART, MOVING = 0.98, 1.2
"""Movement is the change that this share of the blocks stays below; the code values from which it is movement and
not noise: 3 codes of fresh noise change 2 % of the block means by 1.2, the quietest talking head more than that."""

MOST = 0.7
"""Share of the history that must show movement for a still to have begun in the middle of it."""

CUT_FACTOR = 2.0
"""A still whose first picture moved this much more than the pictures before it begins with a cut."""

CALM_TIME = 15.0
"""Seconds that a noisy still must last where nothing moved before it: a locked-off shot looks the same."""

Blocks = NDArray[np.float32]


class FreezeSettings(Settings):
    change: float = Field(3.0, gt=0, le=20, description="Greatest change of a block's mean luma, in 8-bit code values.")
    spots: int = Field(1, ge=0, le=50, description="Blocks that may change more: a lamp or a small counter on a still.")
    mean_change: float = Field(0.0032, gt=0, le=0.05, description="Greatest mean change of all blocks, share of range.")
    noise: float = Field(0.0004, ge=0, le=0.02, description="Difference from picture to picture that is called noise.")
    noisy_time: float = Field(3.0, ge=0, le=60, description="Seconds that a noisy still lasts before it is reported.")
    ignore: tuple[Region, ...] = Field((), description="Parts left out, a clock say: [x, y, width, height], 0 to 1.")


@dataclass(slots=True)
class _Still:
    """The picture that began a still, and what has been seen since."""

    blocks: Blocks
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
    than `noise` all the time; reported after `noisy_time`, or after 15 s where nothing moved before) or "near".
    `began` says how: in "motion", with a "cut" or out of calm, or with the "start" of the stream; slides begin with
    cuts, frozen feeds in the middle of movement.

    Settings: raise `change` and `mean_change` for stills that an encoder pumps; lower them to let slighter movement
    count as life; raise `noise` where analogue sources are very noisy; `ignore` the place of a clock or a ticker.

    Mistakes: a locked-off shot in which truly nothing moves for the set time. It is not asked where looks are so far
    apart that a loop of a few seconds would stand still. Misses: a frozen picture behind a clock
    or another moving overlay of more than a block, unless its place is ignored (a presenter far away looks like that),
    and stills shorter than the set time.

    Source: ffmpeg freezedetect (mean absolute difference to the first picture); limits from stills behind MPEG-2, H.264
    and HEVC at starved bit rates, which move block means by up to 2.7 codes and 0.5 on average, where people who sit
    still move them by more than 6 and 1; set times of live probes (3 s for identical pictures, 15 s for near ones).

    >>> import numpy as np
    >>> image = np.random.default_rng(1).integers(40, 200, (180, 320), dtype=np.uint8)
    >>> freeze, before = Freeze(FreezeSettings()), None
    >>> for number in range(3):
    ...     before = Picture(time=number / 25, duration=0.04, luma=image, previous=before)
    ...     findings = list(freeze.look(before))
    >>> [(finding.bad, finding.certain, finding.start) for finding in findings]
    [(True, True, 0.0)]
    """

    least_rate = 0.3

    def reset(self) -> None:
        self._still: _Still | None = None
        self._last: tuple[int, Blocks] | None = None
        self._paced: tuple[float, Blocks] | None = None
        self._movement: deque[tuple[float, float]] = deque()

    def look(self, picture: Picture) -> Iterable[Finding]:
        blocks = self._blocks(picture)
        if self._last is not None and self._last[1].shape != blocks.shape:
            self.reset()
        still = self._still
        change = self._change(picture, blocks)
        if still is None or change is None:
            self._still = _Still(blocks, picture.time, self._began(blocks))
        else:
            self._count(picture, still, self._repeats(picture, blocks))
        self._remember(picture, blocks)
        yield self._finding(picture, change or 0.0)

    def _blocks(self, picture: Picture) -> Blocks:
        """The block means, the ignored parts at zero."""
        blocks = block_means(picture)
        if not self.settings.ignore:
            return blocks
        blocks = blocks.copy()
        rows, columns = blocks.shape
        for x, y, width, height in self.settings.ignore:
            bottom, right = int(np.ceil((y + height) * rows)), int(np.ceil((x + width) * columns))
            blocks[int(y * rows) : bottom, int(x * columns) : right] = 0.0
        return blocks

    def _change(self, picture: Picture, blocks: Blocks) -> float | None:
        """Greatest change of a block since the still began; None where this picture does not belong to it."""
        if self._still is None:
            return None
        differences = cv2.absdiff(blocks, self._still.blocks)
        beyond = int(np.count_nonzero(differences > self.settings.change))
        mean = float(differences.mean()) / picture.levels.span
        if beyond > self.settings.spots or mean > self.settings.mean_change:
            return None
        return float(differences.max())

    def _repeats(self, picture: Picture, blocks: Blocks) -> bool:
        """Whether nothing changed since the last look: bit by bit where no picture was passed over since."""
        if self._last is None:
            return False
        if self._last[0] + 1 == picture.index and picture.previous is not None and not self.settings.ignore:
            return picture.repeats_previous
        return bool(np.array_equal(self._last[1], blocks))

    def _count(self, picture: Picture, still: _Still, repeats: bool) -> None:
        still.pictures += 1
        if repeats:
            still.identical += 1
        elif picture.key:
            still.repaired += 1
        elif (picture.difference or 0.0) > self.settings.noise:
            still.noisy += 1

    def _remember(self, picture: Picture, blocks: Blocks) -> None:
        self._last = picture.index, blocks
        if self._paced is not None and picture.time - self._paced[0] < STEP:
            return
        if self._paced is not None:
            self._movement.append((picture.time, movement(blocks, self._paced[1])))
        self._paced = picture.time, blocks
        while self._movement and self._movement[0][0] < picture.time - HISTORY:
            self._movement.popleft()

    def _began(self, blocks: Blocks) -> str:
        """How a still that starts with this picture began."""
        recent = [moved for _, moved in self._movement]
        if self._last is None or len(recent) < 2:
            return "start"
        if sum(moved >= MOVING for moved in recent) < MOST * len(recent):
            return "cut"
        return "cut" if movement(blocks, self._last[1]) > CUT_FACTOR * max(recent) else "motion"

    def _finding(self, picture: Picture, change: float) -> Finding:
        still = self._still
        assert still is not None
        kind = still.kind
        patience = self.settings.noisy_time if still.began == "motion" else CALM_TIME
        bad = still.pictures > 0 and (kind != "noisy" or picture.end - still.start >= patience)
        return Finding(
            detector=self.name,
            start=still.start if bad else picture.time,
            end=picture.end,
            score=1.0 if kind == "identical" else 0.9 if bad else 0.0,
            bad=bad,
            certain=kind == "identical",
            detail={"kind": kind, "began": still.began, "change": round(change, 2)} if bad else {},
        )


def movement(one: Blocks, other: Blocks) -> float:
    """Code values that all but the most moved blocks stay below."""
    differences = cv2.absdiff(one, other).ravel()
    rank = min(differences.size - 1, int(MOVING_PART * differences.size))
    return float(np.partition(differences, rank)[rank])
