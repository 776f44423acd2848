from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import clip
from vqa_agent.detect import Profile
from vqa_agent.detect.range_ import gamut_share
from vqa_agent.media import FULL, LIMITED, Picture
from vqa_agent.simulate import scenes, spatial

SHAPES = ((96, 160), (48, 80), (48, 80))
GAINS = {"slight": 1.3, "middle": 1.5, "gross": 2.0}


def contrasty(content: str, seconds: float = 7.0):
    """A scene that uses the whole range, as most do."""
    return samples.pictures(spatial.expose(clip(content, seconds), 0.0, 99.0, gain=1.5))


def defective():
    source = spatial.expose(scenes.pan(15.0, samples.SIZE), 0.0, 99.0, gain=1.5)
    return spatial.overdrive(samples.pictures(source), 2.0, 14.0)


def range_events(pictures, profile: Profile = Profile.FILE, **settings) -> list:
    return samples.events(pictures, profile, only=["range"], **({"range": settings} if settings else {}))


@pytest.mark.parametrize("content", ["pan", "action", "night"])
@pytest.mark.parametrize("severity", GAINS)
def test_finds_levels_beyond_the_range_with_their_limits(content: str, severity: str) -> None:
    (event,) = range_events(spatial.overdrive(contrasty(content), 1.0, 5.0, GAINS[severity]))
    assert event.start == pytest.approx(1.0, abs=0.25)
    assert event.end == pytest.approx(5.0, abs=0.25)
    assert event.detail["below"] + event.detail["above"] > 0.01


def test_full_range_marked_as_limited_is_found() -> None:
    assert len(range_events(spatial.overdrive(contrasty("pan"), 1.0, 5.0))) == 1


def as_full_range(pictures):
    for picture in spatial.overdrive(pictures, 0.0, 99.0):
        picture.levels = FULL
        yield picture


def sharpened(pictures):
    """Edges that overshoot, as camera and set makers like them."""
    for picture in pictures:
        luma = picture.luma.astype(np.float32)
        picture.luma = np.clip(luma + 0.5 * (luma - cv2.GaussianBlur(luma, (0, 0), 1)), 0, 255).astype(np.uint8)
        yield picture


TRAPS = {
    "the whole nominal range": lambda: contrasty("pan"),
    "full range marked as such": lambda: as_full_range(contrasty("pan")),
    "overshoot at edges": lambda: sharpened(samples.pictures(clip("cartoon", 4.0))),
    "night": lambda: samples.pictures(clip("night", 4.0)),
    "credits": lambda: samples.pictures(itertools.repeat(scenes.lettering(samples.SIZE), 100)),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert range_events(TRAPS[trap]()) == []


@pytest.mark.parametrize(
    ("depth", "code", "bad"),
    [
        *[(8, 4, True), (8, 5, False), (8, 246, False), (8, 247, True)],
        *[(10, 19, True), (10, 20, False), (10, 984, False), (10, 985, True), (12, 79, True), (12, 80, False)],
    ],
)
def test_limits_are_those_of_r_103_at_every_depth(depth: int, code: int, bad: bool) -> None:
    luma = np.full((96, 160), 128 << (depth - 8), np.uint8 if depth == 8 else np.uint16)
    luma[:, :3] = code
    (finding,) = samples.fresh("range").look(Picture(time=0.0, duration=0.04, luma=luma, depth=depth))
    assert finding.bad is bad


@pytest.mark.parametrize(
    ("rgb", "share"), [((128, 128, 128), 0.0), ((255, 255, 255), 0.0), ((0, 0, 255), 0.0), ((300, 60, 60), 1.0)]
)
def test_gamut_is_that_of_the_coded_colours(rgb: tuple[int, int, int], share: float) -> None:
    r, g, b = (part / 255 for part in rgb)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    codes = (16 + 219 * luma, 128 + 224 * (b - luma) / 1.772, 128 + 224 * (r - luma) / 1.402)
    planes = [np.full(shape, round(code), np.uint8) for code, shape in zip(codes, SHAPES, strict=True)]
    picture = Picture(time=0.0, duration=0.04, luma=planes[0], chroma=(planes[1], planes[2]), levels=LIMITED)
    assert gamut_share(picture, 5, 246) == share


def test_gamut_counts_only_when_asked_for() -> None:
    planes = {"luma": np.full((96, 160), 150, np.uint8), "chroma": (np.full((48, 80), 90, np.uint8),) * 2}
    planes["chroma"] = (planes["chroma"][0], np.full((48, 80), 225, np.uint8))
    pictures = [Picture(time=number / 5, duration=0.2, **planes) for number in range(15)]
    assert range_events(pictures) == []
    assert len(range_events(pictures, gamut=True)) == 1
