"""The mouth, cut out of a picture: turned upright, brought to one size, at the picture's native resolution.

The cut follows from five points alone (both eyes, nose, both corners of the mouth), so that any face detector that
gives these will do.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Picture, Plane

Points = NDArray[np.float32]
"""(5, 2) left eye, right eye, nose, left and right corner of the mouth; x, y in fractions of the picture."""

HEIGHT, WIDTH = 48, 64
"""Rows and columns of a cut."""

SPAN = 1.6
"""Width of a cut in units of the face's size (see `frame_of`): about 10 cm, from the nostrils to the chin."""

DROP = 0.12
"""How far below the line of the lips a cut is centred, in units of the face's size: the jaw moves down."""

LIMIT = 3.0
"""Greatest value of a normalised cut, in standard deviations."""


def frame_of(points: Points, width: int, height: int) -> tuple[NDArray[np.float64], float, float]:
    """Centre of the cut (x, y in pixels), the face's size in pixels, and its turn in radians.

    The size is the distance of the eyes or from eyes to mouth, whichever is larger: a head that turns aside shortens
    the first, one that nods the second, and on an upright face they are alike.
    """
    eye_left, eye_right, _, lip_left, lip_right = points.astype(np.float64) * (width, height)
    eyes, lips = (eye_left + eye_right) / 2, (lip_left + lip_right) / 2
    across = (eye_right - eye_left) + (lip_right - lip_left)
    down = lips - eyes
    size = max(float(np.hypot(*(eye_right - eye_left))), float(np.hypot(*down)), 1.0)
    # In profile the line of the eyes is short and says little: the line down the face counts as well.
    turn = float(np.arctan2(across[1] - down[0], across[0] + down[1]))
    centre = lips + DROP * size * np.array([-np.sin(turn), np.cos(turn)])
    return centre, size, turn


def cut_mouth(picture: Picture, points: Points, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Plane:
    """The mouth in `shape` (rows, columns) of 8-bit luma; a larger shape shows more around it at the same scale.

    What lies outside of the picture repeats its edge.
    """
    centre, size, turn = frame_of(points, picture.width, picture.height)
    scale = SPAN * size / WIDTH
    rows, columns = shape
    reach = int(np.ceil(0.5 * scale * float(np.hypot(rows, columns)))) + 2
    left, top = (max(0, int(place) - reach) for place in centre)
    patch = picture.luma[top : int(centre[1]) + reach, left : int(centre[0]) + reach]
    if patch.size == 0:
        return np.zeros(shape, np.uint8)
    if picture.depth > 8:
        patch = (patch >> (picture.depth - 8)).astype(np.uint8)
    # Shrinking by more than two in one bilinear step would leave pixels out.
    shrink = max(1, int(scale))
    if shrink > 1 and min(patch.shape) >= shrink:
        even = patch[: patch.shape[0] // shrink * shrink, : patch.shape[1] // shrink * shrink]
        smaller = even.shape[1] // shrink, even.shape[0] // shrink
        patch = np.asarray(cv2.resize(even, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        shrink = 1
    turned = scale / shrink * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = (centre - (left, top) + 0.5) / shrink - 0.5
    corner = middle - turned @ ((columns - 1) / 2, (rows - 1) / 2)
    warp = np.column_stack([turned, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(patch, warp, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def normalise(cuts: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Cuts of one face, (n, rows, columns), in standard deviations from their common mean, within +-`LIMIT`."""
    values = cuts.astype(np.float32)
    spread = max(float(values.std()), 1.0)
    return np.asarray(np.clip((values - float(values.mean())) / spread, -LIMIT, LIMIT), np.float32)


def movement(cuts: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n,) how much the middle of each cut differs from the one before, as a share of the cuts' contrast."""
    rows, columns = cuts.shape[1:]
    middle = cuts[:, rows // 4 : -rows // 4, columns // 4 : -columns // 4].astype(np.float32)
    change = np.abs(np.diff(middle, axis=0, prepend=middle[:1])).mean(axis=(1, 2))
    return np.asarray(change / max(float(middle.std()), 1.0), np.float32)
