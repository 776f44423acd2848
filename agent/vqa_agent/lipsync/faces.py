"""Faces in a picture: box and five points, by the network `face`, from the reduced luma and chroma.

The network is anchor-free: at strides of 8, 16 and 32 px each cell of its 320 x 192 input says how sure it is to lie
at the middle of a face, and where that face's sides and points are. It is trained in `quantize/face`.
Source of the form: W. Wu, H. Peng, S. Yu, YuNet: A Tiny Millisecond-level Face Detector, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.infer import Backend, Model, open_model
from vqa_agent.media import Picture, Plane

Array = NDArray[np.float32]

WIDTH: Final = 320
HEIGHT: Final = 192
STRIDES: Final = (8, 16, 32)
POINTS: Final = 5

SAME = 0.4
"""Boxes that overlap by more than this (intersection over union) are one face."""

AVERAGED = 0.6
"""Boxes that overlap the best one by more than this take part in the mean that is reported: it trembles less."""


@dataclass(frozen=True, slots=True)
class Face:
    """`box` is x, y, width, height, from forehead to chin. `points` (5, 2) are x, y of the outer corner of the left and
    of the right eye, the tip of the nose, the left and the right corner of the mouth, left as seen in the picture. All
    are fractions of the picture."""

    box: tuple[float, float, float, float]
    points: Array
    score: float


class FaceFinder:
    """Opens its network at the first look."""

    def __init__(self, backend: Backend | Literal["auto"] = "auto") -> None:
        self.backend = backend

    @cached_property
    def _model(self) -> Model:
        return open_model("face", self.backend)

    def find(self, picture: Picture) -> list[Face]:
        """The faces of a picture, the surest first."""
        logits, shapes = self._model.run(network_input(picture))
        scores, boxes, points = decode(logits[0], shapes[0], self._model.info.thresholds["score"])
        scores, boxes, points = merge(scores, boxes, points)
        filled = extent(picture.width, picture.height)
        corners, sizes = boxes[:, :2] / filled, boxes[:, 2:] / filled
        return [_face(*each) for each in zip(scores, corners, sizes, points / filled, strict=True)]


def extent(width: int, height: int) -> Array:
    """Columns and rows of the network's input that a picture of this shape fills, from the upper left corner."""
    scale = min(WIDTH / width, HEIGHT / height)
    return np.array([max(1, round(width * scale)), max(1, round(height * scale))], np.float32)


def network_input(picture: Picture) -> Array:
    """(1, 3, 192, 320): luma and both chroma planes, black to white -0.5 to 0.5, chroma likewise; zero beside it."""
    levels = picture.levels
    planes = [(picture.small, levels.black + levels.span / 2, levels.span)]
    planes += [(plane, 128, levels.span) for plane in picture.small_chroma or ()]
    return letterbox(planes, extent(picture.width, picture.height))


def letterbox(planes: Sequence[tuple[Plane, float, float]], size: Array) -> Array:
    """Planes, each with its zero and its span in code values, scaled to `size` (columns, rows) and stacked."""
    columns, rows = int(size[0]), int(size[1])
    stacked = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    for channel, (plane, zero, span) in enumerate(planes):
        scaled = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR)
        stacked[0, channel, :rows, :columns] = (scaled - np.float32(zero)) * np.float32(1 / span)
    return stacked


def cells() -> tuple[Array, Array]:
    """(n, 2) centres x, y and (n,) strides, in pixels, of the network's cells in the order of its outputs."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: HEIGHT // stride, : WIDTH // stride]
        centres.append((np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5) * stride)
        strides.append(np.full(rows.size, stride))
    return np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32)


_CENTRES, _STRIDES = cells()


def decode(logits: Array, shapes: Array, threshold: float) -> tuple[Array, Array, Array]:
    """Scores (k,), boxes (k, 4) and points (k, 5, 2), in pixels of the input, of the cells that reach `threshold`.

    logits: (n,), the score before the sigmoid. shapes: (n, 14): centre of the box and logarithm of its size, then
    the points; all in strides, relative to the middle of the cell.
    """
    sure = np.flatnonzero(logits >= np.log(threshold / (1 - threshold)))
    centres, strides, found = _CENTRES[sure], _STRIDES[sure, None], shapes[sure]
    size = np.exp(np.minimum(found[:, 2:4], 4)) * strides
    corner = centres + found[:, :2] * strides - size / 2
    points = centres[:, None] + found[:, 4:].reshape(-1, POINTS, 2) * strides[:, None]
    scores = np.asarray(1 / (1 + np.exp(-logits[sure])), np.float32)
    return scores, np.concatenate([corner, size], axis=1), points


def merge(scores: Array, boxes: Array, points: Array) -> tuple[Array, Array, Array]:
    """One face for each group of overlapping boxes, the surest first: the score of its best, the mean of its best few.

    A mean, weighted by score, of the cells that see the same face, is steadier from picture to picture than the best
    of them, and the mouth is cut out by these points.
    """
    left = np.argsort(-scores)
    kept: list[tuple[np.float32, Array, Array]] = []
    while left.size:
        overlap = overlaps(boxes[left[0]], boxes[left])
        alike = left[overlap >= AVERAGED]
        weights = scores[alike] / scores[alike].sum()
        kept.append((scores[left[0]], weights @ boxes[alike], np.tensordot(weights, points[alike], axes=1)))
        left = left[overlap <= SAME]
    if not kept:
        return scores, boxes, points
    best, box, point = zip(*kept, strict=True)
    return np.array(best, np.float32), np.array(box, np.float32), np.array(point, np.float32)


def overlaps(box: Array, boxes: Array) -> Array:
    """(k,) intersection over union of one box with each of (k, 4) boxes; x, y, width, height."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    return np.asarray(shared / (box[2:].prod() + boxes[:, 2:].prod(axis=1) - shared))


def _face(score: np.float32, corner: Array, size: Array, points: Array) -> Face:
    box = (float(corner[0]), float(corner[1]), float(size[0]), float(size[1]))
    return Face(box, points, float(score))
