from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes, spatial


def scene(name: str, seconds: float):
    return scenes.SCENES[name](seconds, samples.SIZE)


def defective():
    return samples.pictures(spatial.grey(scene("studio", 15.0), 2.0, 14.0))


def losses(images, profile: Profile = Profile.FILE) -> list:
    return samples.events(samples.pictures(images), profile, only=["chroma_loss"])


@pytest.mark.parametrize("content", ["studio", "pan", "cartoon"])
@pytest.mark.parametrize("left", [0.1, 0.05, 0.0], ids=["slight", "middle", "gross"])
def test_finds_lost_colour_with_its_limits(content: str, left: float) -> None:
    (event,) = losses(spatial.grey(scene(content, 8.0), 2.0, 6.0, left))
    assert event.start == pytest.approx(2.0, abs=0.25)
    assert event.end == pytest.approx(6.0, abs=0.25)


@pytest.mark.parametrize("code", [0, 255])
@pytest.mark.parametrize("plane", [0, 1], ids=["cb", "cr"])
def test_a_plane_that_is_stuck_is_certain(code: int, plane: int) -> None:
    detector = samples.fresh("chroma_loss")
    source = samples.picture(next(scene("studio", 0.1)))
    chroma = list(source.chroma)
    chroma[plane] = np.full_like(chroma[plane], code)
    stuck = Picture(time=0.0, duration=0.04, luma=source.luma, chroma=(chroma[0], chroma[1]))
    (finding,) = detector.look(stuck)
    assert (finding.bad, finding.certain) == (True, True)


def fade_to_black():
    for number, image in enumerate(scene("studio", 6.0)):
        yield (image * min(1.0, max(0.0, 2.5 - number / 25))).astype(np.uint8)


def slow_grade():
    """Colour drained over four seconds, as a grade does."""
    for number, image in enumerate(scene("studio", 8.0)):
        left = min(1.0, max(0.0, 1 - (number / 25 - 2) / 4))
        yield next(spatial.grey([image], 0.0, 1.0, left))


TRAPS = {
    "cut to black and white": lambda: itertools.chain(
        scene("studio", 3.0), spatial.grey(scene("pan", 5.0), 0.0, 9.0), scene("action", 3.0)
    ),
    "black-and-white film": lambda: spatial.grey(scene("action", 6.0), 0.0, 9.0),
    "fade to black": fade_to_black,
    "slow grade": slow_grade,
    "cut to a slide": lambda: itertools.chain(scene("action", 3.0), scene("slide", 5.0)),
    "colourful action": lambda: scene("action", 6.0),
    "night": lambda: scene("night", 5.0),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert losses(TRAPS[trap]()) == []


def test_grey_pixel_formats_have_no_colour_to_lose() -> None:
    picture = Picture(time=0.0, duration=0.04, luma=np.full((90, 160), 90, np.uint8))
    assert list(samples.fresh("chroma_loss").look(picture)) == []
