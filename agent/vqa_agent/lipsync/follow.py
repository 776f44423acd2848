"""Mouths through a fragment: which picture belongs to which slot of 40 ms, and the mouth of each face in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.faces import Face
from vqa_agent.lipsync.mouth import HEIGHT, WIDTH, cut_mouth
from vqa_agent.lipsync.shots import ShotFinder
from vqa_agent.lipsync.tracks import Track, Tracker
from vqa_agent.media import Picture, Plane

SLOT = 0.04
"""Seconds of media time that one picture stands for: 25 a second, whatever the rate of the video."""

LOOK_EVERY = 0.2
"""Seconds between two looks for faces; between them their points move on lines."""

LONGEST_WAIT = 6
"""Pictures that are kept at most until the next look says where the faces in them are."""

Find = Callable[[Picture], Sequence[Face]]


def slot_of(picture: Picture) -> int:
    """The slot in which the middle of the picture's presentation lies.

    >>> import numpy as np
    >>> slot_of(Picture(time=0.04, duration=0.04, luma=np.zeros((2, 2), np.uint8)))
    1
    """
    return int((picture.time + picture.duration / 2) // SLOT)


@dataclass(slots=True)
class Mouth:
    """The mouth of one face: a cut for each of `slots`, which rise.

    `late` are the seconds by which the middle of each picture lies after the middle of its slot.
    """

    track: int
    slots: list[int] = field(default_factory=list)
    cuts: list[Plane] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    height: float = 0.0
    """Height of the face in pixels, when last seen."""

    def film(self) -> tuple[int, NDArray[np.uint8]]:
        """The first slot, and (n, rows, columns) a cut for each slot from it on; a hole repeats the cut before it."""
        wanted = np.arange(self.slots[0], self.slots[-1] + 1)
        return self.slots[0], np.stack(self.cuts)[np.searchsorted(self.slots, wanted, side="right") - 1]


class MouthFollower:
    """Cuts the mouths out of the pictures of a fragment, in order. Keeps at most a few pictures at a time."""

    def __init__(self, find: Find, shape: tuple[int, int] = (HEIGHT, WIDTH), faces: int = 4) -> None:
        self.mouths: dict[int, Mouth] = {}
        self.slots_seen = 0
        self.cuts: list[float] = []
        self._find = find
        self._shape = shape
        self._shots = ShotFinder()
        self._tracker = Tracker(faces)
        self._waiting: list[tuple[int, Picture]] = []
        self._last_slot = -1
        self._next_look = float("-inf")

    def watch(self, picture: Picture) -> None:
        """Take in the next picture."""
        if self._shots.watch(picture):
            self.settle()
            self._tracker.clear()
            self._next_look = float("-inf")
            self.cuts.append(picture.time)
        slot = slot_of(picture)
        if slot <= self._last_slot:
            return
        self._last_slot = slot
        self.slots_seen += 1
        self._waiting.append((slot, picture))
        if picture.time >= self._next_look - 1e-6 or len(self._waiting) >= LONGEST_WAIT:
            self._next_look = picture.time + LOOK_EVERY
            self._tracker.update(picture.time, self._find(picture))
            self.settle()

    def settle(self) -> None:
        """Cut the mouths out of the pictures that wait; those after the last look with the points of that look."""
        for track in self._tracker.tracks:
            self._cut(track)
        self._waiting = []

    def _cut(self, track: Track) -> None:
        mouth = self.mouths.setdefault(track.number, Mouth(track.number))
        for slot, picture in self._waiting:
            if track.is_new and picture.time < track.time:
                continue
            mouth.slots.append(slot)
            mouth.cuts.append(cut_mouth(picture, track.at(picture.time), self._shape))
            mouth.late.append(picture.time + picture.duration / 2 - (slot + 0.5) * SLOT)
            mouth.height = track.box[3] * picture.height
