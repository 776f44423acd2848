"""Clean moving pictures, drawn: each scene is a function of (seconds, size, seed) that yields RGB pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) RGB."""
Scene: TypeAlias = Callable[..., Iterator[Image]]

SIZE = (640, 360)
RATE = 25


def texture(width: int, height: int, rng: np.random.Generator, slope: float = 1.0) -> Image:
    """A coloured texture whose amplitude spectrum falls as 1/f**`slope`, as that of photographs does (slope 1)."""
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    fall = 1.0 / np.maximum(np.hypot(fy, fx), 1.0 / max(width, height)) ** slope
    planes = []
    for _ in range(3):
        phase = rng.uniform(0, 2 * np.pi, fall.shape)
        plane = np.fft.irfft2(fall * np.exp(1j * phase), (height, width))
        planes.append((plane - plane.mean()) / plane.std())
    luma = planes[0]
    mixed = np.stack([luma + 0.35 * plane for plane in planes], axis=2)
    return np.asarray(np.clip(120 + 45 * mixed, 16, 240), dtype=np.uint8)


def grain(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """`image` with Gaussian noise of `sigma` code values, as a sensor adds."""
    if sigma <= 0:
        return image
    noise = rng.normal(0, sigma, image.shape[:2])[..., None]
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


def pan(
    seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 0, noise: float = 1.5
) -> Iterator[Image]:
    """A camera panning over a textured wall at 40 pixels a second."""
    rng = np.random.default_rng(seed)
    width, height = size
    wall = texture(width * 2, height, rng)
    for number in range(round(seconds * rate)):
        shift = (number * 40 / rate) % width
        matrix = np.array([[1, 0, -shift], [0, 1, 0]], np.float32)
        view = cv2.warpAffine(wall, matrix, (width, height), flags=cv2.INTER_LINEAR)
        yield grain(np.asarray(view, dtype=np.uint8), noise, rng)


def studio(
    seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 1, noise: float = 1.0
) -> Iterator[Image]:
    """A presenter before a blurred set: little moves, with sensor noise."""
    rng = np.random.default_rng(seed)
    width, height = size
    backdrop = np.asarray(cv2.GaussianBlur(texture(width, height, rng, 1.3), (0, 0), 6), dtype=np.uint8)
    for number in range(round(seconds * rate)):
        time = number / rate
        image = backdrop.copy()
        centre = (width / 2 + 0.02 * width * np.sin(time * 1.7), height * 0.42 + 0.01 * height * np.sin(time * 2.9))
        _ellipse(image, (centre[0], height * 0.95), (width * 0.2, height * 0.35), (52, 60, 96))
        _ellipse(image, centre, (width * 0.08, height * 0.2), (206, 162, 138))
        opening = height * 0.02 * (1 + np.sin(time * 2 * np.pi * 3.7))
        _ellipse(image, (centre[0], centre[1] + height * 0.1), (width * 0.025, opening + 1), (120, 60, 60))
        yield grain(image, noise, rng)


def action(
    seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 2, noise: float = 1.0
) -> Iterator[Image]:
    """Many coloured things moving fast over a panning ground."""
    rng = np.random.default_rng(seed)
    width, height = size
    ground = pan(seconds, size, rate, seed, 0.0)
    things = rng.uniform(size=(14, 7))
    for number, image in enumerate(ground):
        time = number / rate
        image = image.copy()
        for x, y, vx, vy, radius, tint, shade in things:
            place = ((x + (vx - 0.5) * time) % 1.0 * width, (y + (vy - 0.5) * time) % 1.0 * height)
            colour = (int(40 + 200 * tint), int(40 + 200 * shade), int(220 - 160 * tint))
            _ellipse(image, place, (width * (0.02 + 0.05 * radius), height * (0.03 + 0.06 * radius)), colour)
        yield grain(image, noise, rng)


def slide(seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 3) -> Iterator[Image]:
    """A presentation slide that does not change."""
    image = lettering(size, dark=False, seed=seed)
    for _ in range(round(seconds * rate)):
        yield image


def night(
    seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 4, noise: float = 2.0
) -> Iterator[Image]:
    """A dark street: most of the picture is nearly black, a few lamps and headlights move."""
    rng = np.random.default_rng(seed)
    width, height = size
    ground = (texture(width, height, rng) * 0.10 + 14).astype(np.uint8)
    lamps = rng.uniform(size=(9, 3))
    for number in range(round(seconds * rate)):
        image = ground.copy()
        for x, y, speed in lamps:
            place = ((x + speed * 0.05 * number / rate) % 1.0 * width, (0.2 + 0.6 * y) * height)
            _ellipse(image, place, (width * 0.012, width * 0.012), (240, 225, 170))
        yield grain(image, noise, rng)


def cartoon(seconds: float, size: tuple[int, int] = SIZE, rate: int = RATE, seed: int = 5) -> Iterator[Image]:
    """Flat colours drawn on twos: a new drawing every second picture."""
    rng = np.random.default_rng(seed)
    width, height = size
    things = rng.uniform(size=(6, 5))
    for number in range(round(seconds * rate)):
        drawing = number // 2
        image = np.full((height, width, 3), (150, 205, 235), np.uint8)
        cv2.rectangle(image, (0, int(height * 0.7)), (width, height), (96, 170, 84), -1)
        for x, y, speed, tint, radius in things:
            place = ((x + (speed - 0.5) * 0.02 * drawing) % 1.0 * width, (0.15 + 0.7 * y) * height)
            _ellipse(image, place, (width * (0.03 + 0.06 * radius),) * 2, (int(255 * tint), 90, int(255 * (1 - tint))))
        yield image


def lettering(size: tuple[int, int] = SIZE, dark: bool = True, seed: int = 0) -> Image:
    """Lines of text: white on black as credits, or black on white as a slide."""
    width, height = size
    paper, ink = ((0, 0, 0), (225, 225, 225)) if dark else ((236, 236, 232), (24, 40, 80))
    image = np.full((height, width, 3), paper, np.uint8)
    rng = np.random.default_rng(seed)
    scale = height / 480
    for line in range(5):
        words = " ".join("".join(rng.choice(list("aeinorstlmkdv"), rng.integers(3, 9))) for _ in range(3))
        place = (int(width * 0.12), int(height * (0.25 + 0.13 * line)))
        cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, max(1, round(2 * scale)), cv2.LINE_AA)
    return image


SCENES: dict[str, Scene] = {
    "pan": pan,
    "studio": studio,
    "action": action,
    "slide": slide,
    "night": night,
    "cartoon": cartoon,
}


def _ellipse(
    image: Image, centre: tuple[float, float], axes: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    """Draw with sub-pixel positions, so that slow movement is smooth."""
    at = (round(centre[0] * 16), round(centre[1] * 16))
    half = (max(16, round(axes[0] * 16)), max(16, round(axes[1] * 16)))
    cv2.ellipse(image, at, half, 0, 0, 360, colour, -1, cv2.LINE_AA, 4)
