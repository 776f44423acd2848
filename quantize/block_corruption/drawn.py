"""Drawn moving pictures that look like damage and are none: tiles, grids, sharp edges and sudden change.

Each function takes a generator, a size (width, height) and a number of pictures, and gives RGB pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import cv2
import numpy as np

from vqa_agent.simulate.motion import bars
from vqa_agent.simulate.scenes import Image, texture

Size: TypeAlias = tuple[int, int]
Drawing: TypeAlias = Callable[[np.random.Generator, Size, int], Iterator[Image]]


def _tiled(tiles: Image, size: Size, tile: int, shift: tuple[int, int] = (0, 0)) -> Image:
    """`tiles` enlarged to squares of `tile` pixels, cut to `size` at `shift`."""
    big = np.repeat(np.repeat(tiles, tile, axis=0), tile, axis=1)
    x, y = shift
    return np.ascontiguousarray(big[y : y + size[1], x : x + size[0]])


def _palette(rng: np.random.Generator, count: int = 6) -> Image:
    return rng.integers(0, 256, (count, 3)).astype(np.uint8)


def _tiles(rng: np.random.Generator, size: Size, tile: int, margin: int = 2) -> Image:
    """A random map of tiles in a few colours, somewhat larger than the picture."""
    shape = (size[1] // tile + 1 + margin, size[0] // tile + 1 + margin)
    return _palette(rng)[rng.integers(0, 6, shape)]


def mosaic(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A picture in large pixels, panned: pixelated on purpose."""
    tile = int(rng.integers(8, 41))
    wall = texture(size[0] + 200, size[1], rng)
    speed = rng.uniform(0, 3)
    for number in range(count):
        left = round(number * speed)
        view = wall[:, left : left + size[0]]
        small = cv2.resize(view, (max(1, size[0] // tile), max(1, size[1] // tile)), interpolation=cv2.INTER_AREA)
        yield np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def led_wall(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Lamps in a grid with dark gaps; colours wander over them."""
    pitch = int(rng.integers(5, 20))
    lamp = np.zeros((pitch, pitch, 1), np.float32)
    cv2.circle(lamp, (pitch // 2, pitch // 2), max(1, round(pitch * 0.38)), 1.0, -1, cv2.LINE_AA)
    rows, columns = size[1] // pitch + 1, size[0] // pitch + 1
    mask = np.tile(lamp.reshape(pitch, pitch, 1), (rows, columns, 1))[: size[1], : size[0]]
    wall = texture(columns + count, rows, rng)
    for number in range(count):
        shown = _tiled(wall[:, number // 2 : number // 2 + columns], size, pitch)
        yield (shown * mask).astype(np.uint8)


def pixel_art(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A game of old: a scrolling map of tiles, each a little pattern, with figures that hop."""
    pixel = int(rng.integers(2, 9))
    kinds = [_palette(rng, 4)[rng.integers(0, 4, (8, 8))] for _ in range(5)]
    plan = rng.integers(0, 5, (size[1] // (8 * pixel) + 2, size[0] // (8 * pixel) + 12))
    ground = np.concatenate([np.concatenate([kinds[kind] for kind in row], axis=1) for row in plan])
    for number in range(count):
        view = ground[:, (number // 2) % 64 :]
        image = _tiled(view[: size[1] // pixel + 1, : size[0] // pixel + 1], size, pixel)
        for figure in range(4):
            x = int((figure * 0.27 + 0.003 * number) % 1 * size[0]) // pixel * pixel
            y = int((0.3 + 0.15 * figure + 0.05 * np.sin(number / 3)) * size[1]) // pixel * pixel
            image[y : y + 12 * pixel, x : x + 8 * pixel] = kinds[figure][0, 0]
        yield image


def dance_floor(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Large tiles that change colour every few pictures."""
    tile = int(rng.integers(16, 97))
    hold = int(rng.integers(1, 9))
    shift = tuple(int(value) for value in rng.integers(0, tile, 2))
    tiles = _tiles(rng, size, tile)
    for number in range(count):
        if number % hold == 0:
            changed = rng.random(tiles.shape[:2]) < 0.3
            tiles[changed] = _palette(rng, int(changed.sum()))
        yield _tiled(tiles, size, tile, (shift[0], shift[1]))


def video_wall(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A wall of screens, each with a moving picture of its own, with or without frames between them."""
    across = int(rng.integers(2, 9))
    cell = (size[0] // across, size[1] // across)
    walls = [texture(cell[0] + 3 * count + 1, cell[1], rng) for _ in range(5)]
    speeds = rng.integers(0, 4, (across, across))
    border = int(rng.integers(0, 4))
    for number in range(count):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        for row, column in np.ndindex(across, across):
            left = int(speeds[row, column]) * number
            view = walls[(row * across + column) % 5][border:, left : left + cell[0] - border]
            image[
                row * cell[1] : row * cell[1] + view.shape[0], column * cell[0] : column * cell[0] + view.shape[1]
            ] = view
        yield image


def confetti(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Bright pieces of paper that fall and turn before a ground."""
    ground = texture(*size, rng, 1.2)
    pieces = rng.uniform(size=(int(rng.integers(60, 400)), 5))
    colours = _palette(rng, 12)
    side = size[1] / rng.uniform(30, 90)
    for number in range(count):
        image = ground.copy()
        for index, (x, y, fall, turn, _) in enumerate(pieces):
            centre = (
                (x + 0.01 * np.sin(number / 4 + 9 * turn)) * size[0],
                (y + (0.3 + fall) * 0.02 * number) % 1 * size[1],
            )
            box = (
                centre,
                (side, side * abs(np.sin(number / 5 + 7 * turn)) + 1),
                turn * 360 + 10 * number * (fall - 0.5),
            )
            corners = cv2.boxPoints(box).astype(np.int32)
            cv2.fillConvexPoly(image, corners, tuple(int(value) for value in colours[index % 12]), cv2.LINE_AA)
        yield image


def rain(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Streaks, new in each picture, before a slow pan."""
    ground = texture(size[0] + count, size[1], rng)
    for number in range(count):
        image = np.ascontiguousarray(ground[:, number : number + size[0]])
        for x, y, length in rng.uniform(size=(150, 3)):
            start = (int(x * size[0]), int(y * size[1]))
            end = (start[0] + 2, start[1] + int(10 + 40 * length))
            cv2.line(image, start, end, (200, 205, 210), 1, cv2.LINE_AA)
        yield image


def water(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Glitter on waves: every pixel changes, in every picture."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    waves = [(rng.uniform(0.01, 0.2), rng.uniform(0.02, 0.4), rng.uniform(0.1, 0.9)) for _ in range(5)]
    grain = rng.normal(size=(size[1], size[0])).astype(np.float32)
    for number in range(count):
        height = sum(np.sin(a * x + b * y + c * number) for a, b, c in waves)
        light = np.clip(90 + 25 * height + 8 * np.roll(grain, 7 * number, axis=1) + 60 * (height > 3.2), 0, 255)
        yield np.stack([light * 0.6, light * 0.85, light], axis=2).astype(np.uint8)


def crowd(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Hundreds of heads and shirts, each bobbing by itself."""
    people = rng.uniform(size=(int(rng.integers(200, 700)), 4))
    colours = _palette(rng, 40)
    radius = size[1] / rng.uniform(30, 60)
    for number in range(count):
        image = np.full((size[1], size[0], 3), 40, np.uint8)
        for index, (x, y, phase, speed) in enumerate(people[np.argsort(people[:, 1])]):
            centre = (int(x * size[0]), int(y * size[1] + radius * 0.4 * np.sin(number * speed + 6 * phase)))
            shirt = tuple(int(value) for value in colours[index % 40])
            cv2.rectangle(image, (centre[0] - int(radius), centre[1]), (centre[0] + int(radius), size[1]), shirt, -1)
            cv2.circle(image, centre, int(radius * 0.6), (190, 150, 125), -1, cv2.LINE_AA)
        yield image


def lettering(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Text that scrolls up or along, over a plain ground, a texture or tables of figures."""
    paper = np.full((size[1] * 2, size[0] * 2, 3), rng.integers(0, 256, 3), np.uint8)
    if rng.random() < 0.5:
        paper = texture(size[0] * 2, size[1] * 2, rng, 1.3)
    scale = size[1] / rng.uniform(300, 900)
    ink = tuple(int(value) for value in rng.integers(0, 256, 3))
    for line in range(1, int(size[1] * 2 / (34 * scale))):
        words = "".join(rng.choice(list("aeinorstlmkdv 0123456789"), 90))
        cv2.putText(paper, words, (4, int(line * 34 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
    speed = rng.integers(0, 5, 2)
    for number in range(count):
        x, y = (int(value) for value in np.minimum(speed * number, (size[0], size[1])))
        yield np.ascontiguousarray(paper[y : y + size[1], x : x + size[0]])


def windows(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A house front: windows in rows, some of them lit, passed by the camera."""
    pitch = (int(rng.integers(12, 60)), int(rng.integers(12, 60)))
    front = texture(size[0] + 4 * count, size[1], rng, 1.4)
    for x in range(0, front.shape[1], pitch[0]):
        for y in range(0, size[1], pitch[1]):
            glass = tuple(int(value) for value in rng.integers(0, 256, 3))
            cv2.rectangle(front, (x, y), (x + pitch[0] * 2 // 3, y + pitch[1] * 2 // 3), glass, -1)
    speed = int(rng.integers(0, 5))
    for number in range(count):
        yield np.ascontiguousarray(front[:, number * speed : number * speed + size[0]])


def screen(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A computer's screen: windows with straight edges, opened, moved and closed at once."""
    ground = np.full((size[1], size[0], 3), rng.integers(0, 256, 3), np.uint8)
    for number in range(count):
        if rng.random() < 0.15 or number == 0:
            x, y = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
            width, height = (int(side * rng.uniform(0.05, 0.6)) for side in size)
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            cv2.rectangle(ground, (x, y), (x + width, y + height), colour, -1)
            cv2.rectangle(ground, (x, y), (x + width, y + 18), (60, 70, 160), -1)
            cv2.putText(ground, "window 17", (x + 4, y + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
        yield ground.copy()


def bricks(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Bricks or paving stones with joints, passed slowly."""
    pitch = (int(rng.integers(16, 80)), int(rng.integers(8, 40)))
    wall = texture(size[0] + 4 * count, size[1], rng, 1.2)
    for row, y in enumerate(range(0, size[1], pitch[1])):
        cv2.line(wall, (0, y), (wall.shape[1], y), (90, 85, 80), 1)
        for x in range(pitch[0] // 2 * (row % 2), wall.shape[1], pitch[0]):
            tint = rng.integers(-25, 26, 3)
            stone = wall[y + 1 : y + pitch[1], x + 1 : x + pitch[0]]
            stone[:] = np.clip(stone.astype(np.int16) + tint, 0, 255)
    speed = int(rng.integers(0, 5))
    for number in range(count):
        yield np.ascontiguousarray(wall[:, number * speed : number * speed + size[0]])


def test_card(rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Colour bars, with a box that moves, or a cross hatch."""
    kind = str(rng.choice(["ebu100", "ebu75", "smpte", "rp219", "hatch"]))
    image = bars("ebu75" if kind == "hatch" else kind, size)
    if kind == "hatch":
        image[:] = 16
        step = int(rng.integers(16, 70))
        image[::step] = image[:, ::step] = 235
    for number in range(count):
        moved = image.copy()
        moved[size[1] // 2 : size[1] // 2 + 20, (5 * number) % size[0] :][:, :20] = 235
        yield moved


DRAWINGS: dict[str, Drawing] = {
    drawing.__name__: drawing
    for drawing in (
        mosaic,
        led_wall,
        pixel_art,
        dance_floor,
        video_wall,
        confetti,
        rain,
        water,
        crowd,
        lettering,
        windows,
        screen,
        bricks,
        test_card,
    )
}
