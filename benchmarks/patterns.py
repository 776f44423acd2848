"""Line-up pictures, drawn from their descriptions apart from `vqa_agent.simulate`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from vqa_agent.simulate.scenes import Image

Tone = tuple[float, float, float]
"""R, G, B from 0 to 1."""

SEVEN: tuple[Tone, ...] = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1))
BLACK: Tone = (0, 0, 0)


def band(image: Image, top: float, bottom: float, tones: Sequence[Tone], widths: Sequence[float] | None = None) -> None:
    """Fill a band of rows (shares of the height) with columns."""
    height, width = image.shape[:2]
    edges = np.cumsum([0.0, *(widths or [1.0] * len(tones))])
    places = np.round(edges / edges[-1] * width).astype(int)
    for tone, (left, right) in zip(tones, itertools.pairwise(places), strict=True):
        image[round(top * height) : round(bottom * height), left:right] = np.round(np.array(tone) * 255)


def scaled(tones: Sequence[Tone], level: float) -> list[Tone]:
    return [(red * level, green * level, blue * level) for red, green, blue in tones]


def smpte_bars(width: int, height: int, level: float) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    seven = scaled(SEVEN, level)
    band(image, 0, 0.67, seven)
    band(image, 0.67, 0.75, [seven[6], BLACK, seven[4], BLACK, seven[2], BLACK, seven[0]])
    band(image, 0.75, 1, [(0, 0.13, 0.3), (1, 1, 1), (0.2, 0, 0.42), BLACK], [1, 1, 1, 3])
    return image


def ebu_bars(width: int, height: int, level: float) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    band(image, 0, 1, [(1, 1, 1), *scaled(SEVEN[1:], level), BLACK])
    return image


def arib_bars(width: int, height: int) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    grey: Tone = (0.4, 0.4, 0.4)
    shares = [1 / 8, *[3 / 28] * 7, 1 / 8]
    band(image, 0, 7 / 12, [grey, *scaled(SEVEN, 0.75), grey], shares)
    band(image, 7 / 12, 8 / 12, [(0, 1, 1), (0.75,) * 3, (0, 0, 1)], [1 / 8, 3 / 4, 1 / 8])
    ramp = [(step / 19,) * 3 for step in range(20)]
    band(image, 8 / 12, 9 / 12, [(1, 1, 0), *ramp, (1, 0, 0)], [1 / 8, *[3 / 80] * 20, 1 / 8])
    band(image, 9 / 12, 1, [(0.15,) * 3, BLACK, (1, 1, 1), BLACK, (0.15,) * 3], [1.2, 1.5, 2, 3, 1.2])
    return image


def pm5544(width: int, height: int) -> Image:
    """Like Philips PM5544: a grey grid, and in a circle bars, gratings, a cross and grey steps."""
    image = np.full((height, width, 3), 128, np.uint8)
    pitch = height / 15
    for line in range(1, 15):
        image[round(line * pitch) - 1 : round(line * pitch) + 1] = 255
    for line in range(-14, 15):
        column = round(width / 2 + (line + 0.5) * pitch)
        if 0 < column < width:
            image[:, column - 1 : column + 1] = 255
    inside = np.zeros_like(image)
    side = round(6.5 * pitch)
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (width // 2, height // 2), side, 255, -1)
    left, right = width // 2 - side, width // 2 + side
    view = inside[height // 2 - side : height // 2 + side, left:right]
    band(view, 0, 0.2, [(1, 1, 1), BLACK, (1, 1, 1)], [2, 3, 2])
    band(view, 0.2, 0.4, scaled(SEVEN[1:], 0.75))
    band(view, 0.4, 0.5, [((step % 2) * 1.0,) * 3 for step in range(90)])
    band(view, 0.5, 0.58, [BLACK, (1, 1, 1), BLACK], [10, 1, 10])
    band(view, 0.58, 0.75, [(step / 5,) * 3 for step in range(6)])
    band(view, 0.75, 0.87, [BLACK, (1, 1, 1), BLACK], [3, 1, 3])
    band(view, 0.87, 1, [(0.75, 0.75, 0), (0.75, 0, 0), (0.75, 0.75, 0)])
    return np.where(disc[..., None] > 0, inside, image).astype(np.uint8)
