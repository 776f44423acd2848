"""Clean moving pictures for the simulation: films, stills that are panned and zoomed, drawings; overlays, transitions.

A source (a recording, a photograph, a kind of drawing) belongs to one split for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from quantize.block_corruption.drawn import DRAWINGS, Drawing, Size
from quantize.block_corruption.effects import EFFECTS, SHOWS
from vqa_agent.simulate import scenes
from vqa_agent.simulate.scenes import Image

SPLITS = ("train", "validation", "test")
RATE = 25
FILM_FOLDERS = ("scenes", "talking", "talking/grid_s1", "broadcast")
SCENES = ("pan", "studio", "action", "slide", "night", "cartoon")
GRAIN_ROOM = 64
LONGEST = 400
"""Pictures of a film that are read at most."""

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Clip:
    """Clean pictures of one size, and the source that they come from."""

    source: str
    images: list[Image]


@dataclass(frozen=True)
class Source:
    """Where clips come from: its name, which begins with its kind, and its file, if it has one."""

    name: str
    path: Path | None = None

    @property
    def kind(self) -> str:
        """scenes, talking, broadcast, stills or drawn."""
        return self.name.partition("/")[0]


class Library:
    """The sources of one split."""

    def __init__(self, media: Path, config: Mapping[str, Any], split: str, mix: str) -> None:
        self._material = config["material"]
        self._banners = self._material["banner"].get(mix, 0.0)
        self._effects = self._material["effect"].get(mix, 0.0)
        self._shows = self._material["show"].get(mix, 0.0)
        everything = list(find_sources(media, config["sources"]["damaged"]))
        chosen = [source for source in everything if split_of(source, config["sources"]) == split]
        self.by_kind: dict[str, dict[str, list[Source]]] = {}
        for source in chosen:
            self.by_kind.setdefault(source.kind, {}).setdefault(source.name, []).append(source)
        self._kinds = {k: share for k, share in self._material["kinds"][mix].items() if k in self.by_kind}

    def clip(self, rng: np.random.Generator, count: int) -> Clip:
        """`count` pictures of random size and content, sometimes with an overlay or a transition to other material."""
        source, size = self._draw_source(rng), draw_size(rng, self._material["heights"])
        images = moving(source, rng, size, count)
        if rng.random() < self._material["transition"]:
            other = moving(self._draw_source(rng), rng, size, count)
            images = list(TRANSITIONS[int(rng.integers(len(TRANSITIONS)))](images, other, rng))
        if self._shows and rng.random() < self._shows:
            images = list(SHOWS[int(rng.integers(len(SHOWS)))](images, rng))
        if self._effects and rng.random() < self._effects:
            other = moving(self._draw_source(rng), rng, size, count)
            images = list(EFFECTS[int(rng.integers(len(EFFECTS)))](images, other, rng))
        if rng.random() < self._material["overlay"]:
            images = list(OVERLAYS[int(rng.integers(len(OVERLAYS)))](images, rng))
        if self._banners and rng.random() < self._banners:
            images = list(banner(images, rng))
        return Clip(source.name, images)

    def _draw_source(self, rng: np.random.Generator) -> Source:
        names = list(self.by_kind[draw(rng, self._kinds)].values())
        files = names[int(rng.integers(len(names)))]
        return files[int(rng.integers(len(files)))]


def find_sources(media: Path, damaged: list[str]) -> Iterator[Source]:
    """Every source in the folder of media, and every drawing."""
    for folder in FILM_FOLDERS:
        for path in sorted((media / folder).glob("*.*")):
            name = folder if folder.count("/") else f"{folder}/{path.stem}"
            if name not in damaged:
                yield Source(name, path)
    for path in sorted((media / "stills").glob("*.jpg")):
        yield Source(f"stills/{path.stem}", path)
    for name in (*DRAWINGS, *SCENES):
        yield Source(f"drawn/{name}")


def split_of(source: Source, sources: Mapping[str, Any]) -> str:
    """The split of a source: as listed; stills by their name; train otherwise."""
    if source.kind == "stills":
        place = crc32(source.name.encode()) % 1000 / 1000
        if place < sources["stills_test"]:
            return "test"
        return "validation" if place < sources["stills_test"] + sources["stills_validation"] else "train"
    return next((split for split in ("validation", "test") if source.name in sources[split]), "train")


def draw(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One of the keys, by weight."""
    shares = np.array(list(weights.values()), float)
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def draw_size(rng: np.random.Generator, heights: Mapping[str, float]) -> Size:
    """Width and height: mostly 16:9, some 4:3 and square."""
    height = int(draw(rng, heights))
    shape = rng.choice([16 / 9, 4 / 3, 1.0], p=[0.7, 0.2, 0.1])
    return round(height * shape / 8) * 8, height


def moving(source: Source, rng: np.random.Generator, size: Size, count: int) -> list[Image]:
    """`count` pictures of a source at `size`."""
    if source.kind == "drawn":
        return _drawn(source.name.partition("/")[2], rng, size, count)
    assert source.path is not None
    if source.kind == "stills":
        return list(pan_and_zoom(photograph(source.path), rng, size, count))
    return list(_fitted(film(source.path, rng, count), rng, size, count))


def _drawn(name: str, rng: np.random.Generator, size: Size, count: int) -> list[Image]:
    if name in DRAWINGS:
        drawing: Drawing = DRAWINGS[name]
        return list(drawing(rng, size, count))
    return list(scenes.SCENES[name](count / RATE, size, RATE, int(rng.integers(1 << 30))))


@lru_cache(maxsize=64)
def photograph(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None, path
    return np.asarray(image[..., ::-1], np.uint8)


def film(path: Path, rng: np.random.Generator, count: int) -> list[Image]:
    """`count` successive pictures from a random place, fewer at an end. Of interlaced ones only the first field."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length = int(float(container.duration or 0) / av.time_base * float(stream.average_rate or RATE))
        # The first picture of an off-air recording may be damaged by the cut.
        start = 1 + int(rng.integers(max(1, min(length, LONGEST) - count - 4)))
        images: list[Image] = []
        for number, frame in enumerate(container.decode(stream)):
            if number >= start and not frame.is_corrupt:
                image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                images.append(image[::2] if frame.interlaced_frame else image)
            if len(images) == count:
                break
    return images


def _fitted(images: list[Image], rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """Pictures scaled to fill `size` or cut out at their own resolution; the last one is held to make `count`."""
    height, width = images[0].shape[:2]
    if width / height > 2.4:  # a single field
        height *= 2
    fill = max(size[0] / width, size[1] / height)
    scale = max(fill, float(rng.uniform(0.7, 1.3))) if rng.random() < 0.6 else fill
    full = (max(size[0], round(width * scale)), max(size[1], round(height * scale)))
    x, y = (int(rng.integers(extent - side + 1)) for extent, side in zip(full, size, strict=True))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    for number in range(count):
        image = cv2.resize(images[min(number, len(images) - 1)], full, interpolation=method)
        yield image[y : y + size[1], x : x + size[0]]  # type: ignore[misc]


def pan_and_zoom(image: Image, rng: np.random.Generator, size: Size, count: int) -> Iterator[Image]:
    """A camera over a photograph: pan, zoom and a little turn, sometimes shaken, sometimes still; sensor noise."""
    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height) * rng.uniform(1.0, 1.6)
    speed = rng.normal(0, 1, 2) * rng.choice([0.0, 1.0, 5.0]) * size[1] / 720
    zoom, turn, shake = rng.normal(1, 0.002), rng.normal(0, 0.05), rng.choice([0.0, 0.0, 1.0])
    place, grain = np.zeros(2), _grain(rng, size)
    for number in range(count):
        place += speed + rng.normal(0, 1, 2) * shake
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn * number, scale * zoom**number)
        matrix[:, 2] += (size[0] / 2 - width / 2 + place[0], size[1] / 2 - height / 2 + place[1])
        view = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        y, x = (int(start) for start in rng.integers(0, GRAIN_ROOM, 2))
        yield cv2.add(view, grain[y : y + size[1], x : x + size[0]], dtype=cv2.CV_8U)  # type: ignore[misc]


def _grain(rng: np.random.Generator, size: Size) -> NDArray[np.int16]:
    """Noise as a sensor adds it, somewhat larger than the picture: cut out elsewhere, it is new in each picture."""
    sigma = float(rng.choice([0.0, 1.0, 3.0]))
    noise = rng.standard_normal((size[1] + GRAIN_ROOM, size[0] + GRAIN_ROOM, 1), np.float32)
    return np.repeat((sigma * noise).astype(np.int16), 3, axis=2)


Transition = Callable[[list[Image], list[Image], np.random.Generator], Iterator[Image]]
Overlay = Callable[[list[Image], np.random.Generator], Iterator[Image]]


def cut(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """From one to the other at once, once or every few pictures."""
    every = int(rng.choice([len(one) // 2, 7, 3]))
    for number, pair in enumerate(zip(one, other, strict=True)):
        yield pair[(number // every) % 2]


def dissolve(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """From one into the other, or into black and back."""
    dark = rng.random() < 0.3
    for number, (before, after) in enumerate(zip(one, other, strict=True)):
        share = min(1.0, max(0.0, 1.6 * number / len(one) - 0.3))
        if dark:
            yield cv2.convertScaleAbs(before, alpha=abs(1 - 2 * share))  # type: ignore[misc]
        else:
            yield cv2.addWeighted(before, 1 - share, after, share, 0)  # type: ignore[misc]


def wipe(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Along a line, or in tiles that turn one after the other."""
    height, width = one[0].shape[:2]
    tile = int(rng.choice([1, 40, 64, 96]))
    order = np.tile(np.linspace(0, 1, width // tile + 1), (height // tile + 1, 1))
    if tile > 1 and rng.random() < 0.7:
        order = rng.random(order.shape)
    order = np.repeat(np.repeat(order, tile, 0), tile, 1)[:height, :width]
    for number, (before, after) in enumerate(zip(one, other, strict=True)):
        yield np.where((order < 1.6 * number / len(one) - 0.3)[..., None], after, before)


def flashes(one: list[Image], other: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """Photographers: single pictures far too bright."""
    for image in one:
        yield cv2.convertScaleAbs(image, alpha=1.6, beta=70) if rng.random() < 0.15 else image  # type: ignore[misc]


def captions(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """One to four boxes of one colour, with or without text, solid or translucent, which come and go or stay."""
    boxes = [_Box(images[0].shape[:2], len(images), rng) for _ in range(int(rng.integers(1, 5)))]
    for number, image in enumerate(images):
        image = image.copy()
        for box in boxes:
            box.draw(image, number)
        yield image


class _Box:
    """A lower third, a logo, a clock or a score."""

    def __init__(self, shape: tuple[int, ...], count: int, rng: np.random.Generator) -> None:
        height, width = shape[:2]
        self.width, self.height = int(width * rng.uniform(0.04, 0.9)), int(height * rng.uniform(0.03, 0.16))
        self.left = int(rng.integers(max(1, width - self.width)))
        self.top = int(
            (rng.uniform(0.65, 0.95) if rng.random() < 0.6 else rng.uniform(0, 0.9)) * (height - self.height)
        )
        if rng.random() < 0.4:
            grid = int(rng.choice([8, 16]))
            self.left, self.top, self.width, self.height = (
                max(grid, side // grid * grid) for side in (self.left, self.top, self.width, self.height)
            )
        self.ground, self.ink = ([int(v) for v in rng.integers(0, 256, 3)] for _ in range(2))
        self.solid = 1.0 if rng.random() < 0.7 else float(rng.uniform(0.4, 0.9))
        self.words = "".join(rng.choice(list("AEINORST LMKDV 0123:"), int(rng.integers(0, 40))))
        begin, length = int(rng.integers(-count, count)), int(rng.integers(count // 2, 3 * count))
        self.shown = range(begin, begin + length)

    def draw(self, image: Image, number: int) -> None:
        if number not in self.shown:
            return
        piece = image[self.top : self.top + self.height, self.left : self.left + self.width]
        piece[:] = (piece * (1 - self.solid) + np.array(self.ground) * self.solid).astype(np.uint8)
        inner = np.ascontiguousarray(piece)
        place, scale = (4, int(self.height * 0.7)), max(0.3, self.height / 40)
        cv2.putText(inner, self.words, place, cv2.FONT_HERSHEY_DUPLEX, scale, self.ink, 1, cv2.LINE_AA)
        piece[:] = inner


def banner(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A news channel's graphics: a bar with a headline or two, a running text below, a logo; graded or translucent."""
    height, width = images[0].shape[:2]
    bar, strip = int(height * rng.uniform(0.07, 0.2)), int(height * rng.uniform(0.035, 0.07))
    left, right = (int(width * share) for share in (rng.choice([0.0, rng.uniform(0, 0.15)]), rng.uniform(0.6, 1.0)))
    top = int(height * (rng.uniform(0.02, 0.1) if rng.random() < 0.15 else rng.uniform(0.66, 0.78)))
    ground = _graded((bar, right - left), rng)
    _write(ground, rng, lines=int(rng.integers(1, 3)))
    running = _graded((strip, 3 * width), rng)
    _write(running, rng, lines=1)
    logo = _graded((max(4, height // 12), max(8, width // 10)), rng)
    _write(logo, rng, lines=1)
    solid, speed = float(rng.choice([1.0, rng.uniform(0.5, 1.0)])), int(rng.integers(0, 6))
    ticks, logos = rng.random(2) < 0.6
    for number, image in enumerate(images):
        image = image.copy()
        parts = [(top, left, ground)]
        if ticks:
            parts.append((top + bar, left, running[:, speed * number :][:, : width - left]))
        if logos:
            parts.append((height // 20, width - logo.shape[1] - width // 20, logo))
        for y, x, part in parts:
            place = image[y : y + part.shape[0], x : x + part.shape[1]]
            place[:] = cv2.addWeighted(part[: place.shape[0]], solid, place, 1 - solid, 0)
        yield image


def _graded(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """An area of one colour, or from one to another."""
    one, other = rng.integers(0, 256, (2, 3))
    if rng.random() < 0.5:
        other = one
    along = np.linspace(0, 1, shape[1] if rng.random() < 0.5 else shape[0])[:, None]
    colours = (one + (other - one) * along).astype(np.uint8)
    rows = colours[None] if len(colours) == shape[1] else colours[:, None]
    return np.ascontiguousarray(np.broadcast_to(rows, (*shape, 3)))


def _write(image: Image, rng: np.random.Generator, lines: int) -> None:
    """Lines of words that fill the height."""
    step = image.shape[0] / lines
    light = 255 if image.mean() < 128 else 0
    ink = [light] * 3 if rng.random() < 0.7 else [int(v) for v in rng.integers(0, 256, 3)]
    for line in range(lines):
        words = "".join(rng.choice(list("AEINORSTaeinorstlmkdv    0123:"), int(image.shape[1] / step * 1.5) + 1))
        place = (int(step * 0.3), int(step * (line + 0.75)))
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_DUPLEX, max(0.25, step / 42), ink, 1, cv2.LINE_AA)


def pixelate(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A face made unrecognisable: a region in large pixels that moves a little."""
    height, width = images[0].shape[:2]
    tile = int(rng.integers(8, 33))
    w, h = (int(side * rng.uniform(0.08, 0.35)) // tile * tile + tile for side in (width, height))
    w, h = min(w, width), min(h, height)
    x, y = float(rng.uniform(0, width - w)), float(rng.uniform(0, height - h))
    for image in images:
        x, y = (min(max(0.0, p + rng.normal(0, 1.5)), extent) for p, extent in ((x, width - w), (y, height - h)))
        image = image.copy()
        region = image[int(y) : int(y) + h, int(x) : int(x) + w]
        small = cv2.resize(region, (max(1, w // tile), max(1, h // tile)), interpolation=cv2.INTER_AREA)
        region[:] = cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)
        yield image


def inset(images: list[Image], rng: np.random.Generator) -> Iterator[Image]:
    """A smaller picture in the picture, with or without a frame, as interviews and sign language have."""
    height, width = images[0].shape[:2]
    share = float(rng.uniform(0.15, 0.45))
    w, h = int(width * share), int(height * share)
    x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
    border = int(rng.integers(0, 4))
    for image, shown in zip(images, reversed(images), strict=True):
        out = image.copy()
        out[y : y + h, x : x + w] = 230
        inner = cv2.resize(shown, (w - 2 * border, h - 2 * border), interpolation=cv2.INTER_AREA)
        out[y + border : y + h - border, x + border : x + w - border] = inner
        yield out


TRANSITIONS: tuple[Transition, ...] = (cut, dissolve, wipe, flashes)
OVERLAYS: tuple[Overlay, ...] = (captions, captions, pixelate, inset)
