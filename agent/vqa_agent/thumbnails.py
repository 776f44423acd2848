"""Remembers what the pictures looked like, so that a report can show the one at which an event began."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.detect.interface import Finding
from vqa_agent.event import State
from vqa_agent.judge import Decision
from vqa_agent.media import FULL, Picture, Plane, Sample

RECENT_PICTURES = 200
"""Pictures kept as they are: enough for the window of every counted rule at 25 a second (some 40 MB)."""

STEP, MEMORY = 0.5, 600
"""Of older pictures one every `STEP` media seconds is kept, as JPEG, and the last `MEMORY` of those (5 minutes)."""

WIDTH = 320


class Thumbnails:
    """A watcher of an analysis; `by_event` holds the JPEG of each event by its id, and `times` its media second."""

    def __init__(self) -> None:
        self.by_event: dict[str, bytes] = {}
        self.times: dict[str, float] = {}
        self._recent: deque[Picture] = deque(maxlen=RECENT_PICTURES)
        self._older: deque[tuple[float, bytes]] = deque(maxlen=MEMORY)

    def __call__(self, sample: Sample | None, findings: Iterable[Finding], decisions: Iterable[Decision]) -> None:
        if isinstance(sample, Picture):
            self._remember(sample)
        for decision in decisions:
            if decision.state is State.OPEN:
                self._take(decision)

    def _remember(self, picture: Picture) -> None:
        if not self._older or picture.time - self._older[-1][0] >= STEP:
            self._older.append((picture.time, jpeg(picture)))
        self._recent.append(_without_frame(picture))

    def _take(self, decision: Decision) -> None:
        """The first picture at or after the event's start; where only older ones are known, the last before it."""
        exact = next((picture for picture in self._recent if picture.time >= decision.start), None)
        if exact is not None and (exact is not self._recent[0] or not self._older):
            self.times[decision.id], self.by_event[decision.id] = exact.time, jpeg(exact)
            return
        after = (kept for kept in self._older if kept[0] >= decision.start)
        best = next(after, self._older[-1] if self._older else None)
        if best is not None:
            self.times[decision.id], self.by_event[decision.id] = best


def _without_frame(picture: Picture) -> Picture:
    """A picture of the reduced planes alone, so that the decoder's memory is given back."""
    chroma = picture.small_chroma
    return Picture(
        time=picture.time, duration=picture.duration, luma=picture.small, chroma=chroma, levels=picture.levels
    )


def jpeg(picture: Picture, width: int = WIDTH) -> bytes:
    """The picture in colour, `width` pixels wide, as JPEG."""
    height = max(2, round(width * picture.height / picture.width))
    luma = _full_range(cv2.resize(picture.small, (width, height), interpolation=cv2.INTER_AREA), picture)
    planes = [luma] * 3
    if picture.small_chroma is not None:
        blue, red = (cv2.resize(plane, (width, height)) for plane in picture.small_chroma)
        planes = [luma, np.asarray(red), np.asarray(blue)]
        image = cv2.cvtColor(np.ascontiguousarray(np.dstack(planes)), cv2.COLOR_YCrCb2BGR)
    else:
        image = np.ascontiguousarray(np.dstack(planes))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return data.tobytes()


def _full_range(luma: NDArray[np.generic], picture: Picture) -> Plane:
    if picture.levels == FULL:
        return np.asarray(luma, dtype=np.uint8)
    scaled = (luma.astype(np.float32) - picture.levels.black) * (255 / picture.levels.span)
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)
