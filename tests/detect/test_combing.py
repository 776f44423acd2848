from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.simulate import motion, scenes

SEVERITIES = {"blended": {"strength": 0.7}, "woven": {}, "far apart": {"apart": 2}}


def defective():
    return samples.pictures(motion.weave(scenes.action(14.0, samples.SIZE), 0.0, 13.0, apart=2))


@pytest.mark.parametrize("content", ["action", "pan", "cartoon"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_combs(content: str, severity: str) -> None:
    fast = clip(content)[::3] * 3
    (event,) = found("combing", motion.weave(fast, 1.0, 6.0, **SEVERITIES[severity]))
    assert event.start == pytest.approx(1.0, abs=0.6)
    assert event.end == pytest.approx(6.0, abs=0.6)


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    (event,) = found_behind(codec, "combing", motion.weave(clip("action"), 1.0, 6.0), tmp_path)
    assert event.start == pytest.approx(1.0, abs=0.6)


def test_finds_them_in_ten_bits() -> None:
    pictures = list(samples.pictures(motion.weave(clip("action"), 1.0, 6.0)))
    for picture in pictures:
        picture.luma, picture.depth = picture.luma.astype(np.uint16) * 4, 10
    assert len(samples.events(pictures, only=["combing"])) == 1


def test_needs_a_fifth_of_ten_seconds_live() -> None:
    images = clip("action", 14.0)
    assert found("combing", motion.weave(images, 3.0, 4.5), Profile.LIVE) == []
    assert len(found("combing", motion.weave(images, 3.0, 12.0), Profile.LIVE)) == 1


@pytest.mark.parametrize(
    ("flagged", "scan", "alarms"),
    [
        (False, None, 1),
        (False, "interlaced", 0),
        (True, None, 0),
        (True, "interlaced", 0),
        (True, "progressive", 1),
    ],
    ids=[
        "progressive by its flags",
        "interlaced by its owner",
        "interlaced by its flags",
        "interlaced by both",
        "progressive by its owner",
    ],
)
def test_a_comb_is_right_where_interlacing_is_expected(flagged: bool, scan: str | None, alarms: int) -> None:
    pictures = list(samples.pictures(motion.weave(clip("action"), 0.0, 8.0)))
    for picture in pictures[::5]:
        picture.interlaced = flagged
    settings = {"combing": {"expect": {"scan": scan} if scan else {}}}
    assert len(samples.events(pictures, only=["combing"], **settings)) == alarms


def blinds():
    """Stripes of one row each, in a scene where something else moves."""
    for image in clip("action")[:120]:
        image = image.copy()
        image[20:80:2, 40:280], image[21:80:2, 40:280] = 220, 40
        yield image


def rolling_text():
    text = np.concatenate([scenes.lettering(samples.SIZE, seed=seed) for seed in range(4)])
    for number in range(150):
        yield text[number * 3 : number * 3 + 180]


def thin_lines():
    """Lines of one row that travel up the picture."""
    for number in range(150):
        image = np.full((180, 320, 3), 30, np.uint8)
        image[(np.arange(0, 180, 12) + number) % 180] = 220
        yield image


TRAPS = {
    "stripes that stand still": blinds,
    "rolling text": rolling_text,
    "thin lines": thin_lines,
    "grain": lambda: scenes.action(5.0, samples.SIZE, noise=8.0),
    "progressive movement": lambda: clip("action"),
    "flashes": lambda: motion.flash(clip("action"), 1.0, 7.0, hertz=4.0),
    "a slide": lambda: clip("slide"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("combing", TRAPS[trap]()) == []


def test_takes_pictures_too_small_to_judge_for_good() -> None:
    small = [image[:12, :100] for image in motion.weave(clip("action")[:60], 0.0, 8.0)]
    assert found("combing", small) == []
