from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.simulate import motion, scenes

SEVERITIES = {"now and then": 0.15, "often": 0.3, "every picture": 1.0}


def defective():
    return samples.pictures(motion.tear(scenes.action(8.0, samples.SIZE), 1.0, 7.0, share=0.3))


@pytest.mark.parametrize("content", ["pan", "action", "fast pan"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_torn_pictures(content: str, severity: str) -> None:
    images = clip("pan")[::2] + clip("pan")[1::2] if content == "fast pan" else clip(content)
    events = found("tearing", motion.tear(images, 1.0, 6.0, share=SEVERITIES[severity]))
    assert [event.start for event in events] == [pytest.approx(2.0, abs=1.1)]
    assert events[0].end <= 6.3


@pytest.mark.parametrize("lag", [1, 2, 3])
@pytest.mark.parametrize("line", [0.3, 0.7])
def test_says_where_the_line_is(line: float, lag: int) -> None:
    (event,) = found("tearing", motion.tear(clip("pan"), 1.0, 6.0, share=0.2, line=line, lag=lag))
    assert event.detail["row"] == pytest.approx(line, abs=0.03)
    _, top, width, height = event.region
    assert width == 1.0
    assert top <= line <= top + height


def test_finds_it_when_the_lower_part_is_the_new_one() -> None:
    images = clip("pan")
    torn = [
        np.concatenate([images[number - 1][:70], image[70:]]) if number % 6 == 3 else image
        for number, image in enumerate(images)
    ]
    (event,) = found("tearing", torn)
    assert event.detail["row"] == pytest.approx(70 / 180, abs=0.03)


@pytest.mark.parametrize("codec", CODECS)
def test_finds_it_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    assert len(found_behind(codec, "tearing", motion.tear(clip("action"), 1.0, 6.0, share=0.3), tmp_path)) == 1


def test_alarms_live_after_three_pictures_and_not_after_two() -> None:
    images = clip("pan")
    once = [*images[:40], *motion.tear(images[40:42], 0.0, 9.0, line=0.5), *images[42:]]
    assert found("tearing", once, Profile.LIVE) == []
    assert len(found("tearing", motion.tear(images, 1.0, 3.0, share=0.3), Profile.LIVE)) == 1


def ticker(every: int, bar: bool = True):
    """A ticker that moves with every picture under a film that moves with every `every`th."""
    film, text = clip("pan"), scenes.lettering((1280, 180), seed=4)
    for number in range(150):
        image = film[number // every].copy()
        left = number * 5 % 900
        if bar:
            image[140:] = text[60:100, left : left + 320]
        yield image


def wipe():
    """One scene pushes the other out of the picture from above."""
    old, new = clip("action"), clip("pan")
    for number in range(180):
        row = min(180, number % 60 * 4)
        pair = (new, old) if number // 60 % 2 else (old, new)
        yield np.concatenate([pair[0][number][:row], pair[1][number][row:]])


def credits():
    """Lettering that rolls over a moving picture."""
    ground, text = clip("pan"), np.concatenate([scenes.lettering(samples.SIZE, seed=seed) for seed in range(4)])
    for number in range(150):
        yield np.maximum(ground[number], text[number * 3 : number * 3 + 180])


def split_screen():
    """Two cameras, one above the other, the lower one at half the rate."""
    upper, lower = clip("action"), clip("pan")
    for number in range(150):
        yield np.concatenate([upper[number][:90], lower[number // 2 * 2][90:]])


def lower_third():
    """A graphic that comes and goes at once, again and again."""
    for number, image in enumerate(clip("action")[:150]):
        image = image.copy()
        if number // 10 % 2:
            image[130:165, 20:300] = (20, 40, 120)
        yield image


TRAPS = {
    "a ticker over film": lambda: ticker(2),
    "a ticker under video": lambda: ticker(1),
    "a wipe": wipe,
    "rolling credits": credits,
    "a split screen": split_screen,
    "a graphic that comes and goes": lower_third,
    "cuts": lambda: itertools.chain.from_iterable(clip(content)[:12] for content in ("pan", "action", "studio") * 4),
    "24 in 30": lambda: motion.repeat_to(clip("action"), itertools.cycle([1, 1, 1, 2])),
    "animation on twos": lambda: motion.repeat_to(clip("action"), itertools.repeat(2)),
    "stutter": lambda: motion.stutter(clip("action"), 1.0, 6.0),
    "interlaced pictures": lambda: motion.weave(clip("action"), 0.0, 8.0),
    "letterbox": lambda: motion.letterbox(clip("action"), 0.0, 8.0),
    "flashes": lambda: motion.flash(clip("action"), 1.0, 7.0, hertz=3.0),
    "night": lambda: clip("night"),
    "slides": lambda: clip("slide"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("tearing", TRAPS[trap]()) == []


def test_says_nothing_of_pictures_that_the_decoder_repaired() -> None:
    pictures = list(samples.pictures(motion.tear(clip("pan"), 1.0, 6.0, share=0.3)))
    for picture in pictures:
        picture.corrupt = True
    assert samples.events(pictures, only=["tearing"]) == []
