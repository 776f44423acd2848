"""Drawn people: faces as the detector gives them, and pictures in which a mouth opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from vqa_agent.lipsync.faces import Face
from vqa_agent.media import Picture

SIZE = (640, 360)

UPRIGHT = np.array([[-0.5, -0.7], [0.5, -0.7], [0.0, -0.2], [-0.3, 0.25], [0.3, 0.25]], np.float32)
"""Points of a face around its middle, in units of the distance of its eyes."""


def face(x: float = 320, y: float = 180, eyes: float = 80, turn: float = 0.0, size: tuple[int, int] = SIZE) -> Face:
    """A face at x, y (pixels) whose eyes are `eyes` pixels apart, turned by `turn` radians."""
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = UPRIGHT * eyes @ rotation + (x, y)
    box = (x - eyes, y - 1.2 * eyes, 2 * eyes, 2.2 * eyes)
    scaled = [part / size[number % 2] for number, part in enumerate(box)]
    return Face((scaled[0], scaled[1], scaled[2], scaled[3]), (points / size).astype(np.float32), 0.9)


def portrait(opening: float = 0.0, at: Face | None = None, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Luma of a grey face with a dark mouth; `opening` is its height as a share of the distance of the eyes."""
    points = (at or face()).points * size
    luma = np.full(size[::-1], 60, np.uint8)
    left, right = points[3], points[4]
    centre = (points[0] + points[1] + left + right) / 4
    width = float(np.hypot(*(right - left)))
    angle = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    cv2.ellipse(luma, _pair(centre), _pair((2.2 * width, 2.8 * width)), angle, 0, 360, 170, -1)
    mouth = _pair((left + right) / 2)
    cv2.ellipse(luma, mouth, _pair((width / 2, max(1.0, opening * width))), angle, 0, 360, 40, -1)
    return luma


def _pair(values: Sequence[float] | np.ndarray) -> tuple[int, int]:
    return round(float(values[0])), round(float(values[1]))


def filmed(
    seconds: float, rate: float = 25.0, opening: Callable[[float], float] = lambda time: 0.0, start: float = 0.0
) -> Iterator[Picture]:
    """A face in the middle whose mouth opens as `opening` of the media second says."""
    before = None
    for number in range(round(seconds * rate)):
        time = start + number / rate
        luma = portrait(opening(time))
        before = Picture(time=time, duration=1 / rate, luma=luma, previous=before, index=number)
        yield before
