from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile, Severity
from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode

SEVERITIES = {"analogue noise": 2.0, "slight noise": 0.7, "identical": 0.0}


def scene(name: str, seconds: float):
    return scenes.SCENES[name](seconds, samples.SIZE)


def defective():
    return samples.pictures(defects.freeze(scene("action", 9.0), 1.0, 7.0))


def freezes(images, profile: Profile = Profile.FILE, sound=None) -> list:
    streams = [samples.pictures(images)]
    only = ["freeze"]
    if sound is not None:
        streams.append(samples.sound_blocks(sound))
        only.append("silence")
    found = samples.events(samples.merge(*streams), profile, only=only)
    return [event for event in found if event.defect == "freeze"]


@pytest.mark.parametrize("content", ["pan", "studio", "action"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_a_freeze_with_its_limits(content: str, severity: str) -> None:
    (event,) = freezes(defects.freeze(scene(content, 7.0), 1.0, 5.0, SEVERITIES[severity]))
    assert event.start == pytest.approx(1.0, abs=0.09)
    assert event.end == pytest.approx(5.0, abs=0.09)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
@pytest.mark.parametrize("noise", [0.0, 1.0], ids=["still", "noisy"])
def test_finds_a_freeze_behind_an_encoder(codec: str, noise: float, tmp_path: Path) -> None:
    images = defects.freeze(scene("studio", 7.0), 1.0, 5.5, noise)
    file = encode(tmp_path / "freeze.mkv", images, video_codec=codec)
    with open_source(Source(name="f", url=str(file), live=False)) as capture:
        found = samples.events(capture.samples(), only=["freeze"])
    assert [event.start for event in found] == [pytest.approx(1.0, abs=0.15)]


def test_identical_pictures_alarm_live_within_seconds_and_near_ones_later() -> None:
    assert len(freezes(defects.freeze(scene("pan", 7.0), 1.0, 5.0), Profile.LIVE)) == 1
    assert freezes(defects.freeze(scene("pan", 12.0), 1.0, 10.0, 0.7), Profile.LIVE) == []
    assert len(freezes(defects.freeze(scene("pan", 19.0), 1.0, 18.0, 0.7), Profile.LIVE)) == 1


def pump(images, step: int = 25):
    """A still whose every `step`th picture comes out slightly different, as key pictures of an encoder do."""
    rng = np.random.default_rng(5)
    for number, image in enumerate(images):
        shifted = image + rng.normal(0, 1.5, image.shape) if 25 <= number < 125 and number % step == 0 else image
        yield np.clip(shifted, 0, 255).astype(np.uint8)


def test_a_still_that_an_encoder_pumps_is_still() -> None:
    assert len(freezes(pump(defects.freeze(scene("studio", 7.0), 1.0, 5.0)))) == 1


def zoom(rate: float):
    base = next(scenes.pan(0.1, (400, 225)))
    for number in range(100):
        edge = int(number / 25 * rate)
        height, width = 180 + edge, 320 + edge
        yield (
            av.VideoFrame.from_ndarray(np.ascontiguousarray(base[:height, :width]))
            .reformat(320, 180)
            .to_ndarray(format="rgb24")
        )


def talking_head():
    """Only the mouth moves, in a bit-identical surrounding."""
    head = next(scenes.studio(0.1, samples.SIZE, noise=0.0))
    for number in range(100):
        image = head.copy()
        image[95 : 97 + number // 4 % 4 * 3, 150:170] = (110, 50, 50)
        yield image


def fade_in():
    image = next(scenes.pan(0.1, samples.SIZE)).astype(float)
    for number in range(100):
        yield (image * number / 100).astype(np.uint8)


TRAPS = {
    "talking head": talking_head,
    "slow zoom": lambda: zoom(6.0),
    "slow fade": fade_in,
    "animation on twos": lambda: scene("cartoon", 5.0),
    "grain on a moving scene": lambda: scenes.studio(5.0, samples.SIZE, noise=5.0),
    "screen recording at one picture a second": lambda: itertools.chain.from_iterable(
        itertools.repeat(scenes.lettering(samples.SIZE, dark=False, seed=page), 25) for page in range(5)
    ),
    "pan": lambda: scene("pan", 5.0),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert freezes(TRAPS[trap]()) == []


def slides(seconds: float):
    """A programme that cuts to a slide."""
    return itertools.chain(scene("studio", 2.0), scene("slide", seconds))


def test_a_slide_under_speech_is_minor_and_late_and_a_frozen_camera_is_not() -> None:
    speech = sounds.speech(24.0)
    (slide,) = freezes(slides(18.0), Profile.LIVE, speech)
    assert (slide.severity, slide.detail["began"]) == (Severity.MINOR, "cut")
    assert freezes(slides(10.0), Profile.LIVE, speech) == []
    (frozen,) = freezes(defects.freeze(scene("action", 8.0), 1.0, 6.0), Profile.LIVE, sounds.speech(8.0))
    assert (frozen.severity, frozen.detail["began"]) == (Severity.MAJOR, "motion")


def test_a_still_without_sound_is_critical() -> None:
    (event,) = freezes(slides(8.0), Profile.LIVE, sounds.silence(10.0))
    assert event.severity is Severity.CRITICAL


def test_black_is_not_also_frozen() -> None:
    images = defects.black(scene("pan", 14.0), 2.0, 12.0)
    found = samples.events(samples.pictures(images), Profile.LIVE, only=["freeze", "black"])
    assert samples.names(found) == ["black"]
