from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.simulate import audio, defects, sounds


def defective():
    return samples.sound_blocks(audio.invert(sounds.speech(18.0), 2.0, 16.0))


def stereo(width: float, seconds: float = 12.0) -> np.ndarray:
    """Music whose channels share a middle and differ by `width` (0 mono, 1 all different)."""
    middle, side = sounds.music(seconds, channels=1, seed=1)[0], sounds.room(seconds, -20.0, channels=2, seed=2)
    return np.stack([middle + width * side[0], middle + width * side[1]]).astype(np.float32)


def inverted(sound, profile: Profile = Profile.FILE, **options) -> list:
    return samples.events(samples.sound_blocks(sound, **options), profile, only=["phase_inversion"])


@pytest.mark.parametrize("width", [0.0, 0.2, 0.5], ids=["mono", "narrow", "wide"])
@pytest.mark.parametrize("channel", [0, 1], ids=["left", "right"])
@pytest.mark.parametrize("quality", [None, 12], ids=["exact", "12 bit"])
def test_finds_a_crossed_channel_with_its_limits(width: float, channel: int, quality: int | None) -> None:
    sound = audio.invert(stereo(width), 3.0, 9.0, channel)
    if quality is not None:
        sound = np.round(sound * 2 ** (quality - 1)).astype(np.float32) / 2 ** (quality - 1)
    (event,) = inverted(sound)
    assert event.start == pytest.approx(3.0, abs=0.8)
    assert event.end == pytest.approx(9.0, abs=0.8)
    assert event.detail["correlation"] < -0.5


TRAPS = {
    "mono": lambda: stereo(0.0, 15.0),
    "wide stereo": lambda: stereo(1.5, 15.0),
    "independent channels": lambda: sounds.room(15.0, -20.0),
    "one channel silent": lambda: defects.mute(sounds.music(15.0), 0.0, 15.0, channels=(0,)),
    "inverted but inaudible": lambda: audio.invert(sounds.tone(15.0, dbfs=-65.0), 0.0, 15.0),
    "a moment of inversion": lambda: audio.invert(stereo(0.2, 15.0), 5.0, 6.5),
    "single channel": lambda: sounds.speech(15.0, channels=1),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert inverted(TRAPS[trap](), profile) == []


def test_finds_it_in_a_surround_pair() -> None:
    sound = audio.invert(np.repeat(sounds.speech(8.0, channels=1), 6, axis=0), 0.0, 8.0, channel=5)
    assert len(inverted(sound, names=("FL", "FR", "FC", "LFE", "BL", "BR"))) == 1
