from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.detect.noise import Grain
from vqa_agent.simulate import scenes, spatial

SEVERITIES = {"slight": 10.0, "middle": 18.0, "gross": 35.0}


def defective():
    return samples.pictures(spatial.snow(scenes.studio(15.0, samples.SIZE), 2.0, 14.0, 20.0))


@pytest.mark.parametrize("content", ["studio", "cartoon", "night"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_noise_with_its_limits(content: str, severity: str) -> None:
    (event,) = found("noise", spatial.snow(clip(content), 2.0, 6.0, SEVERITIES[severity]))
    assert event.start == pytest.approx(2.0, abs=0.25)
    assert event.end == pytest.approx(6.0, abs=0.25)


@pytest.mark.parametrize("codec", CODECS)
def test_finds_it_behind_encoders(codec: str, tmp_path: Path) -> None:
    images = spatial.snow(clip("studio", 6.0), 2.0, 5.0, SEVERITIES["middle"])
    assert len(found_behind(codec, "noise", images, tmp_path)) == 1


@pytest.mark.parametrize(("profile", "events"), [(Profile.FILE, 1), (Profile.LIVE, 0)])
def test_strong_noise_from_the_start_is_a_matter_of_files(profile: Profile, events: int) -> None:
    noisy = spatial.snow(scenes.studio(12.0, samples.SIZE), 0.0, 99.0, 25.0)
    assert len(found("noise", noisy, profile)) == events


@pytest.mark.parametrize("sigma", [4.0, 8.0])
def test_measures_noise_in_code_values(sigma: float) -> None:
    rng = np.random.default_rng(2)
    flat = np.full((180, 320, 3), 120, np.uint8)
    *_, last = samples.pictures(scenes.grain(flat, sigma, rng) for _ in range(3))
    # The luma of limited range spans 219 of 255 codes.
    assert Grain(last).middle == pytest.approx(sigma * 219 / 255, rel=0.1)


def rain():
    rng = np.random.default_rng(6)
    for image in clip("studio", 5.0):
        image = image.copy()
        for x, y in rng.integers((0, 0), (320, 170), (160, 2)):
            cv2.line(image, (int(x), int(y)), (int(x) + 1, int(y) + 9), (200, 200, 210), 1)
        yield image


def confetti():
    rng = np.random.default_rng(7)
    pieces = rng.uniform(0, 1, (500, 5))
    for number, image in enumerate(clip("action", 5.0)):
        image = image.copy()
        for x, y, speed, hue, size in pieces:
            corner = (int(x * 320), int((y + (0.2 + speed) * number / 50) % 1 * 180))
            colour = (int(255 * hue), int(255 * (1 - hue)), int(255 * speed))
            cv2.rectangle(image, corner, (corner[0] + 1 + int(3 * size), corner[1] + 2), colour, -1)
        yield image


def rippling_water():
    wall = scenes.texture(320, 180, np.random.default_rng(8))
    y, x = np.mgrid[0:180, 0:320].astype(np.float32)
    for number in range(125):
        wave = 3 * np.sin(x / 9 + number * 0.7) + 2 * np.sin(y / 5 - number * 0.5)
        yield cv2.remap(wall, x + wave, y - wave, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def static_texture():
    return itertools.repeat(scenes.texture(320, 180, np.random.default_rng(9), 0.4), 100)


TRAPS = {
    "film grain": lambda: scenes.studio(5.0, samples.SIZE, noise=5.0),
    "cut to grainy material": lambda: itertools.chain(clip("studio", 3.0), scenes.night(4.0, samples.SIZE, noise=6.0)),
    "pan over texture": lambda: clip("pan", 5.0),
    "a still texture": static_texture,
    "a pan that begins": lambda: itertools.chain([clip("pan", 5.0)[0]] * 50, clip("pan", 5.0)),
    "rain": rain,
    "confetti": confetti,
    "rippling water": rippling_water,
    "slide": lambda: clip("slide", 4.0),
    "night": lambda: clip("night", 5.0),
    "black": lambda: itertools.repeat(np.zeros((180, 320, 3), np.uint8), 100),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("noise", TRAPS[trap]()) == []


def test_shows_what_it_has_learnt() -> None:
    detector = samples.fresh("noise")
    for picture in samples.pictures(clip("studio", 3.0)):
        list(detector.look(picture))
    assert 2 ** detector.memory()["typical"] - 0.5 == pytest.approx(0.8, abs=0.3)
