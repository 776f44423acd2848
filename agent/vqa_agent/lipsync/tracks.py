"""Faces from look to look: who is who, and where between the looks.

A face is expected where its speed takes it (constant velocity), is recognised by how much it overlaps with that
place, and its points are smoothed by an alpha-beta filter: a detector's points tremble by a few percent of the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.detect.interface import Region
from vqa_agent.lipsync.faces import Face

OVERLAP = 0.3
"""Least intersection over union of a face with the place where it is expected."""

POSITION_GAIN, SPEED_GAIN = 0.7, 0.2
"""Alpha and beta: the shares of a surprise that go to the position and to the speed."""

PATIENCE = 2
"""Looks for which a face that is not found is carried on at its speed."""


@dataclass(slots=True)
class Track:
    """One face over time. `points` (5, 2) are smoothed, `speed` is theirs per second, in fractions of the picture."""

    number: int
    time: float
    points: NDArray[np.float32]
    box: Region
    speed: NDArray[np.float32]
    before: tuple[float, NDArray[np.float32]]
    """Time and points of the look before; those of the first look itself on a new track."""
    missed: int = 0

    @property
    def is_new(self) -> bool:
        return self.before[0] == self.time

    def at(self, time: float) -> NDArray[np.float32]:
        """Points at `time`: between the last two looks on a line, later as they were last seen."""
        then, points = self.before
        if self.is_new or time >= self.time:
            return self.points
        share = max(0.0, (time - then) / (self.time - then))
        return np.asarray(points + share * (self.points - points), np.float32)


class Tracker:
    """Follows at most `most` faces, the largest ones. Give it the faces of each look, in order of time."""

    def __init__(self, most: int = 4) -> None:
        self.most = most
        self.tracks: list[Track] = []
        self._count = 0

    def clear(self) -> None:
        """Everything is new: there was a cut."""
        self.tracks = []

    def update(self, time: float, faces: Sequence[Face]) -> list[Track]:
        """The tracks that are alive after a look at `time` that found `faces`, largest first."""
        pairs, lost, new = _match([_expected(track, time) for track in self.tracks], [face.box for face in faces])
        for row, column in pairs:
            _correct(self.tracks[row], time, faces[column])
        for row in lost:
            _coast(self.tracks[row], time)
        alive = [track for track in self.tracks if track.missed <= PATIENCE]
        alive += [self._start(time, faces[column]) for column in new]
        alive.sort(key=lambda track: -track.box[2] * track.box[3])
        self.tracks = alive[: self.most]
        return self.tracks

    def _start(self, time: float, face: Face) -> Track:
        self._count += 1
        points = np.asarray(face.points, np.float32)
        return Track(self._count, time, points, face.box, np.zeros_like(points), (time, points))


def _expected(track: Track, time: float) -> Region:
    dx, dy = track.speed.mean(axis=0) * (time - track.time)
    x, y, width, height = track.box
    return x + float(dx), y + float(dy), width, height


def _correct(track: Track, time: float, face: Face) -> None:
    seconds = max(time - track.time, 1e-3)
    guess = track.points + track.speed * seconds
    surprise = np.asarray(face.points, np.float32) - guess
    track.before = track.time, track.points
    track.points = np.asarray(guess + POSITION_GAIN * surprise, np.float32)
    track.speed = np.asarray(track.speed + SPEED_GAIN * surprise / seconds, np.float32)
    track.time, track.box, track.missed = time, face.box, 0


def _coast(track: Track, time: float) -> None:
    track.box = _expected(track, time)
    track.before = track.time, track.points
    track.points = np.asarray(track.points + track.speed * (time - track.time), np.float32)
    track.time, track.missed = time, track.missed + 1


def _match(expected: Sequence[Region], found: Sequence[Region]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs of one each, the greatest overlap first; then those of each side that are left over."""
    overlaps = sorted(
        ((overlap(one, other), row, column) for row, one in enumerate(expected) for column, other in enumerate(found)),
        reverse=True,
    )
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(len(expected))), set(range(len(found)))
    for share, row, column in overlaps:
        if share >= OVERLAP and row in rows and column in columns:
            pairs.append((row, column))
            rows.remove(row)
            columns.remove(column)
    return pairs, sorted(rows), sorted(columns)


def overlap(one: Region, other: Region) -> float:
    """Intersection over union of two boxes (x, y, width, height).

    >>> overlap((0, 0, 1, 1), (0.5, 0, 1, 1))
    0.3333333333333333
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
