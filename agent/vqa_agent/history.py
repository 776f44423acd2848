"""What is normal for a channel, and what departs from it all at once while the scene stays the same.

Nobody can say how sharp, how noisy or how colourful a picture has to be. But the picture of one scene does not become
twice as soft from one moment to the next: a step in a measure without a cut is a fault of the signal, not of the
programme. A `Watch` looks for such steps; a `Normal` is the watch over one number, and remembers what was usual.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from vqa_agent.measures import Layout, likeness, steadiness
from vqa_agent.media import Picture

LOOK_INTERVAL = 0.2
"""Seconds between looks of detectors that need not see every picture; all of them look at the same pictures."""

SAME_SCENE = 0.75
"""Least likeness of two layouts of one scene, 0.2 to 0.6 s apart, unless the camera moves."""

CUT_DROP, STEP_DROP = 0.25, 0.1
"""How far likeness must fall below its usual value for a cut, and may fall for a step, while the camera moves."""

MOVING = 0.9
"""Usual likeness from look to look below which the camera moves."""

RECENT = 5
"""Looks (one second) that a step is measured against; slower changes are not steps."""

SCENE, FAIR_PART = 300, 0.2
"""Looks (one minute) at the scene whose worse part a step must go beyond too: the end of a disturbance is no step."""

CONFIRM = 0.6
"""Seconds after a step at which the scene must still be the same: dissolves and wipes have changed it by then."""

SETTLED = 1.0
"""Part of a step by which the measure may still change until then in a moving scene."""

RAMP = 1.5 * LOOK_INTERVAL
"""Seconds within which a step is complete: coders take a picture or two."""

PIECE = 10.0
"""Seconds of one scene that make one entry of the memory."""

PIECES = 360
"""Entries of the memory: an hour of long scenes."""

FORGET = 900.0
"""Seconds after which a changed picture is the new normal."""


class Pace:
    """Says which pictures are looked at: the first one in every interval of the media clock."""

    def __init__(self, interval: float = LOOK_INTERVAL) -> None:
        self.interval = interval
        self._slot: int | None = None

    def due(self, time: float) -> bool:
        """Whether the picture at `time` is the first in its interval."""
        slot = int(time / self.interval + 1e-6)
        due, self._slot = slot != self._slot, slot
        return due


V = TypeVar("V")


@dataclass(slots=True)
class _Step(Generic[V]):
    """A step of the measure: what it was before, what it became, and since when."""

    since: float
    reference: V
    first: V
    layout: Layout
    moving: bool
    confirmed: bool = False


class Watch(Generic[V]):
    """Finds steps of a measure within a scene. Subclasses say how far a value is from another."""

    least_recent = RECENT // 2 + 1
    """Looks at a scene before a step in it can be told."""

    def __init__(self) -> None:
        self._recent: deque[V] = deque(maxlen=RECENT)
        self._layout: Layout | None = None
        self._step: _Step[V] | None = None
        self._last: V | None = None
        self._likeness: deque[float] = deque(maxlen=RECENT)
        self._index: int | None = None
        self._weakest = 0.0

    def excess(self, reference: V, value: V) -> float:
        """How far `value` is from `reference`: 1 is a step, below 0.5 it is back."""
        raise NotImplementedError

    def reference(self, recent: deque[V]) -> V:
        """What a step is measured against."""
        return recent[-1]

    def is_over(self, reference: V, last: V | None, value: V) -> bool:
        """Whether a change has ended: against what was before it, and against the look before this one."""
        return self.excess(reference, value) < 0.5

    def survives_cut(self, value: V) -> bool:
        """Whether a change that was found lasts on in another scene."""
        return False

    def calm(self, time: float, value: V) -> None:
        """A value that belongs to the normal picture."""

    def follow(self, picture: Picture) -> None:
        """See that there is no cut between looks. Give it every picture there is; without it, fast cameras look cut."""
        joined = self._index is not None and picture.index == self._index + 1
        self._weakest = min(self._weakest, steadiness(picture)) if joined else 0.0
        self._index = picture.index

    def see(self, time: float, value: V, layout: Layout) -> float | None:
        """Take in a look. The media second since when the picture is changed, or None while it is as it was."""
        before, self._layout = self._layout, layout
        if before is not None:
            usual = median(self._likeness) if len(self._likeness) > 1 else 1.0
            alike = likeness(before, layout)
            now = max(alike, self._weakest)
            if now < min(SAME_SCENE, usual - CUT_DROP):
                self._cut(value)
            else:
                self._likeness.append(alike)
                if now >= min(SAME_SCENE, usual - STEP_DROP):
                    self._compare(time, value, before, usual < MOVING)
        self._follow(time, value, layout)
        self._last, self._weakest = value, 1.0 if self._index is not None else 0.0
        if self._step is None:
            self._recent.append(value)
            self.calm(time, value)
        return self.changed

    @property
    def changed(self) -> float | None:
        """Since when the picture is changed."""
        return self._step.since if self._step is not None and self._step.confirmed else None

    def _cut(self, value: V) -> None:
        self._recent.clear()
        self._likeness.clear()
        if self._step is None or not self._step.confirmed or not self.survives_cut(value):
            self._step = None

    def _compare(self, time: float, value: V, before: Layout, moving: bool) -> None:
        if self._step is not None or len(self._recent) < self.least_recent:
            return
        reference = self.reference(self._recent)
        if self.excess(reference, value) >= 1.0:
            self._step = _Step(time, reference, value, before, moving)

    def _follow(self, time: float, value: V, layout: Layout) -> None:
        """Confirm a step that lasts in the same scene; drop one that went back or became the new normal."""
        step = self._step
        if step is None or step.since == time:
            return
        if time - step.since <= RAMP:
            step.first = value
        over = self.is_over(step.reference, self._last, value)
        due = not step.confirmed and time - step.since >= CONFIRM
        if over or time - step.since > FORGET or (due and not self._is_same(step, value, layout)):
            self._step = None
            self._recent.clear()
        elif due:
            step.confirmed = True

    def _is_same(self, step: _Step[V], value: V, layout: Layout) -> bool:
        """Whether the scene is the same as before the step; a moving one must have changed in one go."""
        if likeness(step.layout, layout) >= SAME_SCENE:
            return True
        return step.moving and abs(self.excess(step.first, value)) < SETTLED


class Normal(Watch[float]):
    """The watch over one number. `jump` is the size of a step; its sign says which way is worse.

    The memory holds the medians of the last scenes (of every `PIECE` seconds of long ones) while nothing was wrong.
    """

    def __init__(self, jump: float) -> None:
        super().__init__()
        self.jump = jump
        self._piece: list[float] = []
        self._scene: deque[float] = deque(maxlen=SCENE)
        self._began = 0.0
        self.pieces: deque[float] = deque(maxlen=PIECES)

    @property
    def typical(self) -> float | None:
        """The median of the memory, and of the present scene."""
        known = [*self.pieces, median(self._piece)] if self._piece else [*self.pieces]
        return median(known) if known else None

    def excess(self, reference: float, value: float) -> float:
        return (value - reference) / self.jump

    def reference(self, recent: deque[float]) -> float:
        """The median of the last second, or what the scene has shown for a fair part of the time, if that is worse."""
        ordered = sorted(self._scene, reverse=self.jump > 0)
        worst = ordered[int(len(ordered) * FAIR_PART)]
        return max(median(recent), worst) if self.jump > 0 else min(median(recent), worst)

    def _cut(self, value: float) -> None:
        super()._cut(value)
        self._scene.clear()

    def _compare(self, time: float, value: float, before: Layout, moving: bool) -> None:
        # What is no step from the last second is none from the worst of the minute, which must be sorted for.
        if self._recent and self.excess(median(self._recent), value) >= 1.0:
            super()._compare(time, value, before, moving)

    def survives_cut(self, value: float) -> bool:
        typical = self.typical
        return typical is not None and self.excess(typical, value) >= 1.0

    def calm(self, time: float, value: float) -> None:
        self._scene.append(value)
        if self._piece and (len(self._recent) == 1 or time - self._began >= PIECE):
            self.pieces.append(median(self._piece))
            self._piece = []
        if not self._piece:
            self._began = time
        self._piece.append(value)

    def memory(self) -> dict[str, float | int | None]:
        """What was learnt: the usual value, the extremes of the memory, its size, and since when it is otherwise."""
        known = [*self.pieces, *self._piece]
        return {
            "typical": None if not known else round(float(self.typical or 0.0), 3),
            "least": round(min(known), 3) if known else None,
            "most": round(max(known), 3) if known else None,
            "pieces": len(self.pieces),
            "changed_since": self.changed,
        }
