from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.media import Sample, Sound
from vqa_agent.simulate import audio, sounds
from vqa_agent.simulate.encode import encode

CONTENTS = {
    "speech": sounds.speech,
    "music": sounds.music,
    "noise": lambda seconds: sounds.room(seconds, -20.0),
}


def defective():
    return samples.sound_blocks(audio.clip(sounds.music(14.0), 2.0, 12.0, 0.05))


def clipped(sound, profile: Profile = Profile.FILE) -> list:
    return samples.events(samples.sound_blocks(sound), profile, only=["clipping"])


def to_bits(sound: np.ndarray, bits: int) -> np.ndarray:
    scale = 2 ** (bits - 1)
    return (np.clip(np.round(sound * scale), -scale, scale - 1) / scale).astype(np.float32)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("share", [0.005, 0.03, 0.12], ids=["slight", "middle", "gross"])
@pytest.mark.parametrize("gain", [1.0, 0.5, 0.13], ids=["full scale", "-6 dB after", "-18 dB after"])
def test_finds_flat_tops_at_any_level(content: str, share: float, gain: float) -> None:
    sound = to_bits(audio.clip(CONTENTS[content](9.0), 2.0, 7.0, share, gain), 16)
    found = clipped(sound)
    assert len(found) >= 1
    assert found[0].start >= 1.9
    assert found[-1].end <= 7.2


def through(codec: str, sound: np.ndarray, folder: Path) -> list[Sample]:
    file = encode(folder / "sound.mkv", None, sound, audio_codec=codec)
    with open_source(Source(name="sound", url=str(file), live=False)) as capture:
        return [sample for sample in capture.samples() if isinstance(sample, Sound)]


def hum(seconds: float) -> np.ndarray:
    return sounds.tone(seconds, 180.0, -12.0) + sounds.tone(seconds, 270.0, -18.0)


@pytest.mark.parametrize(("codec", "content"), [("mp2", sounds.speech), ("mp2", hum), ("aac", hum)])
@pytest.mark.parametrize("gain", [0.5, 0.13], ids=["-6 dB after", "-18 dB after"])
def test_finds_blunt_tops_behind_a_lossy_codec(
    codec: str, content: Callable[[float], np.ndarray], gain: float, tmp_path: Path
) -> None:
    sound = through(codec, audio.clip(content(8.0), 2.0, 6.0, 0.12, gain), tmp_path)
    found = samples.events(sound, only=["clipping"])
    assert found[0].start >= 1.4
    assert found[-1].end <= 6.6


@pytest.mark.parametrize("codec", ["aac", "mp2"])
@pytest.mark.parametrize("content", [sounds.speech, sounds.music, hum])
def test_lossy_codecs_alone_clip_nothing(codec: str, content: Callable[[float], np.ndarray], tmp_path: Path) -> None:
    assert samples.events(through(codec, content(8.0), tmp_path), only=["clipping"]) == []


def sine(hertz: float, dbfs: float, bits: int) -> np.ndarray:
    return to_bits(sounds.tone(12.0, hertz, dbfs), bits)


def touching() -> np.ndarray:
    """Music whose peaks reach full scale four times in 12 s, for three samples."""
    sound = sounds.music(12.0, dbfs=-24.0)
    for second in range(2, 10, 2):
        sound[:, second * 48000 : second * 48000 + 3] = 1.0
    return sound


def limited() -> np.ndarray:
    """Loud music behind a limiter that turns each tenth of a second up until its peak touches full scale."""
    sound = sounds.music(12.0, dbfs=-24.0)
    peaks = np.abs(sound).max(axis=0).reshape(-1, 4800).max(axis=1)
    gain = np.interp(np.arange(sound.shape[1]), np.arange(len(peaks)) * 4800 + 2400, 0.7 / np.maximum(peaks, 1e-3))
    return to_bits(sound * gain / np.abs(sound * gain).max(), 16)


TRAPS = {
    "line-up tone": lambda: sine(1000, -18.0, 16),
    "full-scale tone": lambda: sine(997, -3.02, 16),
    "bass at 16 bits": lambda: sine(41, -20.0, 16),
    "bass at 8 bits": lambda: sine(50, -12.0, 8),
    "limited music": limited,
    "peaks that touch full scale": touching,
    "speech at 8 bits": lambda: to_bits(sounds.speech(12.0), 8),
    "silence": lambda: sounds.silence(12.0),
    "offset": lambda: np.full((2, 12 * 48000), 0.5, np.float32),
    "room": lambda: sounds.room(12.0),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert clipped(TRAPS[trap](), profile) == []


def test_tells_the_height_of_the_tops() -> None:
    (event,) = clipped(audio.clip(sounds.music(6.0), 1.0, 5.0, 0.05, 0.5))
    assert event.detail["dbfs"] == pytest.approx(-6.0, abs=0.1)
