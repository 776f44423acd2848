from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.detect.caption_clips import MEDIA, before, made, recordings, speech
from vqa_agent.media import Sound
from vqa_agent.simulate import sounds
from vqa_agent.speech import WINDOW, Moment, SpeechListener, analyse, features


def heard(blocks: Iterator[Sound]) -> list[Moment]:
    listener = SpeechListener()
    return [moment for block in blocks for moment in listener.hear(block)]


def share(blocks: Iterator[Sound]) -> float:
    """Share of the seconds in which somebody speaks."""
    return float(np.mean([moment.speech for moment in heard(blocks)]))


@pytest.mark.parametrize("seed", range(3))
def test_made_speech_is_speech_most_of_the_time(seed: int) -> None:
    assert share(speech(40.0, seed)) > 0.5


@pytest.mark.parametrize("make", [sounds.music, sounds.room, sounds.tone, sounds.silence])
def test_other_sound_is_not(make) -> None:
    assert share(made(make, 20.0)) == 0.0


@pytest.mark.parametrize("gain", [0.05, 0.3, 2.0])
def test_the_level_does_not_matter(gain: float) -> None:
    def scaled() -> Iterator[Sound]:
        for block in speech(30.0):
            yield Sound(time=block.time, rate=block.rate, samples=block.samples * np.float32(gain))

    assert [moment.speech for moment in heard(scaled())] == [moment.speech for moment in heard(speech(30.0))]


@pytest.mark.parametrize("channels", [1, 6])
def test_the_centre_channel_speaks(channels: int) -> None:
    names = ("FL", "FR", "FC", "LFE", "BL", "BR") if channels == 6 else ("FC",)
    music = sounds.music(30.0, channels=channels, rate=16_000)

    def mixed() -> Iterator[Sound]:
        for block in speech(30.0):
            at = round(block.time * 16_000)
            samples = music[:, at : at + 1600].copy()
            samples[names.index("FC")] = block.samples[0]
            yield Sound(time=block.time, rate=block.rate, samples=samples, names=names)

    assert share(mixed()) == share(speech(30.0))


def test_moments_follow_each_other_and_begin_anew_after_a_gap() -> None:
    moments = heard(speech(10.0))
    assert [moment.end - moment.start for moment in moments] == pytest.approx([1.0] * len(moments))
    assert [after.start - one.end for one, after in itertools.pairwise(moments)] == pytest.approx(
        [0.0] * (len(moments) - 1), abs=1e-6
    )
    listener = SpeechListener()
    for block in before(speech(10.0), 2.4):
        list(listener.hear(block))
    assert [moment for block in before(speech(10.0, start=60.0), 62.0) for moment in listener.hear(block)] == []


def test_a_spectrum_is_made_once_for_all() -> None:
    block = next(iter(speech(10.0)))
    assert analyse(block) is analyse(block)


def test_too_short_a_block_and_too_quiet_a_window_say_nothing() -> None:
    assert analyse(Sound(time=0.0, rate=48_000, samples=np.zeros((2, 100), np.float32))) is None
    quiet = analyse(Sound(time=0.0, rate=48_000, samples=np.zeros((2, 4800), np.float32)))
    assert quiet is not None
    assert features([quiet] * WINDOW) is None


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.exists(), reason="needs ../shared/media")
def test_real_speech_against_real_music_and_noises() -> None:
    assert share(recordings("speech", 150.0)) > 0.85
    assert share(recordings("music", 400.0)) < 0.05
    assert share(recordings("environment", 80.0)) < 0.05
