from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.simulate import motion, scenes

SEVERITIES = {
    "narrow": {"top": 0.03, "squeeze": False},
    "letterbox": {"top": 0.12},
    "pillars": {"top": 0.0, "side": 0.125},
    "both": {"top": 0.15, "side": 0.15},
}


def defective():
    return samples.pictures(motion.letterbox(scenes.action(16.0, samples.SIZE), 3.0, 15.0))


@pytest.mark.parametrize("content", ["pan", "action", "studio"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_bars_that_come(content: str, severity: str) -> None:
    bars = SEVERITIES[severity]
    (event,) = found("letterbox", motion.letterbox(clip(content), 2.0, 6.0, **bars))
    assert event.start == pytest.approx(2.0, abs=0.7)
    assert event.end == pytest.approx(6.0, abs=0.9)
    x, y, width, height = event.region
    assert (x, y) == (pytest.approx(bars.get("side", 0), abs=0.015), pytest.approx(bars["top"], abs=0.015))
    assert (width, height) == (pytest.approx(1 - 2 * x, abs=0.02), pytest.approx(1 - 2 * y, abs=0.02))


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    assert len(found_behind(codec, "letterbox", motion.letterbox(clip("action"), 2.0, 6.0), tmp_path)) == 1


def test_finds_bars_that_go() -> None:
    film = list(motion.letterbox(clip("action"), 0.0, 9.0))
    (event,) = found("letterbox", film[:75] + clip("action")[75:])
    assert event.region == (0.0, 0.0, 1.0, 1.0)


def test_waits_ten_seconds_live() -> None:
    images = clip("action", 16.0)
    assert found("letterbox", motion.letterbox(images, 2.0, 10.0), Profile.LIVE) == []
    assert len(found("letterbox", motion.letterbox(images, 2.0, 14.0), Profile.LIVE)) == 1


def test_takes_a_lasting_change_for_intended() -> None:
    images = [*clip("pan")[:75], *list(motion.letterbox(clip("pan"), 0.0, 9.0)) * 10]
    (event,) = found("letterbox", images)
    assert event.duration == pytest.approx(60.0, abs=2.0)


def test_goes_on_through_scenes_that_are_too_dark_to_tell() -> None:
    images = [*clip("action")[:75], *clip("night")[:25], *clip("action")[75:150]]
    (event,) = found("letterbox", [*images[:50], *motion.letterbox(images[50:], 0.0, 9.0)])
    assert event.end >= 6.2


def with_bars(image):
    return next(motion.letterbox([image], 0.0, 1.0))


def subtitles():
    """A letterboxed film whose subtitles and logo stand in its bars."""
    for number, image in enumerate(motion.letterbox(clip("action"), 0.0, 9.0, top=0.15)):
        if number // 40 % 2:
            cv2.putText(image, "and then he said", (70, 174), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (230, 230, 230), 1)
        image[6:18, 280:310] = (220, 60, 60)
        yield image


def film():
    """A letterboxed film: light, night, black and light again."""
    for content in ("action", "night", "pan", "night", "studio"):
        yield from motion.letterbox(clip(content)[:40], 0.0, 9.0)
    for _ in range(30):
        yield np.zeros((180, 320, 3), np.uint8)
    yield from motion.letterbox(clip("pan")[:40], 0.0, 9.0)


def night_with_lamp():
    """A dark place with a lit window in the middle."""
    for number, image in enumerate(clip("night")):
        image = image.copy()
        if number > 80:
            image[60:120, 90:230] = 180
        yield image


def fade():
    for number, image in enumerate(clip("pan")):
        yield (image * abs(np.cos(number / 40))).astype(np.uint8)


def credits():
    yield from clip("action")[:75]
    text = np.concatenate([scenes.lettering(samples.SIZE, seed=seed) for seed in range(3)])
    for number in range(120):
        yield text[number * 3 : number * 3 + 180]


def phone_clip():
    """A clip with pillars for a second."""
    return [*clip("action")[:75], *motion.letterbox(clip("pan")[:30], 0.0, 2.0, 0.0, 0.3), *clip("action")[75:150]]


TRAPS = {
    "a letterboxed film": film,
    "subtitles in the bars": subtitles,
    "a night scene": lambda: [*clip("action")[:75], *clip("night")[:100]],
    "a lit window at night": night_with_lamp,
    "fades": fade,
    "credits": credits,
    "black": lambda: [*clip("action")[:75], *[np.zeros((180, 320, 3), np.uint8)] * 75, *clip("action")[75:120]],
    "a short clip with pillars": phone_clip,
    "a dark lower third": lambda: [np.vstack([image[:130], image[130:] // 12]) for image in clip("studio")],
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("letterbox", TRAPS[trap]()) == []
