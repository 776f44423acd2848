"""Digital video effects between two clean films: a vision mixer's moves, whose edges are as straight as damage's; and
shows, which are before the camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from vqa_agent.simulate.scenes import Image

FONT = cv2.FONT_HERSHEY_DUPLEX
Effect = Callable[[list[Image], list[Image], np.random.Generator], Iterator[Image]]


def _scaled(image: Image, width: int, height: int) -> Image:
    method = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (max(2, width), max(2, height)), interpolation=method), np.uint8)


def _moves(count: int, rng: np.random.Generator) -> list[float]:
    """For each picture how far a move has come, 0..1: it starts somewhere and takes from 4 pictures to 2 s, eased or
    not; sometimes it goes back again."""
    length, start = int(rng.choice([4, 8, 15, 25, 50])), int(rng.integers(0, max(1, count // 2)))
    share = np.clip((np.arange(count) - start) / length, 0, 1)
    if rng.random() < 0.3:
        share = np.minimum(share, np.clip((start + 2.5 * length - np.arange(count)) / length, 0, 1))
    return list(share**2 * (3 - 2 * share) if rng.random() < 0.5 else share)


def grow(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """The other picture grows from a point until it fills the screen, or a part of it."""
    height, width = one[0].shape[:2]
    x, y = rng.uniform(0, 1, 2)
    most = float(rng.choice([1.0, rng.uniform(0.25, 0.8)]))
    for share, below, above in zip(_moves(len(one), rng), one, other, strict=True):
        w, h = int(width * most * share), int(height * most * share)
        out = below.copy()
        if min(w, h) >= 4:
            left, top = int((width - w) * x), int((height - h) * y)
            out[top : top + h, left : left + w] = _scaled(above, w, h)
        yield out


def push(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """One picture pushes the other out, or slides over it."""
    axis, back, over = int(rng.integers(2)), rng.random() < 0.5, rng.random() < 0.4
    side = one[0].shape[axis]
    for share, before, after in zip(_moves(len(one), rng), one, other, strict=True):
        moved = int(side * share)
        lead, tail = np.split(before, [side - moved], axis), np.split(after, [side - moved], axis)
        kept = lead[0] if over else np.split(before, [moved], axis)[1]
        joined = np.concatenate([kept, np.split(after, [moved], axis)[0] if not over else tail[1]], axis)
        yield np.ascontiguousarray(np.flip(joined, axis) if back else joined)


def punch_in(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """The picture is enlarged around a point, fast or in steps."""
    height, width = one[0].shape[:2]
    x, y, most = *rng.uniform(0, 1, 2), float(rng.uniform(1.2, 4))
    steps = int(rng.choice([0, 0, 1, 3]))
    for share, image in zip(_moves(len(one), rng), one, strict=True):
        reached = np.ceil(share * steps) / steps if steps else share
        w, h = (max(8, int(side / (1 + (most - 1) * reached))) for side in (width, height))
        left, top = int((width - w) * x), int((height - h) * y)
        yield _scaled(image[top : top + h, left : left + w], width, height)


def squeeze(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """The picture shrinks into a corner of a background: flat, graded, blurred, or another film."""
    height, width = one[0].shape[:2]
    x, y, least = *rng.uniform(0, 1, 2), float(rng.uniform(0.35, 0.9))
    kind, colour = str(rng.choice(["flat", "blurred", "film"])), rng.integers(0, 256, 3)
    still = rng.random() < 0.4
    for share, image, behind in zip(_moves(len(one), rng), one, other, strict=True):
        scale = least if still else 1 - (1 - least) * share
        w, h = int(width * scale), int(height * scale)
        if kind == "flat":
            out = np.broadcast_to(colour.astype(np.uint8), image.shape).copy()
        elif kind == "blurred":
            small = np.asarray(cv2.blur(_scaled(image, width // 8, height // 8), (5, 5)), np.uint8)
            out = _scaled(small, width, height)
        else:
            out = behind.copy()
        left, top = int((width - w) * x), int((height - h) * y)
        out[top : top + h, left : left + w] = _scaled(image, w, h)
        yield out


def wall(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Pictures of a wall appear one by one, each from another time of the film."""
    height, width = one[0].shape[:2]
    rows, columns, gap = int(rng.integers(1, 5)), int(rng.integers(2, 5)), int(rng.choice([0, 0, 2, 6]))
    order, every = rng.permutation(rows * columns), int(rng.integers(1, 20))
    for number, image in enumerate(one):
        out = image.copy()
        for place in order[: 1 + number // every]:
            row, column = divmod(int(place), columns)
            top, bottom = (height * edge // rows + gap * (1 - 2 * (edge > row)) for edge in (row, row + 1))
            left, right = (width * edge // columns + gap * (1 - 2 * (edge > column)) for edge in (column, column + 1))
            film = other[(number + 7 * int(place)) % len(other)]
            out[top:bottom, left:right] = _scaled(film, right - left, bottom - top)
        yield out


def coarsen(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Into large pixels and out of them again, as the other picture, or the same."""
    height, width = one[0].shape[:2]
    most, same = float(rng.uniform(8, 60)), rng.random() < 0.3
    for share, before, after in zip(_moves(len(one), rng), one, other, strict=True):
        pixel = max(1, round(most ** (1 - abs(1 - 2 * share))))
        image = before if share < 0.5 or same else after
        small = _scaled(image, width // pixel, height // pixel)
        yield np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def subtitles(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Lines of text that change every second or two, with an outline, a shadow or a box."""
    height, width = one[0].shape[:2]
    scale, every, style = height / float(rng.uniform(350, 700)), int(rng.integers(8, 60)), int(rng.integers(3))
    ink = [255] * 3 if rng.random() < 0.6 else [int(v) for v in rng.integers(80, 256, 3)]
    lines: list[str] = []
    for number, image in enumerate(one):
        if number % every == 0:
            letters = list("aeinorst lmkdv  eaoiTSRN,.")
            lines = ["".join(rng.choice(letters, int(rng.integers(6, 38)))) for _ in range(int(rng.integers(0, 3)))]
        out = image.copy()
        for row, line in enumerate(lines):
            (w, h), _ = cv2.getTextSize(line, FONT, scale, 2)
            x, y = (width - w) // 2, int(height * 0.9) - row * int(1.8 * h)
            if style == 0:
                cv2.rectangle(out, (x - 6, y - h - 6), (x + w + 6, y + 8), (0, 0, 0), -1)
            else:
                cv2.putText(out, line, (x + style - 1, y + style - 1), FONT, scale, (0, 0, 0), 5, cv2.LINE_AA)
            cv2.putText(out, line, (x, y), FONT, scale, ink, 2, cv2.LINE_AA)
        yield out


def particles(one: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Confetti, snow, petals or sparks before the camera: bits of many colours or one, which fall, turn and drift."""
    height, width = one[0].shape[:2]
    count, size = int(10 ** rng.uniform(1.5, 3)), float(rng.uniform(0.002, 0.015)) * height
    place = rng.uniform(0, 1, (count, 2))
    speed = rng.normal(0, 0.004, (count, 2)) + np.array([0, rng.uniform(-0.01, 0.02)])
    colours = rng.integers(0, 256, (count if rng.random() < 0.6 else 3, 3))
    if rng.random() < 0.25:
        colours = np.full((1, 3), 245)
    turn, pace, kind = rng.uniform(0, 6.28, count), rng.uniform(0, 0.5), int(rng.integers(3))
    sizes = np.maximum(1, size * rng.lognormal(0, 0.4, count))
    for number, image in enumerate(one):
        out = image.copy()
        centres = ((place + speed * number) % 1.0 * (width, height)).astype(int)
        for bit, (x, y) in enumerate(centres):
            colour = [int(value) for value in colours[bit % len(colours)]]
            long, wide = int(sizes[bit]), max(1, int(sizes[bit] * abs(np.sin(turn[bit] + pace * number))))
            if kind == 0:
                cv2.ellipse(out, (int(x), int(y)), (long, wide), np.degrees(turn[bit]), 0, 360, colour, -1)
            elif kind == 1:
                cv2.rectangle(out, (int(x), int(y)), (int(x) + long, int(y) + wide), colour, -1)
            else:
                box = cv2.boxPoints(((float(x), float(y)), (2.0 * long, float(wide)), np.degrees(turn[bit])))
                cv2.fillConvexPoly(out, box.astype(np.int32), colour, cv2.LINE_AA)
        yield out


def lights(one: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Stage lights: soft beams that sweep and change colour, added to the picture or all that lights it."""
    height, width = one[0].shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    beams = [
        (rng.uniform(0, 6.28), rng.uniform(0.3, 3), rng.uniform(0.08, 0.6), rng.uniform(-1, 1), rng.uniform(0.3, 2, 3))
        for _ in range(int(rng.integers(1, 4)))
    ]
    strength, alone, dim = rng.uniform(60, 220), rng.random() < 0.3, rng.uniform(0.2, 1)
    for number, image in enumerate(one):
        moment = number / 25
        glow = np.zeros((height, width, 3), np.float32)
        for phase, pace, spread, slant, hues in beams:
            middle = 0.5 * width / height * (1 + np.sin(phase + pace * moment)) + slant * rows
            shape = np.exp(-(((columns - middle) / spread) ** 2))
            glow += shape[..., None] * (0.5 + 0.5 * np.sin(moment * hues * pace + phase + 2 * hues)).astype(np.float32)
        lit = image * glow * (strength / 110) if alone else image * dim + strength * glow
        yield np.clip(lit, 0, 255).astype(np.uint8)


SHOWS = (particles, lights)
"""What is before the camera or lights what is."""

EFFECTS: tuple[Effect, ...] = (grow, push, punch_in, squeeze, wall, coarsen, subtitles)
