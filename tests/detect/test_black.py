from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.media import FULL, Picture
from vqa_agent.simulate import defects, scenes

CONTENTS = ("pan", "studio", "action")
SEVERITIES = {"noisy grey black": (0.05, 3.0), "dark": (0.02, 1.0), "video black": (0.0, 0.0)}


def scene(name: str, seconds: float):
    return scenes.SCENES[name](seconds, samples.SIZE)


def defective():
    return samples.pictures(defects.black(scene("studio", 10.0), 1.0, 8.0, noise=1.0))


def black_events(images, profile: Profile = Profile.FILE) -> list:
    return samples.events(samples.pictures(images), profile, only=["black"])


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_black_with_its_limits(content: str, severity: str) -> None:
    level, noise = SEVERITIES[severity]
    (event,) = black_events(defects.black(scene(content, 6.0), 1.0, 4.0, level, noise))
    assert event.start == pytest.approx(1.0, abs=0.05)
    assert event.end == pytest.approx(4.0, abs=0.05)
    assert event.detail["luma"] < 0.1


def test_live_waits_longer_than_a_file_check() -> None:
    assert black_events(defects.black(scene("studio", 6.0), 1.0, 4.0), Profile.LIVE) == []
    assert len(black_events(defects.black(scene("studio", 8.0), 1.0, 7.0), Profile.LIVE)) == 1


def fade(seconds: float, hold: float = 0.3):
    """Programme, down to black, a moment of black, and up again."""
    images = list(scenes.pan(2 * seconds + hold + 2, samples.SIZE))
    for number, image in enumerate(images):
        time = number / 25 - 1.0
        away = min(abs(time - seconds), abs(time - seconds - hold)) if not seconds <= time <= seconds + hold else 0.0
        yield (image * min(1.0, max(0.0, away / seconds))).astype(np.uint8)


def credits():
    for offset in range(100):
        yield np.roll(scenes.lettering(samples.SIZE), -offset, axis=0)


def starry_sky():
    rng = np.random.default_rng(3)
    sky = np.zeros((180, 320, 3), np.uint8)
    for y, x in rng.integers((0, 0), (180, 320), (500, 2)):
        sky[y, x : x + 2] = 255
    return itertools.repeat(sky, 100)


def tinted():
    rng = np.random.default_rng(5)
    for _ in range(100):
        image = np.zeros((180, 320, 3))
        image[..., 2] = 70
        yield np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.uint8)


def dim_scene():
    for image in scenes.studio(4.0, samples.SIZE):
        yield (image * 0.16).astype(np.uint8)


TRAPS = {
    "fade of one second": lambda: fade(1.0),
    "slow fade": lambda: fade(3.0),
    "credits": credits,
    "starry sky": starry_sky,
    "dark blue tint": tinted,
    "night street": lambda: scenes.night(4.0, samples.SIZE),
    "dim scene": dim_scene,
    "slide": lambda: scenes.slide(4.0, samples.SIZE),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert black_events(TRAPS[trap]()) == []


def test_a_logo_in_one_corner_does_not_hide_a_black() -> None:
    image = np.zeros((180, 320, 3), np.uint8)
    image[12:28, 270:306] = (230, 230, 230)
    assert len(black_events(itertools.repeat(image, 100))) == 1


@pytest.mark.parametrize(
    ("luma", "levels", "depth"),
    [
        (np.full((180, 320), 3, np.uint8), FULL, 8),
        (np.full((180, 320), 66, np.uint16), samples.picture(np.zeros((180, 320, 3), np.uint8)).levels, 10),
    ],
    ids=["full range", "10 bit"],
)
def test_knows_range_and_depth(luma: np.ndarray, levels, depth: int) -> None:
    picture = Picture(time=0.0, duration=0.04, luma=luma, levels=levels, depth=depth)
    (finding,) = samples.fresh("black").look(picture)
    assert finding.bad
