from __future__ import annotations

import pytest

from tests.detect import samples
from tests.detect.caption_clips import before, carried, made, speech
from vqa_agent.detect import Profile
from vqa_agent.media import Fact, FactKind
from vqa_agent.simulate import sounds

SECONDS = 160.0
SETTINGS = {"break_time": 0.0}


def defective():
    """Captions that vanish after 40 s, while somebody goes on speaking."""
    return samples.merge(speech(SECONDS), carried(0, 40), samples.signal(SECONDS))


def found(*streams, profile: Profile = Profile.FILE, **settings) -> list:
    return samples.events(samples.merge(*streams), profile, only=["caption_missing"], caption_missing=settings)


def expected(*streams, profile: Profile = Profile.LIVE) -> list:
    return found(*streams, profile=profile, expect={"captions": True})


@pytest.mark.parametrize(("profile", "patience"), [(Profile.LIVE, 60.0), (Profile.FILE, 30.0)])
def test_what_is_expected_and_never_comes_is_missed(profile: Profile, patience: float) -> None:
    (event,) = expected(samples.signal(patience + 5), profile=profile)
    assert (event.start, event.detail["expected"]) == (0.0, True)
    assert expected(samples.signal(patience - 2), profile=profile) == []


def test_the_event_ends_with_the_first_data() -> None:
    (event,) = expected(samples.signal(120.0), carried(80, 120))
    assert (event.start, event.end) == pytest.approx((0.0, 80.0), abs=1.0)


def test_captions_that_vanish_in_the_middle_of_a_file_are_missed() -> None:
    (event,) = found(defective())
    assert event.start == pytest.approx(40.0, abs=0.1)
    assert (event.end, event.detail["services"]) == (SECONDS, "608")


def test_live_they_pass_for_a_break_until_it_has_lasted_too_long() -> None:
    assert found(defective(), profile=Profile.LIVE) == []
    assert len(found(defective(), profile=Profile.LIVE, break_time=90.0)) == 1


@pytest.mark.parametrize("service", ["608", "708", "dvbsub:eng"])
def test_any_service_is_enough(service: str) -> None:
    assert expected(samples.signal(90.0), carried(0, 90, service, readable=False)) == []


QUIET = {
    "an advertisement of half a minute": lambda: (speech(100), carried(0, 50), carried(80, 100)),
    "music after the captioned part": lambda: (
        made(sounds.music, 100),
        carried(0, 40),
    ),
    "a channel that never had any": lambda: (speech(100),),
    "captions to the end": lambda: (speech(100), carried(0, 100)),
    "a few seconds of them at the start": lambda: (speech(100), carried(0, 10)),
}


@pytest.mark.parametrize("name", QUIET)
def test_is_silent_where_none_are_expected_on(name: str) -> None:
    assert found(*QUIET[name](), samples.signal(100.0)) == []


def test_is_silent_where_the_owner_says_there_are_none() -> None:
    assert found(defective(), expect={"captions": False}) == []


def test_speech_is_counted_from_the_end_of_the_captions() -> None:
    """Half a minute of speech lies before it, twenty seconds after."""
    material = samples.merge(speech(120), carried(0, 60))
    assert found(before(material, 82.0), samples.signal(82.0)) == []


def test_a_lost_signal_is_not_missing_captions() -> None:
    lost = [Fact(FactKind.NO_SIGNAL, 20 + half / 2, 0.5, detail={"missing": "all"}) for half in range(200)]
    assert expected(samples.signal(20.0), carried(0, 20), lost, samples.signal(20.0, 120.0), carried(126, 140)) == []
