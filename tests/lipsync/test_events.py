from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.lipsync.events import BeepWatch, FlashWatch, pattern_offset
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes, sounds


def flashes(moments: list[float], seconds: float = 6.0, rate: float = 25.0, shown: int = 2):
    """Dark pictures that are white from each of `moments` on, for `shown` pictures."""
    for number in range(round(seconds * rate)):
        time = number / rate
        lit = any(0 <= time - moment + 1e-6 < shown / rate for moment in moments)
        yield Picture(time=time, duration=1 / rate, luma=np.full((90, 160), 235 if lit else 16, np.uint8))


def beeps(moments: list[float], seconds: float = 6.0, hertz: float = 1000.0, length: float = 0.04) -> np.ndarray:
    wave = sounds.room(seconds, -75.0, channels=1)
    for moment in moments:
        start = round(moment * 48000)
        wave[:, start : start + round(length * 48000)] += sounds.tone(length, hertz, -12.0, channels=1)
    return wave


def seen(pictures) -> list[float]:
    watch = FlashWatch()
    for picture in pictures:
        watch.watch(picture)
    return watch.flashes


def heard(wave: np.ndarray, start: float = 0.0) -> list[float]:
    watch = BeepWatch()
    for block in samples.sound_blocks(wave, start=start):
        watch.hear(block)
    return watch.beeps


@pytest.mark.parametrize("late", [-0.3, -0.02, 0.0, 0.043, 0.25])
@pytest.mark.parametrize("rate", [25, 50])
def test_a_pattern_gives_the_offset_to_ten_milliseconds(late: float, rate: float) -> None:
    moments = [1.0, 2.0, 3.0, 4.0]
    found = pattern_offset(seen(flashes(moments, rate=rate)), heard(beeps([moment + late for moment in moments])))
    assert found.pairs == 4
    assert found.seconds == pytest.approx(late, abs=0.01)


@pytest.mark.parametrize("hertz", [440, 1000, 3000])
def test_beeps_at_their_first_millisecond(hertz: float) -> None:
    assert heard(beeps([0.55, 2.301], hertz=hertz), start=10.0) == pytest.approx([10.55, 12.301], abs=0.002)


@pytest.mark.parametrize("make", [sounds.speech, sounds.music, sounds.room, sounds.tone])
def test_a_programme_has_no_beeps(make) -> None:
    assert heard(make(10.0)) == []


def claps(moments: list[float], seconds: float = 4.0) -> np.ndarray:
    wave = sounds.room(seconds, -75.0, channels=1)
    rng = np.random.default_rng(0)
    for moment in moments:
        start = round(moment * 48000)
        wave[:, start : start + 2400] += (0.4 * rng.normal(size=2400) * np.exp(-np.arange(2400) / 400)).astype("f")
    return wave


def test_claps_are_no_beeps_but_are_noted() -> None:
    watch = BeepWatch()
    for block in samples.sound_blocks(claps([1.0, 2.003, 3.0])):
        watch.hear(block)
    assert watch.beeps == []
    assert watch.claps == pytest.approx([1.0, 2.003, 3.0], abs=0.003)


@pytest.mark.parametrize("name", scenes.SCENES)
def test_a_scene_has_no_flashes(name: str) -> None:
    assert seen(samples.pictures(scenes.SCENES[name](3.0, samples.SIZE))) == []


def test_light_that_stays_on_is_no_flash() -> None:
    assert seen(flashes([1.0], shown=100)) == []


def test_no_offset_where_they_do_not_agree() -> None:
    assert pattern_offset([1.0, 2.0, 3.0], [1.1, 2.3, 3.2]) is None
    assert pattern_offset([1.0, 2.0], []) is None
    assert pattern_offset([], [1.0]) is None
    assert pattern_offset([1.0, 2.0], [5.0]) is None
