from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.media import FULL, Picture
from vqa_agent.simulate import motion, scenes, spatial

CONTENTS = ("pan", "studio", "action")
WRONG = {
    "crushed": {"gain": 1.6, "lift": -0.35},
    "crushed hard": {"gain": 2.0, "lift": -0.5},
    "blown": {"gain": 1.6, "lift": 0.4},
    "blown hard": {"gain": 2.5, "lift": 0.5},
}


def defective():
    return samples.pictures(spatial.expose(scenes.pan(15.0, samples.SIZE), 2.0, 14.0, **WRONG["blown hard"]))


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("wrong", WRONG)
def test_finds_clipped_levels_with_their_limits(content: str, wrong: str) -> None:
    (event,) = found("exposure", spatial.expose(clip(content), 2.0, 6.0, **WRONG[wrong]))
    assert event.start == pytest.approx(2.0, abs=0.5)
    assert event.end == pytest.approx(6.0, abs=0.25)
    assert event.detail[wrong.split()[0]] >= 0.12


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_encoders(codec: str, tmp_path: Path) -> None:
    images = spatial.expose(clip("pan", 6.0), 2.0, 5.0, **WRONG["crushed hard"])
    assert len(found_behind(codec, "exposure", images, tmp_path)) == 1


@pytest.mark.parametrize("profile", list(Profile))
def test_too_much_contrast_is_seen_at_any_time(profile: Profile) -> None:
    hard = spatial.expose(clip("studio", 12.0), 0.0, 99.0, gain=4.0, lift=0.05)
    (event,) = found("exposure", hard, profile)
    assert min(event.detail.values()) >= 0.12


def fade_to_white():
    for number, image in enumerate(clip("pan")):
        part = float(np.clip(number / 25 - 2, 0, 1))
        yield (image * (1 - part) + 255 * part).astype(np.uint8)


def fade_to_black():
    for number, image in enumerate(clip("pan")):
        yield (image * float(np.clip(3 - number / 25, 0, 1))).astype(np.uint8)


def camera_flashes():
    for number, image in enumerate(clip("pan", 6.0)):
        yield next(spatial.expose([image], 0.0, 1.0, gain=2.0, lift=0.5)) if number % 40 in (5, 6) else image


def high_key():
    """A presenter before a white ground that is burnt out on purpose."""
    for image in clip("studio", 5.0):
        white = np.full_like(image, 255)
        white[40:, 110:210] = image[40:, 110:210]
        yield white


def film():
    """A letterboxed film with a bright window in the picture."""
    for image in motion.letterbox(clip("studio", 5.0), 0.0, 99.0, top=0.13):
        image = image.copy()
        image[40:130, 20:110] = np.clip(cv2.blur(image[40:130, 20:110], (9, 9)).astype(int) + 150, 0, 255)
        yield image


TRAPS = {
    "fade to white": fade_to_white,
    "fade to black": fade_to_black,
    "camera flashes": camera_flashes,
    "high key": high_key,
    "film with a window": film,
    "letterbox comes": lambda: motion.letterbox(clip("pan"), 2.0, 6.0),
    "night": lambda: clip("night", 5.0),
    "cut to night": lambda: itertools.chain(clip("pan", 3.0), clip("night", 4.0)),
    "cut to a slide": lambda: itertools.chain(clip("action", 3.0), clip("slide", 4.0)),
    "credits": lambda: itertools.repeat(scenes.lettering(samples.SIZE), 100),
    "cartoon": lambda: clip("cartoon", 5.0),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("exposure", TRAPS[trap]()) == []


def test_knows_full_range() -> None:
    ramp = np.stack([np.roll(np.linspace(-60, 315, 320).clip(0, 255), 3 * row) for row in range(180)]).astype(np.uint8)
    (finding,) = samples.fresh("exposure").look(Picture(time=0.0, duration=0.04, luma=ramp, levels=FULL))
    assert finding.detail == {"crushed": 0.17, "blown": 0.17}
