"""Defects put into clean pictures and sound, from a start to an end second.

Each function takes the clean material and gives it back with the defect in it; outside the interval nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from vqa_agent.media import Samples
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE


def replace(
    pictures: Iterable[Image], start: float, end: float, change: Callable[[Image], Image], rate: int = RATE
) -> Iterator[Image]:
    """The pictures, those from `start` to `end` changed by `change`."""
    for number, image in enumerate(pictures):
        yield change(image) if start <= number / rate < end else image


def black(
    pictures: Iterable[Image], start: float, end: float, level: float = 0.0, noise: float = 0.0, rate: int = RATE
) -> Iterator[Image]:
    """Black at `level` (share of full range) with `noise` (code values)."""
    return color(pictures, start, end, (round(level * 255),) * 3, noise, rate)


def color(
    pictures: Iterable[Image],
    start: float,
    end: float,
    rgb: tuple[int, int, int],
    noise: float = 0.0,
    rate: int = RATE,
) -> Iterator[Image]:
    """One colour, as a video mixer's background or a capture card without a signal shows."""
    rng = np.random.default_rng(7)

    def flat(image: Image) -> Image:
        plain = np.broadcast_to(np.array(rgb, np.float64), image.shape)
        return np.asarray(np.clip(plain + rng.normal(0, noise, image.shape), 0, 255), dtype=np.uint8)

    return replace(pictures, start, end, flat, rate)


def freeze(
    pictures: Iterable[Image], start: float, end: float, noise: float = 0.0, rate: int = RATE
) -> Iterator[Image]:
    """The picture at `start` held until `end`, with fresh `noise` (code values) as an analogue hop adds."""
    rng = np.random.default_rng(11)
    held: Image | None = None
    for number, image in enumerate(pictures):
        if not start <= number / rate < end:
            yield image
            continue
        held = image if held is None else held
        yield np.asarray(np.clip(held + rng.normal(0, noise, held.shape), 0, 255), np.uint8) if noise else held


def mute(
    sound: Samples, start: float, end: float, channels: tuple[int, ...] | None = None, rate: int = SAMPLE_RATE
) -> Samples:
    """Digital zero in the given channels, or in all."""
    return attenuate(sound, start, end, 0.0, channels, rate)


def attenuate(
    sound: Samples,
    start: float,
    end: float,
    gain: float,
    channels: tuple[int, ...] | None = None,
    rate: int = SAMPLE_RATE,
) -> Samples:
    """`sound` multiplied by `gain` in the given channels, or in all."""
    out = sound.copy()
    for channel in range(sound.shape[0]) if channels is None else channels:
        out[channel, round(start * rate) : round(end * rate)] *= gain
    return out
