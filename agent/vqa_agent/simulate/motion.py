"""Defects of movement and of the picture's frame: stutter, tearing, combing, flashing, bars.

As in `simulate.defects`, each function takes clean pictures and gives them back with the defect from a start to an
end second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.simulate.defects import replace
from vqa_agent.simulate.scenes import RATE, Image

Tone: TypeAlias = NDArray[np.float64]

FLASH_PERIODS = 2
"""A flash is one bright and one dark half."""


def stutter(
    pictures: Iterable[Image],
    start: float,
    end: float,
    per_second: float = 2.0,
    held: int = 2,
    late: bool = True,
    rate: int = RATE,
    seed: int = 3,
) -> Iterator[Image]:
    """At random moments a picture is shown `held` times more.

    `late`: the movement goes on meanwhile and then jumps; otherwise it stops and goes on where it was.
    """
    rng = np.random.default_rng(seed)
    moment = start + rng.exponential(1 / per_second) / 2
    source, number = iter(pictures), 0
    for image in source:
        yield image
        number += 1
        if not start <= (number - 1) / rate < end or (number - 1) / rate < moment:
            continue
        moment = (number + held) / rate + rng.uniform(0.4, 1.6) / per_second - held / rate
        for _ in range(held):
            yield image
            number += 1
            if late:
                next(source, None)


def skip(
    pictures: Iterable[Image], start: float, end: float, every: float = 0.4, lost: int = 2, rate: int = RATE
) -> Iterator[Image]:
    """`lost` pictures are left out every `every` seconds or so, and nothing is shown in their place."""
    rng = np.random.default_rng(5)
    source, moment = iter(pictures), start
    for number, image in enumerate(source):
        if start <= number / rate < end and number / rate >= moment:
            moment = number / rate + rng.uniform(0.7, 1.3) * every
            for _ in range(lost):
                next(source, None)
        yield image


def tear(
    pictures: Iterable[Image],
    start: float,
    end: float,
    share: float = 1.0,
    line: float | None = None,
    lag: int = 1,
    rate: int = RATE,
    seed: int = 9,
) -> Iterator[Image]:
    """Below a line there is still the picture of `lag` pictures ago.

    `share` of the pictures are torn; `line` is where, as a share of the height, or None for a line that wanders.
    """
    rng = np.random.default_rng(seed)
    shown: list[Image] = []
    for number, image in enumerate(pictures):
        shown = [*shown[-lag:], image]
        if not start <= number / rate < end or rng.uniform() >= share:
            yield image
            continue
        place = line if line is not None else 0.5 + 0.35 * np.sin(number * 0.37)
        row = round(place * image.shape[0])
        yield np.concatenate([image[:row], shown[0][row:]])


def weave(
    pictures: Iterable[Image], start: float, end: float, apart: int = 1, strength: float = 1.0, rate: int = RATE
) -> Iterator[Image]:
    """Odd rows come from a moment `apart` pictures before, as in interlaced pictures shown as progressive ones.

    `strength` below 1 mixes them with their own moment, as a poor deinterlacer does.
    """
    shown: list[Image] = []
    for number, image in enumerate(pictures):
        shown = [*shown[-apart:], image]
        if start <= number / rate < end:
            image = image.copy()
            image[1::2] = cv2.addWeighted(shown[0][1::2], strength, image[1::2], 1 - strength, 0)
        yield image


def flash(
    pictures: Iterable[Image],
    start: float,
    end: float,
    hertz: float = 5.0,
    area: float = 1.0,
    depth: float = 0.5,
    red: bool = False,
    rate: int = RATE,
) -> Iterator[Image]:
    """Flashing `hertz` times a second over the upper `area` of the picture.

    Towards white by `depth` of what is missing to it, or, if `red`, towards saturated red.
    """
    for number, image in enumerate(pictures):
        lit = int(number / rate * hertz * FLASH_PERIODS) % FLASH_PERIODS == 0
        if start <= number / rate < end and lit:
            rows = round(area * image.shape[0])
            goal = np.array((255, 0, 0) if red else (255, 255, 255), np.float32)
            image = image.copy()
            image[:rows] = np.clip(image[:rows] * (1 - depth) + goal * depth, 0, 255)
        yield image


def letterbox(
    pictures: Iterable[Image],
    start: float,
    end: float,
    top: float = 0.12,
    side: float = 0.0,
    level: int = 0,
    squeeze: bool = True,
    rate: int = RATE,
) -> Iterator[Image]:
    """Bars of `top` of the height above and below and of `side` of the width on both sides, at grey `level`.

    `squeeze` fits the whole picture between them, otherwise they cover it.
    """

    def frame(image: Image) -> Image:
        height, width = image.shape[:2]
        rows, columns = round(top * height), round(side * width)
        out = np.full_like(image, level)
        inner = (width - 2 * columns, height - 2 * rows)
        view = cv2.resize(image, inner) if squeeze else image[rows : height - rows, columns : width - columns]
        out[rows : height - rows, columns : width - columns] = view
        return out

    return replace(pictures, start, end, frame, rate)


COLOURS = {
    "white": (1, 1, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (1, 0, 0),
    "blue": (0, 0, 1),
    "black": (0, 0, 0),
}


def bars(kind: str = "ebu100", size: tuple[int, int] = (640, 360)) -> Image:
    """Colour bars: ebu100, ebu75, smpte (EG 1) or rp219 (the HD ones)."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    tones = {name: np.array(rgb, np.float64) * 191 for name, rgb in COLOURS.items()}
    if kind.startswith("ebu"):
        tones = {name: np.array(rgb, np.float64) * (255 if kind == "ebu100" else 191) for name, rgb in COLOURS.items()}
        tones["white"] = np.full(3, 255.0)
        _columns(image, (0, height), [(1.0, tones[name]) for name in COLOURS])
        return image
    seven = [tones[name] for name in list(COLOURS)[:7]]
    dark, white, grey = np.zeros(3), np.full(3, 255.0), np.full(3, 102.0)
    navy, violet = np.array((0, 33, 76.0)), np.array((50, 0, 106.0))
    if kind == "smpte":
        low = round(height * 2 / 3), round(height * 3 / 4)
        _columns(image, (0, low[0]), [(1.0, tone) for tone in seven])
        castellations = [tones["blue"], dark, tones["magenta"], dark, tones["cyan"], dark, tones["white"]]
        _columns(image, low, [(1.0, tone) for tone in castellations])
        foot = [(1.25, navy), (1.25, white), (1.25, violet), (1.25, dark)]
        pluge = [(1 / 3, dark), (1 / 3, np.full(3, 7.0)), (1 / 3, np.full(3, 19.0)), (1.0, dark)]
        _columns(image, (low[1], height), foot + pluge)
        return image
    rows = [round(height * part / 12) for part in (0, 7, 8, 9, 12)]
    side, bar = 1 / 8, 3 / 28
    _columns(image, (rows[0], rows[1]), [(side, grey), *((bar, tone) for tone in seven), (side, grey)])
    second = [(side, tones["cyan"]), (bar, white), (6 * bar, tones["white"]), (side, tones["blue"])]
    _columns(image, (rows[1], rows[2]), second)
    _columns(image, (rows[2], rows[3]), [(side, tones["yellow"]), (7 * bar, np.full(3, 128.0)), (side, tones["red"])])
    foot = [(side, grey * 0.4), (1.5 * bar, dark), (2 * bar, white), (3.5 * bar, dark), (side, grey * 0.4)]
    _columns(image, (rows[3], rows[4]), foot)
    return image


def line_up(
    pictures: Iterable[Image],
    start: float,
    end: float,
    kind: str = "ebu100",
    overlay: float = 0.0,
    noise: float = 0.0,
    rate: int = RATE,
) -> Iterator[Image]:
    """Colour bars in place of the programme, with a caption box over `overlay` of the height and with `noise`."""
    rng = np.random.default_rng(13)
    pattern: Image | None = None

    def show(image: Image) -> Image:
        nonlocal pattern
        if pattern is None:
            pattern = bars(kind, (image.shape[1], image.shape[0]))
            _caption(pattern, overlay)
        return np.asarray(np.clip(pattern + rng.normal(0, noise, pattern.shape), 0, 255), np.uint8)

    return replace(pictures, start, end, show, rate)


def _columns(image: Image, rows: tuple[int, int], parts: list[tuple[float, Tone]]) -> None:
    """Fill the rows from one to another with columns of (share of the width, RGB)."""
    total = sum(share for share, _ in parts)
    edges = np.round(np.cumsum([0.0, *(share for share, _ in parts)]) / total * image.shape[1]).astype(int)
    for (left, right), (_, tone) in zip(pairwise(edges), parts, strict=True):
        image[rows[0] : rows[1], left:right] = tone


def _caption(image: Image, share: float) -> None:
    if share <= 0:
        return
    height, width = image.shape[:2]
    top, bottom = round(height * (0.3 - share / 2)), round(height * (0.3 + share / 2))
    image[top:bottom, width // 5 : 4 * width // 5] = 16
    cv2.putText(
        image, "VENUE 4  12:57:31", (width // 4, bottom - 4), cv2.FONT_HERSHEY_SIMPLEX, height / 500, (235, 235, 235), 1
    )


def repeat_to(pictures: Iterable[Image], holds: Iterable[int]) -> Iterator[Image]:
    """Show the pictures for the given numbers of times each: a cadence, such as 1, 1, 1, 2 for 24 in 30."""
    return chain.from_iterable([image] * count for image, count in zip(pictures, holds, strict=False))
