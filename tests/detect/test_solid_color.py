from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.simulate import defects, scenes

COLOURS = {"blue": (0, 0, 255), "green": (0, 200, 30), "grey": (120, 120, 120), "magenta": (255, 0, 255)}


def defective():
    return samples.pictures(defects.color(scenes.pan(9.0, samples.SIZE), 1.0, 7.5, (0, 0, 255)))


def colour_events(images, profile: Profile = Profile.FILE) -> list:
    return samples.events(samples.pictures(images), profile, only=["solid_color"])


@pytest.mark.parametrize("content", ["pan", "studio", "cartoon"])
@pytest.mark.parametrize("noise", [0.0, 1.0, 2.5], ids=["pure", "slight noise", "noise"])
@pytest.mark.parametrize("colour", ["blue", "grey"])
def test_finds_one_colour_with_its_limits(content: str, noise: float, colour: str) -> None:
    images = scenes.SCENES[content](5.0, samples.SIZE)
    (event,) = colour_events(defects.color(images, 1.0, 4.0, COLOURS[colour], noise))
    assert event.start == pytest.approx(1.0, abs=0.05)
    assert event.end == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_reports_the_colour(colour: str) -> None:
    image = np.full((180, 320, 3), COLOURS[colour], np.uint8)
    (finding,) = samples.fresh("solid_color").look(samples.picture(image))
    seen = tuple(int(finding.detail["color"][place : place + 2], 16) for place in (1, 3, 5))
    assert np.abs(np.subtract(seen, COLOURS[colour])).max() <= 6


def sky():
    ramp = np.linspace(0, 1, 180)[:, None, None]
    image = ((1 - ramp) * (90, 140, 220) + ramp * (150, 190, 235)).astype(np.uint8)
    return itertools.repeat(np.broadcast_to(image, (180, 320, 3)), 100)


def cyclorama():
    y, x = np.mgrid[0:180, 0:320]
    light = 200 + 30 * np.exp(-((x - 160) ** 2 + (y - 90) ** 2) / 12000)
    return itertools.repeat(np.repeat(light[..., None], 3, axis=2).astype(np.uint8), 100)


def white_flash():
    yield from scenes.pan(1.0, samples.SIZE)
    yield from itertools.repeat(np.full((180, 320, 3), 240, np.uint8), 10)
    yield from scenes.pan(1.0, samples.SIZE)


TRAPS = {
    "clear sky": sky,
    "studio cyclorama": cyclorama,
    "slide on white": lambda: scenes.slide(4.0, samples.SIZE),
    "credits": lambda: itertools.repeat(scenes.lettering(samples.SIZE), 100),
    "cartoon": lambda: scenes.cartoon(4.0, samples.SIZE),
    "flash": white_flash,
    "night": lambda: scenes.night(4.0, samples.SIZE),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert colour_events(TRAPS[trap]()) == []


def test_a_black_picture_is_black_and_not_a_solid_colour() -> None:
    images = defects.black(scenes.pan(6.0, samples.SIZE), 1.0, 5.0)
    found = samples.events(samples.pictures(images), only=["solid_color", "black", "freeze"])
    assert samples.names(found) == ["black"]
