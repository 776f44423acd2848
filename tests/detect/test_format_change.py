from __future__ import annotations

import pytest

from tests.detect import samples
from vqa_agent.detect import Profile
from vqa_agent.media import Fact, FactKind, Format

HD = Format("h264", 1280, 720, 25.0, "progressive", "yuv420p", "aac", 48000, "stereo")


def state(time: float, **changes) -> Fact:
    return Fact(FactKind.FORMAT, time, detail={**HD.detail(), **changes})


def defective():
    return samples.merge(samples.signal(20.0), [state(0.0), state(5.0, width=720, height=576)])


def found(*facts: Fact, profile: Profile = Profile.LIVE, **expect) -> list:
    settings = {"format_change": {"expect": expect}}
    material = samples.merge(samples.signal(20.0), facts)
    return samples.events(material, profile, only=["format_change"], **settings)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("width", 720, "1280 -> 720"),
        ("rate", 50.0, "25.0 -> 50.0"),
        ("scan", "interlaced", "progressive -> interlaced"),
        ("video_codec", "hevc", "h264 -> hevc"),
        ("audio_codec", "mp2", "aac -> mp2"),
        ("sample_rate", 44100, "48000 -> 44100"),
        ("layout", "5.1", "stereo -> 5.1"),
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_tells_what_changed(key: str, value, told: str, profile: Profile) -> None:
    (event,) = found(state(0.0), state(5.0, **{key: value}), profile=profile)
    assert (event.start, dict(event.detail)) == (5.0, {key: told})


TRAPS = {
    "the same again": {},
    "29.97 written otherwise": {"rate": 25.01},
    "an estimate that wanders": {"rate": 25.9},
    "not known for a moment": {"audio_codec": "", "sample_rate": 0, "layout": ""},
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found(state(0.0), state(5.0, **TRAPS[trap])) == []


@pytest.mark.parametrize(
    "expect", [{"height": 1080}, {"rate": 50.0}, {"scan": "interlaced"}, {"layout": "5.1"}, {"video_codec": "HEVC"}]
)
def test_a_format_that_was_not_expected_stays_open(expect: dict) -> None:
    (event,) = found(state(0.0), **expect)
    assert (event.start, event.end) == (0.0, 20.0)


def test_a_format_that_fits_what_is_expected_is_fine() -> None:
    assert found(state(0.0), height=720, rate=25.0, scan="progressive", video_codec="H264", layout="stereo") == []
    assert found(state(0.0, rate=29.97), rate=30000 / 1001) == []


def test_the_event_of_a_mismatch_ends_when_the_format_fits() -> None:
    (event,) = found(state(0.0, height=576), state(8.0, height=720), height=720)
    assert event.end == pytest.approx(8.0, abs=0.5)
