"""Pictures that are repeated, late or left out, out of the material's own cadence."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.cadence import Hold, is_jump, is_odd
from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.measures import block_means
from vqa_agent.media import Picture

LIVELY = 50
"""The activity of a picture is what one in so many of its blocks change at least: smaller things do not count."""

MEMORY, PATIENCE = 6.0, 3.0
"""Seconds of material before and after a hold by which it is judged: a cadence may have a period of a second."""

EVEN_SHARE, EVEN_STEPS = 0.6, 0.2
"""Time stamps come evenly when this share of their steps lies this near (share) to the usual one."""

FALLBACK_STEP = 0.04
"""Seconds from picture to picture where time stamps stand still."""


class StutterSettings(Settings):
    still: float = Field(1.0, gt=0, le=10, description="Greatest activity of a repeated picture, in code values.")
    ratio: float = Field(0.2, gt=0, lt=1, description="The same as a share of the movement on either side.")
    motion: float = Field(1.5, gt=0, le=50, description="Least activity on either side, in code values.")
    late: float = Field(1.67, gt=1, le=5, description="Times its usual length from which on a hold is odd.")
    longest: float = Field(2.0, gt=0, le=10, description="Seconds; a longer hold is a freeze, not a stutter.")


@dataclass(slots=True)
class _Shown:
    """The picture being shown, and those after it that may be repeats of it."""

    start: float
    arrival: float
    blocks: NDArray[np.float32]
    before: NDArray[np.float32] | None
    repeats: list[tuple[float, float, NDArray[np.float32]]] = field(default_factory=list)
    """Time, activity and blocks of each."""


@register(
    "stutter",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=5),
    file=Rule(set_time=5.0, clear_time=2.0, count=3),
)
class Stutter(Detector[StutterSettings]):
    """Sees: pictures that are repeated or come late in moving material, and movement that jumps, out of cadence.

    Formula: the activity of a picture is the change that 2 % of its blocks (8 x 8 of the reduced luma) reach. A
    picture is held while its successors stay within `still` and within `ratio` of the activity on either side, or
    while time stamps are missing; the length of a hold counts in usual steps between pictures. A hold is odd when it
    is `late` times longer than usual, there is `motion` on either side, and it is no part of a cadence: three or four
    long holds around it that lie where even pull-down (3:2, 24 in 25, 24 or 25 in 30, 2:2) puts them, with steps of
    equal size. A jump is a step of twice the usual size or more in steady movement.

    Settings: raise `still` and `ratio` where repeats are noisy; raise `motion` to overlook stutter of small things;
    raise `late` to forgive more. A finding comes up to 3 s after the hold, when the cadence around it is known.

    Mistakes: limited animation that suddenly holds a drawing much longer; a live mix of sources of several rates.
    Misses: repeats behind fresh noise or a moving overlay, single repeats within 3:2 material, jumps in unsteady
    movement. Says nothing while pictures are left out to save time, and of variable frame rates.

    Source: duplicates as judder detectors of inverse telecine find them (difference against the neighbours'); gaps
    of more than 1.67 frame times, as players count them; EBU QC "dropped or repeated frames".

    >>> from vqa_agent.simulate import scenes
    >>> stutter, before, odd = Stutter(StutterSettings()), None, []
    >>> images = list(scenes.pan(3.0, (320, 180)))
    >>> for number in range(75):
    ...     luma = images[number - number % 3 if 30 <= number < 33 else number][..., 1]
    ...     before = Picture(time=number / 25, duration=0.04, luma=luma, previous=before, index=number)
    ...     odd += [finding for finding in stutter.look(before) if finding.bad]
    >>> [(finding.start, finding.detail["late"]) for finding in [*odd, *stutter.close()] if finding.bad]
    [(1.24, 2)]
    """

    least_rate = inf

    def reset(self) -> None:
        self._index: int | None = None
        self._time = 0.0
        self._steps: deque[float] = deque(maxlen=50)
        self._forget()

    def _forget(self) -> None:
        self._shown: _Shown | None = None
        self._holds: deque[Hold] = deque()
        self._judged = 0

    def look(self, picture: Picture) -> Iterable[Finding]:
        blocks = block_means(picture)
        following = self._index is not None and picture.index == self._index + 1
        if not following or picture.corrupt or (self._shown is not None and self._shown.blocks.shape != blocks.shape):
            self._forget()
        elif picture.time > self._time:
            self._steps.append(picture.time - self._time)
        self._index, self._time = picture.index, picture.time
        self._take(picture.time, blocks)
        yield from self._decide(picture.time - PATIENCE)

    def close(self) -> Iterable[Finding]:
        yield from self._decide(float("inf"))

    def _take(self, time: float, blocks: NDArray[np.float32]) -> None:
        shown = self._shown
        if shown is None:
            self._shown = _Shown(time, 0.0, blocks, None)
            return
        last = shown.repeats[-1][2] if shown.repeats else shown.blocks
        change = activity(last, blocks)
        settings = self.settings
        if change <= max(settings.still, settings.ratio / 2 * shown.arrival) and time - shown.start <= settings.longest:
            shown.repeats.append((time, change, blocks))
            return
        if all(self._is_repeat(repeat[1], min(shown.arrival, change)) for repeat in shown.repeats):
            self._hold(shown, time, change, blocks)
        else:
            self._split(shown, time, change, blocks)

    def _is_repeat(self, change: float, motion: float) -> bool:
        """Whether a picture that changed so little, amid `motion`, repeats the one before; key pictures change more."""
        ratio = self.settings.ratio
        return change <= (ratio if change <= self.settings.still else ratio / 2) * motion

    def _split(self, shown: _Shown, time: float, change: float, blocks: NDArray[np.float32]) -> None:
        """What looked like repeats was slow movement: every one of them is a picture of its own."""
        for next_time, next_change, next_blocks in [*shown.repeats, (time, change, blocks)]:
            shown.repeats = []
            self._hold(shown, next_time, next_change, next_blocks)
            assert self._shown is not None
            shown = self._shown

    def _hold(self, shown: _Shown, end: float, change: float, blocks: NDArray[np.float32]) -> None:
        steps = sorted(self._steps) or [FALLBACK_STEP]
        usual = median(steps)
        near = bisect_right(steps, (1 + EVEN_STEPS) * usual) - bisect_left(steps, (1 - EVEN_STEPS) * usual)
        times = [shown.start, *(repeat[0] for repeat in shown.repeats), end]
        hold = Hold(
            start=shown.start,
            end=end,
            length=(end - shown.start) / usual,
            arrival=shown.arrival,
            step=change,
            double=change if shown.before is None else activity(shown.before, blocks),
            gap=max(later - earlier for earlier, later in pairwise(times)) > self.settings.late * usual,
            even=near >= EVEN_SHARE * len(steps),
        )
        self._holds.append(hold)
        # After a flash the picture is back where it was: that is no movement to hold what follows against.
        self._shown = _Shown(end, min(change, hold.double), blocks, shown.blocks)

    def _decide(self, until: float) -> Iterator[Finding]:
        """Judge the holds that ended before `until`, and let go of those that are too old to matter."""
        holds = list(self._holds) if self._judged < len(self._holds) else []
        while self._judged < len(holds) and holds[self._judged].end <= until:
            yield self._judge(holds, self._judged)
            self._judged += 1
        while self._judged and self._holds[0].end < self._holds[self._judged - 1].end - MEMORY:
            self._holds.popleft()
            self._judged -= 1

    def _judge(self, holds: Sequence[Hold], place: int) -> Finding:
        settings, hold = self.settings, holds[place]
        kind, late = "", 0
        if hold.long and hold.end - hold.start <= settings.longest:
            if is_odd(holds, place, settings.late, settings.motion):
                kind, late = "gap" if hold.gap else "repeat", round(hold.length) - 1
        elif is_jump(holds, place, settings.motion):
            kind, late = "jump", 1
        step = (hold.end - hold.start) / max(hold.length, 1.0)
        return Finding(
            detector=self.name,
            start=hold.start + step if kind else hold.start,
            end=hold.end if kind != "jump" else hold.end + step,
            score=min(1.0, 0.5 + 0.1 * late) if kind else 0.0,
            bad=bool(kind),
            detail={"kind": kind, "late": late} if kind else {},
        )


def activity(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Change that 2 % of the blocks reach, in code values."""
    changes = cv2.absdiff(one, other).ravel()
    place = changes.size - 1 - changes.size // LIVELY
    return float(np.partition(changes, place)[place])
