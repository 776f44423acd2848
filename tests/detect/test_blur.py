from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.simulate import scenes, spatial

SEVERITIES = {"slight": 1.2, "middle": 2.5, "gross": 6.0}


def soft(sigma: float, seconds: float = 5.0, content: str = "action"):
    return spatial.soften(clip(content, seconds), 0.0, 99.0, sigma)


def defective():
    return samples.pictures(spatial.soften(scenes.studio(15.0, samples.SIZE), 2.0, 14.0, 4.0))


@pytest.mark.parametrize("content", ["pan", "studio", "cartoon"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_lost_detail_with_its_limits(content: str, severity: str) -> None:
    (event,) = found("blur", spatial.soften(clip(content), 2.0, 6.0, SEVERITIES[severity]))
    assert event.start == pytest.approx(2.0, abs=0.25)
    assert event.end == pytest.approx(6.0, abs=0.25)
    assert event.severity == "minor"


@pytest.mark.parametrize("codec", CODECS)
def test_finds_it_behind_encoders(codec: str, tmp_path: Path) -> None:
    images = spatial.soften(clip("action", 6.0), 2.0, 5.0, SEVERITIES["middle"])
    assert len(found_behind(codec, "blur", images, tmp_path)) == 1


def test_a_blur_that_lasts_over_cuts_is_one_event() -> None:
    shots = itertools.chain(clip("pan", 4.0), clip("action", 4.0), clip("pan", 4.0))
    (event,) = found("blur", spatial.soften(shots, 6.0, 10.0, 3.0))
    assert (event.start, event.end) == (pytest.approx(6.0, abs=0.3), pytest.approx(10.0, abs=0.3))


@pytest.mark.parametrize(("profile", "events"), [(Profile.FILE, 1), (Profile.LIVE, 0)])
def test_a_picture_without_any_detail_is_blurred_in_files_only(profile: Profile, events: int) -> None:
    assert len(found("blur", soft(7.0, 5.0) if profile is Profile.FILE else soft(7.0, 14.0), profile)) == events


def fade(seconds: float):
    for number, image in enumerate(clip("pan")):
        yield (image * np.clip(1 + (2.0 - number / 25) / seconds, 0, 1)).astype(np.uint8)


def dissolve(seconds: float):
    """From a sharp picture to a soft one of something else."""
    for number, (image, other) in enumerate(zip(clip("studio"), soft(1.6, 8.0, "pan"), strict=True)):
        part = float(np.clip((number / 25 - 2.0) / seconds, 0, 1))
        yield cv2.addWeighted(image, 1 - part, other, part, 0)


def focus_pull():
    for number, image in enumerate(clip("studio")):
        yield cv2.GaussianBlur(image, (0, 0), 0.3 + 0.25 * np.clip(number / 25 - 1, 0, 6))


def shallow_depth():
    """A sharp presenter before a ground that is wholly out of focus."""
    mask = np.zeros((180, 320, 1))
    cv2.ellipse(mask, (160, 90), (60, 80), 0, 0, 360, 1.0, -1)
    for image in clip("pan", 5.0):
        yield (image * mask + cv2.GaussianBlur(image, (0, 0), 8) * (1 - mask)).astype(np.uint8)


def whip_pan():
    """Still, then a fast pan whose movement blurs the picture, then still."""
    wall = scenes.texture(1600, 180, np.random.default_rng(4))
    for number in range(200):
        shift = int(np.clip((number - 50) * 18, 0, 600))
        view = wall[:, shift : shift + 320]
        yield cv2.blur(view, (18, 1)) if 0 < shift < 600 else view


def fog():
    for image in clip("pan", 5.0):
        yield cv2.addWeighted(cv2.GaussianBlur(image, (0, 0), 1.5), 0.35, np.full_like(image, 190), 0.65, 0)


TRAPS = {
    "fade of half a second": lambda: fade(0.5),
    "fade of two seconds": lambda: fade(2.0),
    "quick dissolve to a soft shot": lambda: dissolve(0.4),
    "slow dissolve to a soft shot": lambda: dissolve(1.5),
    "cut to a soft shot": lambda: itertools.chain(clip("studio", 3.0), soft(1.6, 5.0)),
    "focus pull": focus_pull,
    "shallow depth": shallow_depth,
    "whip pan": whip_pan,
    "fog": fog,
    "slide": lambda: clip("slide", 4.0),
    "night": lambda: clip("night", 5.0),
    "credits": lambda: itertools.repeat(scenes.lettering(samples.SIZE), 100),
    "black": lambda: itertools.repeat(np.zeros((180, 320, 3), np.uint8), 100),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("blur", TRAPS[trap]()) == []


def test_shows_what_it_has_learnt_and_forgets_it_on_reset() -> None:
    detector = samples.fresh("blur")
    for picture in samples.pictures(clip("pan", 3.0)):
        list(detector.look(picture))
    assert 0.0 < detector.memory()["typical"] < 2.0
    detector.reset()
    assert detector.memory()["typical"] is None
