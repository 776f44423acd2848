from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.media import Sound
from vqa_agent.simulate import defects, sounds

SEVERITIES = {"quiet room": 10 ** (-50 / 20), "very quiet": 10 ** (-70 / 20), "digital zero": 0.0}


def defective():
    return samples.sound_blocks(defects.mute(sounds.music(8.0), 1.0, 7.0))


def silences(sound, profile: Profile = Profile.FILE, **options) -> list:
    return samples.events(samples.sound_blocks(sound, **options), profile, only=["silence"])


@pytest.mark.parametrize("content", [sounds.speech, sounds.music, sounds.tone], ids=["speech", "music", "tone"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_silence_with_its_limits(content, severity: str) -> None:
    sound = defects.attenuate(content(7.0, dbfs=-24.0), 1.0, 6.0, SEVERITIES[severity])
    (event,) = silences(sound)
    assert event.start == pytest.approx(1.0, abs=0.3)
    assert event.end == pytest.approx(6.0, abs=0.6)


def test_digital_zero_alarms_live_before_a_quiet_room_does() -> None:
    assert len(silences(defects.mute(sounds.music(8.0), 2.0, 6.0), Profile.LIVE)) == 1
    quiet = sounds.room(14.0, dbfs=-75.0)
    assert silences(quiet[:, : 8 * 48000], Profile.LIVE) == []
    assert len(silences(quiet, Profile.LIVE)) == 1


def lfe_only(seconds: float) -> np.ndarray:
    sound = sounds.silence(seconds, channels=6)
    sound[3] = sounds.tone(seconds, 40.0, -20.0, channels=1)[0]
    return sound


def test_the_effects_channel_alone_is_silence() -> None:
    found = silences(lfe_only(4.0), names=("FL", "FR", "FC", "LFE", "BL", "BR"))
    assert samples.names(found) == ["silence"]


def test_an_offset_is_not_sound() -> None:
    assert samples.names(silences(sounds.room(4.0, dbfs=-80.0) + np.float32(0.2))) == ["silence"]


def paused(first: float, second: float) -> np.ndarray:
    """Music with a pause of one second, then one of four, each filled with its own background in dBFS."""
    sound = sounds.music(14.0)
    for start, length, dbfs in ((3, 1, first), (7, 4, second)):
        part = slice(start * 48000, (start + length) * 48000)
        sound[:, part] = sounds.room(float(length), dbfs)[:, : length * 48000]
    return sound


@pytest.mark.parametrize(("first", "second", "starts"), [(-84, -84, []), (-84, -70, [7])])
def test_a_pause_like_an_earlier_one_is_none_in_a_file(first: float, second: float, starts: list[int]) -> None:
    assert [round(event.start) for event in silences(paused(first, second))] == starts


def test_digital_zero_is_never_a_natural_pause() -> None:
    sound = defects.mute(defects.mute(sounds.music(14.0), 3.0, 4.0), 7.0, 11.0)
    assert [round(event.start) for event in silences(sound)] == [7]


@pytest.mark.parametrize(("seconds", "found"), [(4, []), (12, [(0, 12)])])
def test_a_lead_in_is_natural_for_ten_seconds(seconds: int, found: list[tuple[int, int]]) -> None:
    sound = np.concatenate([sounds.room(float(seconds), -80.0), sounds.music(3.0)], axis=1)
    assert [(round(event.start), round(event.end)) for event in silences(sound)] == found


TRAPS = {
    "room tone": lambda: sounds.room(15.0, dbfs=-55.0),
    "speech with pauses": lambda: sounds.speech(15.0),
    "one channel alive": lambda: defects.mute(sounds.music(15.0), 1.0, 14.0, channels=(0,)),
    "low tone": lambda: sounds.tone(15.0, 30.0, -50.0),
    "short pause": lambda: defects.mute(sounds.music(15.0), 5.0, 6.5),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert silences(TRAPS[trap](), profile) == []


@pytest.mark.parametrize("count", [1, 3, 4410])
def test_judges_blocks_of_any_length(count: int) -> None:
    block = Sound(time=0.0, rate=44100, samples=np.zeros((1, count), np.float32))
    (finding,) = samples.fresh("silence").look(block)
    assert (finding.bad, finding.certain) == (True, True)
