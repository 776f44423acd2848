"""Defects inside the picture: coding blocks, lost detail, noise, bands, lost or wrong colour, wrong levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import av
import cv2
import numpy as np

from vqa_agent.media import Picture, Plane
from vqa_agent.simulate.defects import replace
from vqa_agent.simulate.scenes import RATE, Image


def blocks(
    pictures: Iterable[Image], start: float, end: float, strength: float, size: int = 8, rate: int = RATE
) -> Iterator[Image]:
    """Each block of `size` pixels drawn towards its own mean by `strength` (0..1), as a coarse quantiser does."""

    def coarse(image: Image) -> Image:
        height, width = (side // size * size for side in image.shape[:2])
        whole = image[:height, :width]
        means = cv2.resize(whole, (width // size, height // size), interpolation=cv2.INTER_AREA)
        flat = np.repeat(np.repeat(means, size, axis=0), size, axis=1)
        out = image.copy()
        out[:height, :width] = cv2.addWeighted(whole, 1 - strength, flat, strength, 0)
        return out

    return replace(pictures, start, end, coarse, rate)


def grey(pictures: Iterable[Image], start: float, end: float, left: float = 0.0, rate: int = RATE) -> Iterator[Image]:
    """The colour taken away but for a share of `left`."""

    def drain(image: Image) -> Image:
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        return np.asarray(np.clip(luma + left * (image - luma), 0, 255), dtype=np.uint8)

    return replace(pictures, start, end, drain, rate)


def soften(pictures: Iterable[Image], start: float, end: float, sigma: float, rate: int = RATE) -> Iterator[Image]:
    """Detail taken away by a Gaussian of `sigma` pixels, as a lens out of focus or too much scaling does."""
    return replace(
        pictures, start, end, lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8), rate
    )


def snow(
    pictures: Iterable[Image], start: float, end: float, sigma: float, rate: int = RATE, seed: int = 17
) -> Iterator[Image]:
    """Independent Gaussian noise of `sigma` code values in each colour, new in each picture."""
    rng = np.random.default_rng(seed)

    def disturb(image: Image) -> Image:
        noise = rng.standard_normal(image.shape, np.float32) * sigma
        return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)

    return replace(pictures, start, end, disturb, rate)


def coarsen(pictures: Iterable[Image], start: float, end: float, bits: int, rate: int = RATE) -> Iterator[Image]:
    """Only the upper `bits` of luma and chroma are kept."""
    step = 1 << (8 - bits)

    def quantise(image: Image) -> Image:
        parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb) // step * step + step // 2
        return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)

    return replace(pictures, start, end, quantise, rate)


Tint = Literal["warm", "turned", "swapped"]


def tint(
    pictures: Iterable[Image], start: float, end: float, kind: Tint, amount: float = 1.0, rate: int = RATE
) -> Iterator[Image]:
    """Wrong colours: `warm` (white balance), `turned` (hue by 120 degrees) or `swapped` (Cb with Cr)."""
    cosine, sine = np.cos(2 * np.pi / 3 * amount), np.sin(2 * np.pi / 3 * amount)
    planes = {"turned": [[cosine, -sine], [sine, cosine]], "swapped": [[1 - amount, amount], [amount, 1 - amount]]}
    gains = (1 + 0.25 * amount, 1.0, 1 - 0.4 * amount)

    def colour(image: Image) -> Image:
        if kind == "warm":
            return np.asarray(np.clip(image * np.array(gains), 0, 255), dtype=np.uint8)
        parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
        chroma = (parts[..., 1:] - 128.0) @ np.array(planes[kind]) + 128
        parts[..., 1:] = np.clip(chroma, 0, 255)
        return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)

    return replace(pictures, start, end, colour, rate)


def expose(
    pictures: Iterable[Image],
    start: float,
    end: float,
    gain: float = 1.0,
    lift: float = 0.0,
    rate: int = RATE,
) -> Iterator[Image]:
    """Levels multiplied by `gain` about mid-grey and raised by `lift` (share of full range), and clipped."""

    def drive(image: Image) -> Image:
        return np.asarray(cv2.convertScaleAbs(np.clip((image - 127.5) * gain + 127.5 + 255 * lift, 0, 255)), np.uint8)

    return replace(pictures, start, end, drive, rate)


def overdrive(pictures: Iterable[Picture], start: float, end: float, gain: float = 255 / 219) -> Iterator[Picture]:
    """Luma stretched about mid-grey beyond the nominal range: by default full range in a picture marked as limited.

    Works on pictures with luma, because RGB cannot carry levels beyond black and white.
    """
    for picture in pictures:
        if start <= picture.time < end:
            top = (1 << picture.depth) - 1
            middle = 125.5 * (1 << (picture.depth - 8))
            stretched = np.clip((picture.luma - middle) * gain + middle, 0, top)
            picture.luma = stretched.astype(picture.luma.dtype)
        yield picture


def full_range(
    images: Iterable[Image], start: float, end: float, gain: float = 255 / 219, rate: int = RATE
) -> Iterator[av.VideoFrame]:
    """`overdrive` for pictures that go to an encoder: limited-range frames, their luma stretched.

    Only what has black and white in it goes beyond: the material is graded first, so that by its first picture a
    fiftieth of the luma lies at or below black, and as much at or above white.
    """
    grade: Plane | None = None
    for number, image in enumerate(images):
        planes = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420), np.uint8)
        luma = planes[: image.shape[0]]
        grade = _grade(luma) if grade is None else grade
        luma[:] = cv2.LUT(luma, grade)
        if start <= number / rate < end:
            luma[:] = np.clip((luma - 125.5) * gain + 125.5, 0, 255)
        yield av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _grade(luma: Plane) -> Plane:
    """(256,) table that takes the darkest and the brightest fiftieth of `luma` to black and to white."""
    dark, bright = np.quantile(luma, (0.02, 0.98))
    return np.asarray(np.interp(np.arange(256), (dark, max(bright, dark + 1)), (16, 235)), np.uint8)
