"""Training samples: faces, persons and whole pictures pasted into others, at every size, and made worse.

A sample is (192, 320, 3) uint8 YCbCr, as the agent's letterbox gives it but in full range, with up to `MOST` faces
(7, 2: corners of the box and points, in pixels) and up to `MOST` doubtful boxes (2, 2), both padded with NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from quantize.face.sources import Labelled
from vqa_agent.lipsync.faces import HEIGHT, WIDTH

Pixels = NDArray[np.uint8]
Shapes = NDArray[np.float32]
Rng = np.random.Generator

MOST = 16
MIRRORED = [0, 1, 3, 2, 4, 6, 5]
"""Which corner and point is where after a flip: the left eye is the right one, the corners of the box stay in order."""

COVERED = 0.4
"""A face of which more than this share is covered or beyond the edge may be found or not: it is doubtful."""

Corpus = tuple[list[Labelled], list[Labelled]]


def make_samples(
    pictures: Sequence[Labelled], settings: Mapping[str, Any], rng: Rng, progress: Callable[[Any], Any] = iter
) -> dict[str, Any]:
    """Arrays "pixels" (n, 192, 320, 3), "faces" (n, MOST, 7, 2) and "doubtful" (n, MOST, 2, 2)."""
    corpus = by_person(pictures), [each for each in pictures if each.is_empty]
    count = settings["samples"]
    pixels = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    faces = np.full((count, MOST, 7, 2), np.nan, np.float32)
    doubtful = np.full((count, MOST, 2, 2), np.nan, np.float32)
    for number in progress(range(count)):
        sample = Sample(corpus, settings, rng)
        pixels[number] = sample.finished()
        for array, values in ((faces, sample.faces), (doubtful, sample.doubtful)):
            chosen = values[:MOST]
            array[number, : len(chosen)] = np.array(chosen).reshape(len(chosen), *array.shape[2:])
    return {"pixels": pixels, "faces": faces, "doubtful": doubtful}


def network_inputs(pixels: Pixels) -> Shapes:
    """(n, 3, 192, 320) from samples: as `vqa_agent.lipsync.faces.network_input`, from YCbCr in full range."""
    return (pixels.transpose(0, 3, 1, 2).astype(np.float32) - np.float32(128)) * np.float32(1 / 255)


def by_person(pictures: Sequence[Labelled]) -> list[list[Labelled]]:
    """Pictures with faces, grouped by source: every person is drawn as often, however many pictures there are."""
    groups: dict[str, list[Labelled]] = {}
    for each in pictures:
        if each.has_faces:
            groups.setdefault(each.source, []).append(each)
    return list(groups.values())


class Sample:
    """One picture in the making."""

    def __init__(self, corpus: Any, settings: Mapping[str, Any], rng: Rng) -> None:
        self._persons, self._empty = corpus
        self._settings = settings
        self._rng = rng
        self.faces: list[Shapes] = []
        self.doubtful: list[Shapes] = []
        self.canvas = self._background()
        kind = rng.random()
        if kind > settings["empty"] + settings["crowd"]:
            self._one()
        elif kind > settings["empty"]:
            self._several()

    def finished(self) -> Pixels:
        """The sample as YCbCr."""
        if self._rng.random() < 0.15:
            self._strip()
        worse = worsen(self.canvas, self._rng)
        return np.asarray(cv2.cvtColor(worse, cv2.COLOR_BGR2YCrCb)[..., [0, 2, 1]], np.uint8)

    def _background(self) -> Pixels:
        rng = self._rng
        if rng.random() < 0.85:
            picture = self._empty[rng.integers(len(self._empty))].pixels
            return crop(picture, rng)
        return drawn(rng)

    def _one(self) -> None:
        """A picture as it is, panned and zoomed until one of its faces has the size that was drawn."""
        picture, face = self._draw()
        tall = float(face[1, 1] - face[0, 1])
        height = self._height(tall, largest=self._settings["tallest"])
        place = self._rng.uniform((0.1, 0.15), (0.9, 0.85)) * (WIDTH, HEIGHT)
        self._paste(picture, face, height / tall, place, "whole")

    def _several(self) -> None:
        """A wall of pictures, or heads and busts among other things."""
        rng = self._rng
        across, down = [(2, 1), (2, 2), (3, 2), (4, 2), (4, 3), (5, 3)][rng.integers(6)]
        cell = np.array([WIDTH / across, HEIGHT / down])
        for number in rng.permutation(across * down)[: rng.integers(1, MOST)]:
            picture, face = self._draw()
            tall = float(face[1, 1] - face[0, 1])
            height = self._height(tall, largest=0.75 * cell[1])
            place = cell * (number % across, number // across) + cell * rng.uniform(0.35, 0.65, 2)
            self._paste(picture, face, height / tall, place, ("head", "bust", "whole")[rng.integers(3)], cell)

    def _draw(self) -> tuple[Labelled, Shapes]:
        person = self._persons[self._rng.integers(len(self._persons))]
        picture = person[self._rng.integers(len(person))]
        return picture, picture.faces[self._rng.integers(len(picture.faces))]

    def _height(self, tall: float, largest: float) -> float:
        """Of a face, in pixels: as often from 12 to 24 as from 24 to 48; never more than twice what the source has."""
        low, high = np.log(self._settings["smallest"]), np.log(max(14.0, min(largest, 2.2 * tall)))
        return float(np.exp(self._rng.uniform(low, high)))

    def _paste(
        self, picture: Labelled, face: Shapes, scale: float, place: Any, form: str, cell: Any = (WIDTH, HEIGHT)
    ) -> None:
        """Put `picture` where the middle of `face` comes to `place`: its head or bust alone, or a window of it."""
        rng = self._rng
        mirror = rng.random() < 0.5
        matrix = motion(face[:2].mean(axis=0), place, scale, rng, mirror)
        pixels, matrix_in = prescaled(picture.pixels, matrix, scale)
        warped = cv2.warpAffine(pixels, matrix_in, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        mask = self._mask(picture, face, matrix, form, place, cell)
        self.canvas = blended(self.canvas, np.asarray(warped, np.uint8), mask)
        self._cover(mask)
        for each in picture.faces:
            self._mark(moved(each, matrix, mirror), mask)
        self.doubtful += [box for box in (hull(each, matrix) for each in picture.doubtful) if inside(box, mask) > 0]

    def _mask(self, picture: Labelled, face: Shapes, matrix: Any, form: str, place: Any, cell: Any) -> Shapes:
        """(192, 320) 0 to 1: where the pasted picture is seen."""
        height, width = picture.pixels.shape[:2]
        seen = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (WIDTH, HEIGHT))
        if form == "whole" and tuple(cell) == (WIDTH, HEIGHT):
            return np.asarray(seen, np.float32)
        window = np.zeros((HEIGHT, WIDTH), np.float32)
        size = (face[1] - face[0]) * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        if form == "whole":
            low, high = np.subtract(place, np.divide(cell, 2)), np.add(place, np.divide(cell, 2))
            window[max(0, int(low[1])) : max(0, int(high[1])), max(0, int(low[0])) : max(0, int(high[0]))] = 1
            return np.asarray(window * seen, np.float32)
        grown = size * (self._rng.uniform(0.75, 1.0) if form == "head" else self._rng.uniform(1.0, 1.5))
        middle = (float(place[0]), float(place[1] + (0.0 if form == "head" else 0.35 * size[1])))
        cv2.ellipse(window, (middle, (float(2 * grown[0]), float(2 * grown[1])), 0.0), 1.0, -1)
        soft = max(0.6, 0.05 * float(size[1]))
        return np.asarray(cv2.GaussianBlur(window, (0, 0), soft) * seen, np.float32)

    def _cover(self, mask: Shapes) -> None:
        """Faces that were there and now lie under `mask` are gone, or doubtful."""
        kept = []
        for face in self.faces:
            hidden = inside(face[:2], mask)
            if hidden <= COVERED / 2:
                kept.append(face)
            elif hidden < 0.9:
                self.doubtful.append(face[:2])
        self.faces = kept

    def _mark(self, face: Shapes, mask: Shapes) -> None:
        seen, height = inside(face[:2], mask), float(face[1, 1] - face[0, 1])
        if seen <= 0.05:
            return
        if seen < 1 - COVERED or height < self._settings["smallest"]:
            self.doubtful.append(face[:2])
        else:
            self.faces.append(face)
            if self._rng.random() < 0.15:
                self._occlude(face)

    def _occlude(self, face: Shapes) -> None:
        """Something before a part of a face: a microphone, a hand, a bar."""
        rng = self._rng
        size = face[1] - face[0]
        middle = face[0] + size * rng.uniform(0, 1, 2) ** 0.5 * (1, 1.1)
        colour = tuple(int(each) for each in rng.integers(0, 256, 3))
        form = ((float(middle[0]), float(middle[1])), tuple(float(v) for v in size * rng.uniform(0.15, 0.5, 2)), 30.0)
        cv2.ellipse(self.canvas, form, colour, -1)

    def _strip(self) -> None:
        """A caption across the lower third, in front of everything."""
        rng = self._rng
        top = int(HEIGHT * rng.uniform(0.7, 0.9))
        bottom = min(HEIGHT, top + int(rng.integers(10, 30)))
        cv2.rectangle(self.canvas, (0, top), (WIDTH, bottom), rng.integers(0, 256, 3).tolist(), -1)
        text = "".join(chr(letter) for letter in rng.integers(65, 90, 30))
        cv2.putText(self.canvas, text, (8, bottom - 4), 0, rng.uniform(0.3, 0.6), rng.integers(0, 256, 3).tolist(), 1)
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        mask[top:bottom] = 1
        self._cover(mask)


def motion(middle: Any, place: Any, scale: float, rng: Rng, mirror: bool) -> NDArray[np.float64]:
    """(2, 3): scales, turns, stretches and mirrors a picture and brings `middle` to `place`."""
    angle = np.radians(rng.normal(0, 8) if rng.random() < 0.8 else rng.uniform(-35, 35))
    stretch = np.exp(rng.normal(0, 0.07))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([scale * stretch * (-1 if mirror else 1), scale / stretch])
    return np.hstack([linear, (place - linear @ middle)[:, None]])


def prescaled(pixels: Pixels, matrix: NDArray[np.float64], scale: float) -> tuple[Pixels, NDArray[np.float64]]:
    """The picture reduced by area first where much is to be reduced, which a warp does not do, and its matrix."""
    factor = 1.0
    while scale / factor < 0.6:
        factor /= 2
    if factor == 1.0:
        return pixels, matrix
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    ratio = np.array(small.shape[1::-1]) / np.array(pixels.shape[1::-1])
    return np.asarray(small, np.uint8), np.hstack([matrix[:, :2] / ratio, matrix[:, 2:]])


def moved(face: Shapes, matrix: NDArray[np.float64], mirror: bool) -> Shapes:
    """A face after a motion. Its box is that of the turned ellipse that filled the box before."""
    points = face[2:] @ matrix[:, :2].T + matrix[:, 2]
    shape = np.vstack([hull(face[:2], matrix), points])
    return np.asarray(shape[MIRRORED] if mirror else shape, np.float32)


def hull(box: Shapes, matrix: NDArray[np.float64]) -> Shapes:
    """Corners (2, 2) of the ellipse in `box` after a motion."""
    middle = matrix[:, :2] @ box.mean(axis=0) + matrix[:, 2]
    half = np.sqrt(((matrix[:, :2] * (box[1] - box[0]) / 2) ** 2).sum(axis=1))
    return np.asarray([middle - half, middle + half], np.float32)


def inside(box: Shapes, mask: Shapes) -> float:
    """Share of a box that is covered by a mask."""
    (left, top), (right, bottom) = np.round(box).astype(int)
    area = max(1, (right - left) * (bottom - top))
    return float(mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)].sum() / area)


def blended(below: Pixels, above: Pixels, mask: Shapes) -> Pixels:
    weight = mask[..., None]
    return np.asarray(above * weight + below * (1 - weight), np.uint8)


def crop(picture: Pixels, rng: Rng) -> Pixels:
    """A part of a picture, from a sixth of its width to all of it, scaled to the sample's size."""
    height, width = picture.shape[:2]
    share = np.exp(rng.uniform(np.log(0.17), 0))
    columns = max(24, int(share * min(width, height * WIDTH / HEIGHT)))
    rows = min(height, int(columns * HEIGHT / WIDTH * np.exp(rng.normal(0, 0.1))))
    left, top = rng.integers(0, width - columns + 1), rng.integers(0, height - rows + 1)
    part = picture[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return np.asarray(cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def drawn(rng: Rng) -> Pixels:
    """Flat colours, slopes, discs, lines and letters: what graphics and test pictures are made of."""
    first, second = rng.integers(0, 256, (2, 3))
    slope = np.linspace(0, 1, WIDTH)[None, :, None] if rng.random() < 0.5 else np.linspace(0, 1, HEIGHT)[:, None, None]
    canvas = np.ascontiguousarray(np.broadcast_to(first + (second - first) * slope, (HEIGHT, WIDTH, 3)), np.uint8)
    for _ in range(rng.integers(0, 12)):
        place = tuple(int(each) for each in rng.integers(0, (WIDTH, HEIGHT)))
        other = tuple(int(each) for each in rng.integers(0, (WIDTH, HEIGHT)))
        colour = rng.integers(0, 256, 3).tolist()
        kind = rng.integers(4)
        if kind == 0:
            cv2.circle(canvas, place, int(rng.integers(3, 60)), colour, int(rng.choice([-1, 2])))
        elif kind == 1:
            cv2.rectangle(canvas, place, other, colour, int(rng.choice([-1, 1])))
        elif kind == 2:
            cv2.line(canvas, place, other, colour, int(rng.integers(1, 6)))
        else:
            cv2.putText(canvas, str(rng.integers(10**6)), place, 0, rng.uniform(0.3, 2), colour, 2)
    return canvas


def worsen(picture: Pixels, rng: Rng) -> Pixels:
    """Light, colour, focus, motion, noise and codec, each of them sometimes."""
    picture = lit(picture, rng)
    if rng.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.8)), np.uint8)
    if rng.random() < 0.1:
        kernel = np.zeros((9, 9), np.float32)
        reach = int(rng.integers(1, 5))
        cv2.line(kernel, (4 - reach, 4), (4 + reach, 4 + int(rng.integers(-2, 3))), 1.0, 1)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
    if rng.random() < 0.35:
        noise = rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * rng.uniform(1, 12)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 85))]
        picture = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return picture


def lit(picture: Pixels, rng: Rng) -> Pixels:
    """Gamma, gain, lift and a cast, by one table per channel; a few are very dark."""
    gain = rng.uniform(0.12, 0.5) if rng.random() < 0.12 else rng.uniform(0.7, 1.25)
    level = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.3)) * gain + rng.normal(0, 0.05)
    cast = 1 + rng.normal(0, 0.08, 3)
    table = np.clip(level[:, None] * cast * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), np.uint8)
