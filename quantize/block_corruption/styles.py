"""Damage drawn into clean pictures: what decoders leave behind, in more ways than a few encoders can show.

Each style changes the blocks that `mask` marks (height / block, width / block) in `image`, in place, with `old`, an
earlier picture, at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.simulate.scenes import Image

Mask: TypeAlias = NDArray[np.bool_]
Style: TypeAlias = Callable[[Image, Image, Mask, int, np.random.Generator], None]

DEAD_COLOURS = ((0, 135, 0), (128, 128, 128), (255, 90, 250), (0, 77, 0), (0, 0, 0), (235, 235, 235))
"""What planes that were never written look like: green, grey, pink, dark green; black and white."""


def displaced(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Blocks from another place, as wrong motion vectors bring them."""
    height, width = image.shape[:2]
    before = image.copy() if rng.random() < 0.5 else old
    reach = int(rng.choice([8, 40, 200]))
    for row, column in np.argwhere(mask):
        y, x = row * block, column * block
        dy, dx = (int(v) for v in rng.integers(-reach, reach + 1, 2))
        ys, xs = min(max(0, y + dy), height - block), min(max(0, x + dx), width - block)
        piece = image[y : y + block, x : x + block]
        piece[:] = before[ys : ys + piece.shape[0], xs : xs + piece.shape[1]]


def flat(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Blocks of one colour each: their mean, that of a neighbour, or any."""
    wild = rng.random() < 0.3
    for row, column in np.argwhere(mask):
        piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        piece[:] = rng.integers(0, 256, 3) if wild else image[max(0, row * block - 3), max(0, column * block - 3)]


def dead(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Memory that was never written."""
    image[_pixels(mask, block, image)] = DEAD_COLOURS[int(rng.integers(len(DEAD_COLOURS)))]


def stale(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """What an older picture showed there."""
    marked = _pixels(mask, block, image)
    image[marked] = old[marked]


def tinted(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Lost chroma: the brightness stays, the colour goes."""
    marked = _pixels(mask, block, image)
    shift = rng.integers(-90, 91, 3) - rng.integers(0, 40)
    image[marked] = np.clip(image[marked].astype(np.int16) + shift, 0, 255).astype(np.uint8)


def waves(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Wrong coefficients: each block with some cosine patterns of its own over it, in grey or in colour."""
    steps = np.arange(block) + 0.5
    count, channels = int(rng.choice([1, 2, 5])), int(rng.choice([1, 3]))
    for row, column in np.argwhere(mask):
        piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        pattern = np.zeros((block, block, channels))
        for u, v in rng.integers(0, min(8, block), (count, 2)):
            wave = np.outer(np.cos(np.pi * u * steps / block), np.cos(np.pi * v * steps / block))
            pattern += wave[..., None] * rng.uniform(-110, 110, channels) / np.sqrt(count)
        pattern = pattern[: piece.shape[0], : piece.shape[1]]
        piece[:] = np.clip(piece * rng.uniform(0.3, 1.0) + rng.uniform(0, 40) + pattern, 0, 255).astype(np.uint8)


def drifting(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """A wrong mean that each block hands on to the next: brightness or hue wanders along the row."""
    step = rng.uniform(5, 40) * (np.ones(3) if rng.random() < 0.5 else rng.uniform(-1, 1, 3))
    offset, last = np.zeros(3), -1
    for row, column in np.argwhere(mask):
        offset = offset * (row == last) + step * rng.normal(0, 1, 3 if rng.random() < 0.5 else 1)
        piece, last = image[row * block : (row + 1) * block, column * block : (column + 1) * block], row
        piece[:] = np.clip(piece + offset, 0, 255).astype(np.uint8)


def noisy(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Random values, one to 1, 2 or 4 pixels, in place of the picture or over it."""
    grain, depth = int(rng.choice([1, 2, 4])), int(rng.choice([1, 3]))
    share, strength = rng.choice([0.0, 0.5, 1.0]), rng.uniform(40, 128)
    for row, column in np.argwhere(mask):
        piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        values = rng.uniform(-strength, strength, (-(-block // grain), -(-block // grain), depth))
        values = np.repeat(np.repeat(values, grain, 0), grain, 1)[: piece.shape[0], : piece.shape[1]]
        piece[:] = np.clip(piece * share + 128 * (1 - share) + values, 0, 255).astype(np.uint8)


def repeated(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """The same block again and again, as where a decoder reads on in the wrong place."""
    height, width = image.shape[0] // block, image.shape[1] // block
    source = None
    for row, column in np.argwhere(mask):
        if source is None or rng.random() < 0.02:
            y, x = int(rng.integers(height)) * block, int(rng.integers(width)) * block
            source = image[y : y + block, x : x + block].copy()
        piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        piece[:] = source[: piece.shape[0], : piece.shape[1]]


def ghostly(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """A residual without its prediction, or on a wrong one: parts of another place or time mixed in."""
    height, width = image.shape[:2]
    dy, dx = (int(v) for v in rng.integers(-60, 61, 2))
    other = np.roll(old, (dy, dx), axis=(0, 1)).astype(np.float32)
    weight, keep = rng.uniform(0.4, 1.0) * rng.choice([-1, 1]), rng.uniform(0.4, 1.0)
    marked = _pixels(mask, block, image)
    mixed = keep * (image[marked].astype(np.float32) - 128) + weight * (other[:height, :width][marked] - 128) + 128
    image[marked] = np.clip(mixed, 0, 255).astype(np.uint8)


def shifted(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Rows of blocks moved sideways: the decoder lost its place in the slice."""
    for row in np.flatnonzero(mask.any(axis=1)):
        start = int(np.flatnonzero(mask[row])[0]) * block
        strip = image[row * block : (row + 1) * block, start:]
        strip[:] = np.roll(strip, int(rng.integers(1, 20)) * block, axis=1)


def smear(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Blocks filled with the line of pixels above them, or beside them. Held out."""
    down = rng.random() < 0.6
    for row, column in np.argwhere(mask):
        y, x = row * block, column * block
        piece = image[y : y + block, x : x + block]
        piece[:] = image[max(0, y - 1), x : x + block][None] if down else image[y : y + block, max(0, x - 1)][:, None]


def stripes(image: Image, old: Image, mask: Mask, block: int, rng: np.random.Generator) -> None:
    """Blocks filled with lines of random brightness. Held out."""
    for row, column in np.argwhere(mask):
        piece = image[row * block : (row + 1) * block, column * block : (column + 1) * block]
        lines = rng.integers(0, 256, (piece.shape[0], 1, 3) if rng.random() < 0.5 else (1, piece.shape[1], 3))
        piece[:] = np.broadcast_to(lines, piece.shape)


STYLES: dict[str, Style] = {
    style.__name__: style
    for style in (
        *(displaced, flat, dead, stale, tinted, waves, shifted, drifting, noisy, repeated, ghostly),
        *(smear, stripes),
    )
}


def _pixels(mask: Mask, block: int, image: Image) -> Mask:
    full = np.repeat(np.repeat(mask, block, axis=0), block, axis=1)
    return np.asarray(full[: image.shape[0], : image.shape[1]])


def draw_mask(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Which blocks are hit: scattered, runs along rows as slices are lost, a cluster, or everything below a row."""
    kind = rng.choice(["scattered", "runs", "cluster", "below"], p=[0.25, 0.45, 0.2, 0.1])
    mask = np.zeros(shape, bool)
    if kind == "scattered":
        return np.asarray(rng.random(shape) < np.exp(rng.uniform(np.log(0.003), np.log(0.4))))
    if kind == "below":
        mask[int(rng.integers(shape[0])) :] = True
        return mask
    if kind == "cluster":
        centre, radius = rng.uniform(0, 1, 2) * shape, rng.uniform(1.5, 1 + max(shape) / 4)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        distance = np.hypot(rows - centre[0], columns - centre[1])
        return np.asarray(rng.random(shape) < np.clip(1.4 - distance / radius, 0, 1))
    for _ in range(int(rng.integers(1, 7))):
        row, column = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        length = int(rng.integers(1, 2 * shape[1]))
        mask.reshape(-1)[row * shape[1] + column :][:length] = True
    return mask


def draw_damage(
    images: list[Image], styles: Collection[str], rng: np.random.Generator, shortest: int = 1
) -> Iterator[Image]:
    """The pictures with one to three damages, each lasting from `shortest` pictures to all of the rest, still or
    flickering."""
    plans = [_Plan(images, list(styles), rng, shortest) for _ in range(int(rng.choice([1, 1, 2, 3])))]
    for number, image in enumerate(images):
        image = image.copy()
        for plan in plans:
            plan.apply(image, images, number)
        yield image


class _Plan:
    """One damage: its style, blocks, first picture and length."""

    def __init__(self, images: list[Image], styles: list[str], rng: np.random.Generator, shortest: int) -> None:
        self._rng = rng
        self._style = STYLES[styles[int(rng.integers(len(styles)))]]
        self._block = int(rng.choice([4, 8, 16, 24, 32, 64], p=[0.05, 0.2, 0.45, 0.05, 0.15, 0.1]))
        self._first = int(rng.integers(3, max(4, len(images) - max(4, shortest))))
        self._length = max(shortest, int(rng.choice([1, 3, 12, 40]) * rng.uniform(1, 2)))
        self._flicker = float(rng.choice([0.0, 0.1, 0.3, 1.0]))
        self._cover = 1.0 if rng.random() < 0.75 else float(rng.uniform(0.35, 0.9))
        self._age = int(rng.integers(5, 20))
        self._shape = (-(-images[0].shape[0] // self._block), -(-images[0].shape[1] // self._block))
        self._renew()

    def _renew(self) -> None:
        self._mask = draw_mask(self._shape, self._rng)
        self._seed = int(self._rng.integers(1 << 30))

    def apply(self, image: Image, images: list[Image], number: int) -> None:
        if not self._first <= number < self._first + self._length:
            return
        if number > self._first and self._rng.random() < self._flicker:
            self._renew()
        old = images[max(0, self._first - self._age)]
        before = image.copy() if self._cover < 1 else image
        self._style(image, old, self._mask, self._block, np.random.default_rng(self._seed))
        if self._cover < 1:
            cv2.addWeighted(image, self._cover, before, 1 - self._cover, 0, dst=image)


def weave(images: list[Image]) -> list[Image]:
    """Interlaced pictures: each of two successive ones, line by line."""
    woven = []
    for first, second in zip(images[::2], images[1::2], strict=False):
        image = first.copy()
        image[1::2] = second[1::2]
        woven.append(image)
    return woven
