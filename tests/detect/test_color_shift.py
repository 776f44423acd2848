from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes, spatial


def garden(seconds: float = 8.0):
    """A camera that pans slowly over flower beds: textures in many colours."""
    width, height = 480, 180
    wall = scenes.texture(width, height, np.random.default_rng(5))
    y, x = np.mgrid[0:height, 0:width]
    hues = np.dstack([1 + 0.5 * np.sin(x / 37 + shift + y / 51) for shift in (0.0, 2.1, 4.2)])
    beds = np.clip(wall * 0.7 * hues, 0, 255).astype(np.uint8)
    for number in range(round(seconds * 25)):
        yield beds[:, number // 2 : number // 2 + 320]


CONTENTS = {"studio": lambda: clip("studio"), "cartoon": lambda: clip("cartoon"), "garden": garden}
SEVERITIES = {
    "warm, slight": ("warm", 0.6),
    "warm": ("warm", 1.0),
    "hue turned a little": ("turned", 0.4),
    "hue turned": ("turned", 1.0),
    "planes swapped": ("swapped", 1.0),
}


def defective():
    return samples.pictures(spatial.tint(scenes.studio(15.0, samples.SIZE), 2.0, 14.0, "swapped"))


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_wrong_colours_with_their_limits(content: str, severity: str) -> None:
    kind, amount = SEVERITIES[severity]
    (event,) = found("color_shift", spatial.tint(CONTENTS[content](), 2.0, 6.0, kind, amount))
    assert event.start == pytest.approx(2.0, abs=0.25)
    assert event.end == pytest.approx(6.0, abs=0.25)
    assert event.severity == "minor"


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_encoders(codec: str, tmp_path: Path) -> None:
    images = spatial.tint(itertools.islice(garden(), 150), 2.0, 5.0, "turned")
    assert len(found_behind(codec, "color_shift", images, tmp_path)) == 1


def stage_lights():
    """Coloured lamps over a dark stage that change every two seconds, each lighting another part."""
    y, x = np.mgrid[0:180, 0:320]
    stage = np.asarray(clip("pan", 1.0)[0], np.float32)
    for number in range(200):
        lamp = number // 50
        place = (60 + 70 * lamp, 40 + 30 * (lamp % 2))
        colour = ((1, 0.2, 0.3), (0.2, 0.3, 1), (0.9, 0.8, 0.2), (0.3, 1, 0.4))[lamp]
        beam = np.exp(-np.hypot(x - place[0], y - place[1]) / 90)[..., None]
        yield np.clip(stage * (0.15 + beam * np.array(colour)), 0, 255).astype(np.uint8)


def sunset():
    """The light of the scene turns red and goes, over eight seconds."""
    for number, image in enumerate(clip("studio")):
        part = number / 200
        yield np.clip(image * (1 - 0.2 * part, 1 - 0.5 * part, 1 - 0.7 * part), 0, 255).astype(np.uint8)


def dissolve():
    for number, (image, other) in enumerate(zip(clip("studio"), garden(), strict=True)):
        part = float(np.clip(number / 20 - 2.5, 0, 1))
        yield (image * (1 - part) + other * part).astype(np.uint8)


def red_flash():
    for number, image in enumerate(clip("studio", 5.0)):
        yield (image * (1, 0.2, 0.2)).astype(np.uint8) if 50 <= number < 58 else image


def lower_third():
    for number, image in enumerate(clip("studio", 6.0)):
        image = image.copy()
        if number >= 60:
            image[130:170, 20:300] = (200, 30, 60)
        yield image


TRAPS = {
    "cut to other colours": lambda: itertools.chain(clip("studio", 3.0), clip("cartoon", 4.0)),
    "cut to a tinted shot": lambda: itertools.chain(
        clip("studio", 3.0), spatial.tint(clip("cartoon", 4.0), 0.0, 9.0, "warm")
    ),
    "loss of colour": lambda: spatial.grey(clip("studio"), 2.0, 6.0),
    "stage lights": stage_lights,
    "sunset": sunset,
    "dissolve": dissolve,
    "red flash": red_flash,
    "lower third": lower_third,
    "colourful action": lambda: clip("action"),
    "night": lambda: clip("night", 5.0),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("color_shift", TRAPS[trap]()) == []


def test_grey_pixel_formats_have_no_colours() -> None:
    picture = Picture(time=0.0, duration=0.04, luma=np.full((90, 160), 90, np.uint8))
    assert list(samples.fresh("color_shift").look(picture)) == []
