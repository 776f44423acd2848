from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.media import Sound
from vqa_agent.simulate import audio, sounds

CONTENTS = {
    "tone": sounds.tone,
    "music": lambda seconds: sounds.music(seconds, dbfs=-18.0),
    "noise": lambda seconds: sounds.room(seconds, -20.0),
}


def defective():
    return samples.sound_blocks(audio.holes(sounds.tone(16.0), 2.0, 13.0, 0.05, 1.0))


def dropouts(sound, profile: Profile = Profile.FILE) -> list:
    return samples.events(samples.sound_blocks(sound), profile, only=["dropout"])


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("length", [0.01, 0.06, 0.3], ids=["10 ms", "60 ms", "300 ms"])
def test_finds_holes_with_their_limits(content: str, length: float) -> None:
    sound = audio.holes(CONTENTS[content](9.0), 2.0, 7.0, length, 1.0, seed=4)
    (event,) = dropouts(sound)
    assert 2.0 <= event.start <= 3.5
    assert event.end <= 7.1
    assert event.detail["ms"] == pytest.approx(length * 1000, abs=4)


def test_a_hole_in_the_time_stamps_counts() -> None:
    rate, tone = 48000, sounds.tone(8.0)
    blocks = []
    for number, block in enumerate(samples.sound_blocks(tone)):
        shift = 0.04 * (number > 20) + 0.04 * (number > 30)
        blocks.append(Sound(time=block.time + shift, rate=rate, samples=block.samples))
    assert len(samples.events(blocks, only=["dropout"])) == 1


def drum(hits: float) -> np.ndarray:
    """Hits that decay into digital silence, as a drum machine plays them."""
    count = 12 * 48000
    moment = np.arange(count) / 48000 % (1 / hits)
    noise = np.random.default_rng(1).normal(0, 0.3, count)
    wave = noise * np.exp(-moment * 45)
    wave[np.abs(wave) < 2e-4] = 0
    return np.repeat(wave[None], 2, axis=0).astype(np.float32)


def gated_speech() -> np.ndarray:
    """Speech whose pauses are closed by a gate with a release of 60 ms."""
    sound = sounds.speech(12.0)
    open_now = (np.abs(sound[0]) > 0.01).astype(float)
    kernel = np.exp(-np.arange(48000 // 8) / (0.03 * 48000))
    gate = np.minimum(1.0, np.convolve(open_now, kernel)[: sound.shape[1]])
    gate[gate < 1e-3] = 0
    return (sound * gate).astype(np.float32)


TRAPS = {
    "speech": lambda: sounds.speech(12.0),
    "gated speech": gated_speech,
    "drum machine": lambda: drum(2.0),
    "castanets": lambda: drum(7.0),
    "low tone": lambda: sounds.tone(12.0, 30.0),
    "one hole": lambda: audio.holes(sounds.tone(12.0), 5.0, 6.0, 0.05, 1.0),
    "silence": lambda: sounds.silence(12.0),
    "long pauses": lambda: audio.holes(sounds.tone(12.0), 1.0, 11.0, 0.8, 0.5),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert dropouts(TRAPS[trap](), profile) == []
