from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile, Severity
from vqa_agent.simulate import defects, sounds

SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")
SEVERITIES = {"noise left over": 10 ** (-55 / 20), "very quiet": 10 ** (-70 / 20), "gone": 0.0}


def defective():
    return samples.sound_blocks(defects.mute(sounds.music(18.0), 2.0, 16.0, channels=(1,)))


def missing(sound, profile: Profile = Profile.FILE, **options) -> list:
    return samples.events(samples.sound_blocks(sound, **options), profile, only=["channel_missing", "silence"])


@pytest.mark.parametrize("content", [sounds.speech, sounds.music, sounds.tone], ids=["speech", "music", "tone"])
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("channel", [0, 1], ids=["left", "right"])
def test_finds_the_channel(content, severity: str, channel: int) -> None:
    sound = defects.attenuate(content(9.0, dbfs=-20.0), 2.0, 8.0, SEVERITIES[severity], channels=(channel,))
    (event,) = missing(sound)
    assert (event.defect, event.detail["channel"]) == ("channel_missing", ("FL", "FR")[channel])
    assert event.start == pytest.approx(2.0, abs=0.4)
    assert event.end == pytest.approx(8.0, abs=0.6)


def test_pauses_do_not_interrupt_the_fault() -> None:
    sound = defects.mute(sounds.speech(20.0), 1.0, 19.0, channels=(0,))
    sound[:, 6 * 48000 : 8 * 48000] = 0
    assert [event.defect for event in missing(sound, Profile.LIVE)] == ["channel_missing"]


def test_a_channel_that_never_carried_sound_is_minor() -> None:
    sound = defects.mute(sounds.speech(14.0), 0.0, 14.0, channels=(1,))
    (event,) = missing(sound)
    assert event.severity is Severity.MINOR


def surround(silent: tuple[int, ...]) -> np.ndarray:
    return defects.mute(sounds.music(14.0, channels=6), 0.0, 14.0, channels=silent)


TRAPS = {
    "mono": (lambda: sounds.speech(14.0, channels=1), ()),
    "both silent": (lambda: sounds.silence(14.0), ()),
    "surrounds silent": (lambda: surround((4, 5)), SURROUND),
    "one surround never used": (lambda: surround((5,)), SURROUND),
    "centre silent": (lambda: surround((2,)), SURROUND),
    "panned by 20 dB": (lambda: defects.attenuate(sounds.music(14.0), 0, 14.0, 0.1, channels=(1,)), ()),
    "hard-panned moment": (lambda: defects.mute(sounds.music(14.0), 3.0, 5.0, channels=(0,)), ()),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    make, names = TRAPS[trap]
    assert "channel_missing" not in samples.names(missing(make(), profile, names=names))
