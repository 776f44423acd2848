"""How programmes frame and move pictures: in bars, windows, beside each other, on pages; grown, zoomed, pushed.

Straight edges, and pictures that jump against each other, that are no damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import cv2
import numpy as np

from vqa_agent.simulate.scenes import Image, texture

Framing: TypeAlias = Callable[[list[Image], np.random.Generator], Iterator[Image]]

SHAPES = (9 / 16, 1.0, 4 / 3, 1.85, 2.39)
"""Width to height of material that does not fill the screen."""


def boxed(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Another shape within the screen, between bars of one colour or of the picture itself, blurred; or shrunk, too."""
    height, width = images[0].shape[:2]
    shape, share = float(rng.choice(SHAPES)), float(rng.choice([1.0, 1.0, rng.uniform(0.5, 0.95)]))
    w, h = (_even(share * min(side, other)) for side, other in ((width, height * shape), (height, width / shape)))
    x, y = (_on_grid((side - inner) // 2, rng) for side, inner in ((width, w), (height, h)))
    ground = _ground((width, height), rng)
    blurred, dim = rng.random() < 0.4, float(rng.uniform(0.4, 1.0))
    for image in images:
        out = ground.copy()
        if blurred:
            small = cv2.GaussianBlur(cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA), (0, 0), 2)
            out = cv2.convertScaleAbs(cv2.resize(small, (width, height)), alpha=dim)  # type: ignore[assignment]
        out[y : y + h, x : x + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
        yield out


def split(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Two to nine pictures at once: other moments or parts of the same, with or without a border."""
    height, width = images[0].shape[:2]
    columns, rows = ((2, 1), (1, 2), (3, 1), (2, 2), (3, 3))[int(rng.integers(5))]
    border = int(rng.choice([0, 0, 1, 2, 4, 8]))
    edges = [
        [0, *(_on_grid(side * number // parts, rng) for number in range(1, parts)), side]
        for side, parts in ((width, columns), (height, rows))
    ]
    ages = rng.integers(0, len(images), (rows, columns))
    zooms = rng.uniform(0.4, 1.0, (rows, columns))
    ground = _ground((width, height), rng)
    for number in range(len(images)):
        out = ground.copy()
        for row, column in np.ndindex(rows, columns):
            left, right = edges[0][column] + border, edges[0][column + 1]
            top, bottom = edges[1][row] + border, edges[1][row + 1]
            other = images[_there_and_back(number + int(ages[row, column]), len(images))]
            h, w = (int(side * zooms[row, column]) for side in other.shape[:2])
            out[top:bottom, left:right] = cv2.resize(
                other[(height - h) // 2 :][:h, (width - w) // 2 :][:, :w],
                (right - left, bottom - top),
                interpolation=cv2.INTER_AREA,
            )
        yield out


def page(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A page with blocks of text and the moving picture among them, scrolled steadily, in jerks, or not."""
    height, width = images[0].shape[:2]
    paper = np.full((3 * height, width, 3), rng.choice([255, 245, 30, int(rng.integers(256))]), np.uint8)
    scale = height / float(rng.uniform(300, 800))
    step = max(6, int(30 * scale))
    for top in range(step, len(paper) - step, step):
        if rng.random() < 0.8:
            words = "".join(rng.choice(list("aeinorstlmkdv    .,"), int(rng.integers(10, 90))))
            ink = [255] * 3 if paper.mean() < 128 else [int(v) for v in rng.integers(0, 90, 3)]
            cv2.putText(paper, words, (step, top), cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, ink, 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 6))):
        y, x = int(rng.integers(len(paper))), int(rng.integers(width))
        paper[y : y + int(rng.integers(step, height)), x : x + int(rng.integers(step, width))] = rng.integers(0, 256, 3)
    share = float(rng.uniform(0.3, 0.8))
    w, h = _even(width * share), _even(height * share)
    y, x = _on_grid(int(rng.integers(height, 2 * height)), rng), _on_grid(int(rng.integers(width - w + 1)), rng)
    speed, every = int(rng.choice([0, 2, 8, 24, 80])), int(rng.choice([1, 1, 5, 12]))
    for number, image in enumerate(images):
        paper[y : y + h, x : x + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
        top = min(2 * height, height // 2 + speed * (number // every))
        yield paper[top : top + height].copy()


def growing(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A second picture that flies in, grows or shrinks over the first, or the first itself over a ground."""
    height, width = images[0].shape[:2]
    second = _second(images, rng)
    below = list(np.broadcast_to(_ground((width, height), rng), (len(images), height, width, 3)))
    if rng.random() < 0.7:
        below, second = (images, second) if rng.random() < 0.8 else (second, images)
    places = np.array([_place((width, height), rng) for _ in range(2)])
    border, colour = int(rng.choice([0, 0, 1, 2, 4, 8])), rng.integers(0, 256, 3)
    for image, shown, moved in zip(below, second, _course(len(images), rng), strict=True):
        left, top, w, h = (int(side) for side in places[0] + moved * (places[1] - places[0]))
        out = image.copy()
        out[max(0, top - border) : top + h + border, max(0, left - border) : left + w + border] = colour
        inner = cv2.resize(shown, (w, h), interpolation=cv2.INTER_AREA)
        room = out[top : top + h, left : left + w]
        room[:] = inner[: room.shape[0], : room.shape[1]]
        yield out


def zoomed(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Into the picture or out of it, at any speed, or in jumps."""
    height, width = images[0].shape[:2]
    shares = rng.uniform(0.25, 1.0, 2)
    x, y = rng.uniform(0, 1, 2)
    for image, moved in zip(images, _course(len(images), rng), strict=True):
        share = shares[0] + moved * (shares[1] - shares[0])
        w, h = max(16, int(width * share)), max(16, int(height * share))
        left, top = int(x * (width - w)), int(y * (height - h))
        part = image[top : top + h, left : left + w]
        yield cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[misc]


def pushed(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A second picture comes in from a side and covers the first, or pushes it out; in one piece or in bands."""
    height, width = images[0].shape[:2]
    across, pushes = rng.random() < 0.6, rng.random() < 0.5
    length, side = (width, height) if across else (height, width)
    bands = int(rng.choice([1, 1, 2, 4, 8]))
    second, turned = _second(images, rng), bool(rng.random() < 0.5)
    for image, other, moved in zip(images, second, _course(len(images), rng), strict=True):
        out = image.copy()
        for band in range(bands):
            along = slice(band * side // bands, (band + 1) * side // bands)
            come = int(length * min(1.0, max(0.0, moved * (1 + 0.1 * (bands - 1)) - 0.1 * band)))
            old, new, room = (each[along] if across else each[:, along].swapaxes(0, 1) for each in (image, other, out))
            if turned:
                old, new, room = (each[:, ::-1] for each in (old, new, room))
            if pushes:
                room[:, come:] = old[:, : length - come]
            room[:, :come] = new[:, length - come :]
        yield out


def _second(images: list[Image], rng: np.random.Generator) -> list[Image]:
    """Another picture: a part of the same at another moment, mirrored or graded."""
    height, width = images[0].shape[:2]
    share, gain = float(rng.uniform(0.35, 1.0)), float(rng.uniform(0.6, 1.4))
    w, h = int(width * share), int(height * share)
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    age, mirrored = int(rng.integers(len(images))), rng.random() < 0.5
    others = (images[_there_and_back(number + age, len(images))] for number in range(len(images)))
    parts = (other[top : top + h, left : left + w][:, :: -1 if mirrored else 1] for other in others)
    return [_resized(part, (width, height), gain) for part in parts]


def _resized(image: Image, size: tuple[int, int], gain: float) -> Image:
    return np.asarray(cv2.convertScaleAbs(cv2.resize(image, size), alpha=gain), np.uint8)


def _place(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, width and height of a picture within one of `size`; of its shape or of another one."""
    share, shape = rng.uniform(0.1, 0.95), rng.choice([1.0, 1.0, rng.uniform(0.5, 1.5)])
    w, h = (
        _even(side * float(np.clip(part, 0.08, 1.0))) for side, part in zip(size, (share, share * shape), strict=True)
    )
    left, top = (_on_grid(int(rng.integers(side - inner + 1)), rng) for side, inner in zip(size, (w, h), strict=True))
    return left, top, w, h


def _course(count: int, rng: np.random.Generator) -> list[float]:
    """How far a movement has come (0..1) at each of `count` pictures: at once, quickly or slowly, eased or not."""
    length = int(rng.choice([1, 5, 12, count, 2 * count]))
    begin = int(rng.integers(-length // 2, max(1, count - length // 2)))
    moved = np.clip((np.arange(count) - begin) / length, 0, 1)
    return list(moved * moved * (3 - 2 * moved) if rng.random() < 0.6 else moved)


def _ground(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Black, one colour, or a pattern."""
    kind = rng.choice(["black", "colour", "pattern"])
    if kind == "pattern":
        return texture(*size, rng, 1.3)
    colour = rng.integers(0, 256, 3) if kind == "colour" else np.zeros(3)
    return np.broadcast_to(colour.astype(np.uint8), (size[1], size[0], 3)).copy()


def _on_grid(place: int, rng: np.random.Generator) -> int:
    """On the coder's grid, half of the time."""
    return place // 16 * 16 if rng.random() < 0.5 else place


def _even(length: float) -> int:
    return max(16, int(length) // 2 * 2)


def _there_and_back(number: int, count: int) -> int:
    """A place among `count` ones that are played forward and backward by turns."""
    place = number % (2 * count)
    return place if place < count else 2 * count - 1 - place


FRAMINGS: tuple[Framing, ...] = (boxed, split, split, page, growing, growing, growing, zoomed, pushed)
