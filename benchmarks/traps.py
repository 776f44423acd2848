"""Clean material that looks or sounds like a defect and is none: all detectors must stay silent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples
from vqa_agent.simulate import motion, scenes, sounds, spatial
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

SIZE = (640, 360)
SECONDS = 12.0


@dataclass(frozen=True)
class Trap:
    """What is shown and heard; what is missing is a studio, or speech. `rate`: pictures a second."""

    name: str
    pictures: Callable[[], Iterator[Image]] | None = None
    sound: Callable[[], Samples] | None = None
    rate: int = RATE
    interlaced: bool = False


def _scene(name: str, seconds: float = SECONDS, seed: int = 0) -> Iterator[Image]:
    return scenes.SCENES[name](seconds, SIZE, seed=seed)


def fades() -> Iterator[Image]:
    """Down to black and up again, once a scene."""
    for number, image in enumerate(chain(_scene("action", 6), _scene("studio", 6))):
        gain = np.clip(abs((number / RATE) % 6 - 5.2) / 0.7, 0, 1)
        yield (image * gain).astype(np.uint8)


def cuts() -> Iterator[Image]:
    """A shot a second."""
    for shot in range(12):
        yield from _scene(("action", "pan", "studio", "night")[shot % 4], 1.0, shot)


def dissolves() -> Iterator[Image]:
    one, other = _scene("pan"), _scene("action")
    for number, (first, second) in enumerate(zip(one, other, strict=True)):
        share = float(np.clip(0.5 + 2 * np.sin(number / RATE), 0, 1))
        yield np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), np.uint8)


def camera_flashes() -> Iterator[Image]:
    """Photographers at a press conference: single bright pictures, at most two in a second."""
    rng, lit = np.random.default_rng(1), 0
    for number, image in enumerate(_scene("studio")):
        lit = number if number % 13 == 0 and rng.random() < 0.6 else lit
        yield np.clip(image * 1.8 + 40, 0, 255).astype(np.uint8) if lit == number else image


def grain() -> Iterator[Image]:
    rng = np.random.default_rng(2)
    return (scenes.grain(image, 4.5, rng) for image in _scene("action"))


def rain() -> Iterator[Image]:
    """Streaks that fall before a street."""
    rng = np.random.default_rng(3)
    drops = rng.uniform(size=(400, 3))
    for number, image in enumerate(_scene("pan")):
        out = image.copy()
        for x, y, speed in drops:
            top = int(((y + (1.5 + speed) * number / RATE) % 1.0) * SIZE[1])
            left = int(x * SIZE[0])
            cv2.line(out, (left, top), (left - 2, top + 14), (205, 210, 215), 1, cv2.LINE_AA)
        yield np.asarray(cv2.addWeighted(out, 0.6, image, 0.4, 0), np.uint8)


def confetti() -> Iterator[Image]:
    rng = np.random.default_rng(4)
    bits = rng.uniform(size=(500, 5))
    for number, image in enumerate(_scene("studio")):
        out = image.copy()
        for x, y, speed, tint, turn in bits:
            place = (
                int((x + 0.02 * np.sin(turn * 9 + number / 5)) * SIZE[0]),
                int((y + (0.1 + 0.2 * speed) * number / RATE) % 1.0 * SIZE[1]),
            )
            size = (3, max(1, int(3 * abs(np.sin(turn * 7 + number / 4)))))
            cv2.ellipse(out, place, size, 0, 0, 360, (int(255 * tint), int(255 * turn), int(255 * (1 - tint))), -1)
        yield out


def concert() -> Iterator[Image]:
    """Stage lights that change colour and sweep, slower than any flash rule forbids."""
    x = np.arange(SIZE[0])
    for number, image in enumerate(_scene("night", seed=7)):
        moment = number / RATE
        light = np.exp(-(((x / SIZE[0] - 0.5 - 0.4 * np.sin(moment)) * 3) ** 2))[:, None]
        colour = 0.5 + 0.5 * np.sin(moment * np.array([0.9, 1.3, 1.7]) + np.array([0, 2, 4]))
        yield np.clip(image + 150 * light * colour, 0, 255).astype(np.uint8)


def letterboxed() -> Iterator[Image]:
    """A wide film in its bars from the first to the last picture."""
    return motion.letterbox(_scene("action"), 0, 99, 0.12)


def credits() -> Iterator[Image]:
    """Lettering that rolls over black."""
    roll = np.concatenate([scenes.lettering(SIZE, seed=seed) for seed in range(4)])
    for number in range(round(SECONDS * RATE)):
        top = int(number * 2) % (roll.shape[0] - SIZE[1])
        yield roll[top : top + SIZE[1]]


def slides() -> Iterator[Image]:
    """A talk: a new slide every second and a half."""
    for seed in range(8):
        yield from islice(repeat(scenes.lettering(SIZE, dark=False, seed=seed)), round(1.5 * RATE))


def screen() -> Iterator[Image]:
    """A screen recording: a pointer, typing, a page that scrolls now and then."""
    page = np.concatenate([scenes.lettering(SIZE, dark=False, seed=seed) for seed in range(4)])
    top = 0
    for number in range(round(SECONDS * RATE)):
        top += 24 if number % 75 < 12 else 0
        out = np.ascontiguousarray(page[top : top + SIZE[1]])
        place = (int(320 + 200 * np.sin(number / 14)), int(180 + 120 * np.sin(number / 9)))
        cv2.circle(out, place, 5, (20, 20, 20), -1, cv2.LINE_AA)
        cv2.rectangle(out, (80, 300), (80 + number % 200, 312), (24, 40, 80), -1)
        yield out


def interlaced() -> Iterator[Image]:
    return motion.weave(_scene("action"), 0, 99)


def pulled_down() -> Iterator[Image]:
    """24 pictures a second in 30."""
    return motion.repeat_to(_scene("action"), ([1, 1, 1, 2] * 100)[:240])


def on_twos() -> Iterator[Image]:
    return _scene("cartoon")


def telephone() -> Iterator[Image]:
    """A shaky hand-held camera with sharp changes of exposure over a second."""
    rng = np.random.default_rng(8)
    wall = scenes.texture(SIZE[0] + 120, SIZE[1] + 120, rng)
    for number in range(round(SECONDS * RATE)):
        dx, dy = (int(60 + 40 * np.sin(number / part) + rng.normal(0, 2)) for part in (11, 7))
        gain = 1 + 0.35 * np.tanh(np.sin(number / 40) * 3)
        yield np.clip(wall[dy : dy + SIZE[1], dx : dx + SIZE[0]] * gain, 0, 255).astype(np.uint8)


def monochrome() -> Iterator[Image]:
    """An old film between two shots in colour."""
    old = spatial.grey(_scene("studio", 5), 0, 99)
    return chain(_scene("action", 3.5), old, _scene("action", 3.5, 9))


def ticker() -> Iterator[Image]:
    """News: a presenter above lettering that runs."""
    strip = np.concatenate([scenes.lettering(SIZE, seed=seed)[80:120] for seed in range(6)], axis=1)
    for number, image in enumerate(_scene("studio")):
        out = image.copy()
        left = number * 3 % (strip.shape[1] - SIZE[0])
        out[-40:] = strip[:, left : left + SIZE[0]]
        yield out


def led_wall() -> Iterator[Image]:
    """A wall of lamps, 6 pixels apart, that shows moving pictures behind a presenter."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    lamps = (np.hypot(x % 6 - 2.5, y % 6 - 2.5) < 2.6)[..., None]
    for image, person in zip(_scene("action"), _scene("studio"), strict=True):
        coarse = cv2.resize(cv2.resize(image, (106, 60), interpolation=cv2.INTER_AREA), SIZE, interpolation=0)
        out = (coarse * lamps).astype(np.uint8)
        out[:, 180:460] = person[:, 180:460]
        yield out


def _noise(seconds: float, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=round(seconds * SAMPLE_RATE))


def _stereo(wave: NDArray[np.float64], level: float = 0.1) -> Samples:
    scaled = wave * level / max(1e-9, float(np.sqrt(np.mean(wave**2))))
    return np.clip(np.stack([scaled, scaled]), -0.98, 0.98).astype(np.float32)


def applause() -> Samples:
    """Thousands of claps, a decaying burst each."""
    rng = np.random.default_rng(5)
    hits = np.where(rng.random(round(SECONDS * SAMPLE_RATE)) < 60 / SAMPLE_RATE, rng.uniform(0.3, 1), 0)
    clap = rng.normal(size=960) * np.exp(-np.arange(960) / 140)
    return _stereo(np.convolve(hits, clap)[: len(hits)])


def laughter() -> Samples:
    """Bursts five times a second that swell and die, with pauses between."""
    moments = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    swell = np.clip(np.sin(moments * 2 * np.pi / 4), 0, 1) ** 0.5
    return _stereo(_noise(SECONDS, 6) * (0.02 + np.clip(np.sin(moments * 2 * np.pi * 5), 0, 1) ** 2 * swell))


def guitar() -> Samples:
    """An overdriven electric guitar, as it comes out of its loudspeaker: rounded, not flat, tops.

    Quiet music, because at -8 dBFS its own tops are cut, and driven tops are flat in 16 bits before the loudspeaker.
    """
    driven = np.fft.rfft(np.tanh(sounds.music(SECONDS, -20.0) * 24))
    hertz = np.fft.rfftfreq(round(SECONDS * SAMPLE_RATE), 1 / SAMPLE_RATE)
    box = (hertz / (hertz + 90)) ** 2 / (1 + (hertz / 4500) ** 6)
    return (np.fft.irfft(driven * box, round(SECONDS * SAMPLE_RATE)) * 0.5).astype(np.float32)


def drums() -> Samples:
    """Dry hits with digital quiet between them."""
    out = np.zeros(round(SECONDS * SAMPLE_RATE))
    hit = _noise(0.15, 7) * np.exp(-np.arange(7200) / 1200)
    for number in range(int(SECONDS * 4)):
        start = number * SAMPLE_RATE // 4
        out[start : start + 7200] += hit[: len(out) - start] * (1.0, 0.4, 0.7, 0.4)[number % 4]
    return _stereo(out)


def morse() -> Samples:
    """A tone that is keyed with ramps of 5 ms."""
    moments = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    key = (np.sin(2 * np.pi * 3 * moments) > -0.2).astype(float)
    return _stereo(np.sin(2 * np.pi * 700 * moments) * np.convolve(key, np.ones(480) / 480, "same"))


def mono() -> Samples:
    return np.repeat(sounds.speech(SECONDS)[:1], 2, axis=0)


def wide() -> Samples:
    """Stereo that is wide: the channels share little."""
    one, other = sounds.music(SECONDS, seed=1)[:1], sounds.music(SECONDS, seed=2)[:1]
    return np.concatenate([one, 0.8 * other + 0.2 * one]).astype(np.float32)


def quiet_talk() -> Samples:
    return sounds.speech(SECONDS, -42.0)


TRAPS: tuple[Trap, ...] = (
    *(Trap(draw.__name__, draw) for draw in (fades, cuts, dissolves, camera_flashes, grain, rain, confetti, concert)),
    *(Trap(draw.__name__, draw) for draw in (letterboxed, credits, slides, screen, on_twos, telephone, monochrome)),
    *(Trap(draw.__name__, draw) for draw in (ticker, led_wall)),
    Trap("interlaced", interlaced, interlaced=True),
    Trap("pulled_down", pulled_down, rate=30),
    *(Trap(make.__name__, sound=make) for make in (applause, laughter, guitar, drums, morse, mono, wide, quiet_talk)),
)
