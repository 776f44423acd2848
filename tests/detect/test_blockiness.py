from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes, spatial
from vqa_agent.simulate.encode import encode

UNFILTERED = "h.264 without its filter"
STARVED = {
    "mpeg-2": ("mpeg2video", {"b": "50000", "qmin": "31", "qmax": "31"}),
    "mpeg-4": ("mpeg4", {"b": "50000", "qmin": "31", "qmax": "31"}),
    UNFILTERED: ("libx264", {"preset": "ultrafast", "crf": "46", "x264-params": "no-deblock=1"}),
}
SANE = {
    "mpeg-2": ("mpeg2video", {"b": "6000000"}),
    "h.264": ("libx264", {"preset": "veryfast", "crf": "24"}),
    "h.264, low rate": ("libx264", {"preset": "veryfast", "crf": "36"}),
    "hevc": ("libx265", {"preset": "ultrafast", "crf": "30", "x265-params": "log-level=error:pools=none"}),
}


def scene(name: str, seconds: float):
    return scenes.SCENES[name](seconds, samples.SIZE)


def defective():
    return samples.pictures(spatial.blocks(scene("pan", 9.0), 1.0, 8.0, 0.8))


def blocky(material, profile: Profile = Profile.FILE) -> list:
    return samples.events(material, profile, only=["blockiness"])


@pytest.mark.parametrize("content", ["pan", "action", "studio"])
@pytest.mark.parametrize(("strength", "size"), [(0.7, 8), (0.8, 16), (1.0, 8)], ids=["slight", "middle", "gross"])
def test_finds_blocks_with_their_limits(content: str, strength: float, size: int) -> None:
    images = spatial.blocks(scenes.SCENES[content](7.0, samples.SIZE, noise=2.0), 1.0, 5.0, strength, size)
    (event,) = blocky(samples.pictures(images))
    assert event.start == pytest.approx(1.0, abs=0.7)
    assert event.end == pytest.approx(5.0, abs=0.7)


def encoded(folder: Path, codec: str, options: dict, images) -> list:
    file = encode(folder / "x.mkv", images, video_codec=codec, options=options)
    with open_source(Source(name="x", url=str(file), live=False)) as capture:
        return blocky(capture.samples())


@pytest.mark.parametrize(
    ("codec", "content"), [*itertools.product(["mpeg-2", "mpeg-4"], ["studio", "cartoon"]), (UNFILTERED, "action")]
)
def test_finds_what_starved_encoders_leave(codec: str, content: str, tmp_path: Path) -> None:
    assert len(encoded(tmp_path, *STARVED[codec], scene(content, 4.0))) == 1


@pytest.mark.parametrize("codec", SANE)
@pytest.mark.parametrize("content", ["pan", "studio", "cartoon"])
def test_ordinary_encoding_is_not_blocky(codec: str, content: str, tmp_path: Path) -> None:
    assert encoded(tmp_path, *SANE[codec], scene(content, 3.0)) == []


@pytest.mark.parametrize("factor", [1.5, 4 / 3, 0.75])
def test_finds_blocks_that_were_scaled(factor: float) -> None:
    images = spatial.blocks(scene("pan", 4.0), 0.0, 4.0, 1.0)
    scaled = (cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR) for image in images)
    even = (image[: image.shape[0] // 4 * 4, : image.shape[1] // 2 * 2] for image in scaled)
    assert len(blocky(samples.pictures(even))) == 1


def windows():
    """A house front: a regular pattern of windows, panning slowly."""
    front = np.full((240, 480, 3), (150, 120, 100), np.uint8)
    for y, x in itertools.product(range(10, 220, 30), range(10, 470, 26)):
        cv2.rectangle(front, (x, y), (x + 12, y + 16), (40, 50, 70), -1)
    for number in range(75):
        yield scenes.grain(front[30:210, number : number + 320], 1.0, np.random.default_rng(number))


def stripes():
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[:, np.arange(320) % 8 < 4] = 200
    return itertools.repeat(picture, 75)


TRAPS = {
    "windows": windows,
    "stripes in one direction": stripes,
    "lettering": lambda: itertools.repeat(scenes.lettering(samples.SIZE), 75),
    "slide": lambda: scene("slide", 3.0),
    "black": lambda: itertools.repeat(np.zeros((180, 320, 3), np.uint8), 75),
    "noise": lambda: scenes.studio(3.0, samples.SIZE, noise=12.0),
    "night": lambda: scene("night", 3.0),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert blocky(samples.pictures(TRAPS[trap]())) == []


def test_ten_bits_say_the_same_as_eight() -> None:
    image = next(spatial.blocks(scene("pan", 0.1), 0.0, 1.0, 0.8))
    eight = samples.picture(image)
    ten = Picture(time=0.0, duration=0.04, luma=eight.luma.astype(np.uint16) * 4, depth=10)
    found = [next(iter(samples.fresh("blockiness").look(picture))) for picture in (eight, ten)]
    assert found[0].detail["strength"] == pytest.approx(found[1].detail["strength"], abs=0.02)
