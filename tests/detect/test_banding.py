from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.media import Picture
from vqa_agent.simulate import motion, scenes, spatial

BITS = {"slight": 5, "middle": 4, "gross": 3}


def sky(seconds: float = 6.0, size=samples.SIZE):
    """A clear sky over a textured ground, panning."""
    width, height = size
    ground = scenes.texture(width * 2, height // 3, np.random.default_rng(1))
    y, x = np.mgrid[0 : height - height // 3, 0:width]
    for number in range(round(seconds * 25)):
        light = 0.35 + 0.3 * y / height + 0.35 * (x + number * 0.5) / width
        air = np.clip(light[..., None] * (150, 200, 255), 0, 255).astype(np.uint8)
        yield np.concatenate([air, ground[:, number % width :][:, :width]])


def sunset(seconds: float = 6.0):
    y, x = np.mgrid[0:180, 0:320]
    for number in range(round(seconds * 25)):
        glow = np.exp(-np.hypot(x - 160, (y - 150 - number * 0.1) * 1.2) / 170)
        yield np.clip(glow[..., None] * (255, 170, 90) + (20, 16, 40), 0, 255).astype(np.uint8)


def backdrop(seconds: float = 6.0):
    return scenes.studio(seconds, samples.SIZE, noise=0.0)


CONTENTS = {"sky": sky, "sunset": sunset, "studio": backdrop}


def defective():
    return samples.pictures(spatial.coarsen(sky(15.0), 2.0, 14.0, 4))


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("severity", BITS)
def test_finds_bands_with_their_limits(content: str, severity: str) -> None:
    (event,) = found("banding", spatial.coarsen(CONTENTS[content](7.0), 1.0, 5.0, BITS[severity]))
    assert event.start == pytest.approx(1.0, abs=0.65)
    assert event.end == pytest.approx(5.0, abs=0.65)
    assert event.detail["step"] >= 6


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_encoders(codec: str, tmp_path: Path) -> None:
    images = spatial.coarsen(sunset(6.0), 1.0, 5.0, BITS["middle"])
    assert len(found_behind(codec, "banding", images, tmp_path)) == 1


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("codec", CODECS)
def test_smooth_gradients_behind_encoders_are_clean(codec: str, content: str, tmp_path: Path) -> None:
    assert found_behind(codec, "banding", CONTENTS[content](3.0), tmp_path) == []


def cel_shading():
    """Flat colours, each with its own shade: drawn contours."""
    image = np.full((180, 320, 3), (150, 205, 235), np.uint8)
    for place, (x, y, tone) in enumerate(np.random.default_rng(4).uniform(size=(6, 3))):
        centre = (int(20 + 280 * x), int(20 + 140 * y))
        colour = np.array((60 + 150 * tone, 200 - 20 * place, 90 + 20 * place))
        cv2.circle(image, centre, 34, tuple(map(int, colour)), -1)
        cv2.circle(image, centre, 26, tuple(map(int, colour + 14 - 3 * place)), -1)
    return itertools.repeat(image, 100)


def dark_gradient():
    for image in sunset(4.0):
        yield (image * 0.25).astype(np.uint8)


TRAPS = {
    "sky": lambda: sky(4.0),
    "sunset": lambda: sunset(4.0),
    "dark gradient": dark_gradient,
    "cel shading": cel_shading,
    "cartoon": lambda: clip("cartoon", 4.0),
    "slide": lambda: clip("slide", 4.0),
    "lettering": lambda: itertools.repeat(scenes.lettering(samples.SIZE), 100),
    "grain": lambda: scenes.studio(4.0, samples.SIZE, noise=4.0),
    "black": lambda: itertools.repeat(np.zeros((180, 320, 3), np.uint8), 100),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert found("banding", TRAPS[trap](), profile) == []


def test_colour_bars_are_a_test_pattern_and_not_bands() -> None:
    bars = itertools.repeat(motion.bars("smpte", samples.SIZE), 175)
    assert samples.names(samples.events(samples.pictures(bars), only=["banding", "test_pattern"])) == ["test_pattern"]


def test_ten_bits_say_the_same_as_eight() -> None:
    eight = samples.picture(next(spatial.coarsen(sky(0.1), 0.0, 1.0, 4)))
    deep, *chroma = (plane.astype(np.uint16) * 4 for plane in (eight.luma, *eight.chroma))
    ten = Picture(time=0.0, duration=0.04, luma=deep, chroma=tuple(chroma), depth=10)
    found = [next(iter(samples.fresh("banding").look(picture))) for picture in (eight, ten)]
    assert found[0].bad
    assert found[0].detail == found[1].detail
