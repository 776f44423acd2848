from __future__ import annotations

import pytest

from tests.detect import samples
from tests.detect.caption_clips import MEDIA, before, carried, cues, made, popped, recordings, speech, talked, typed
from vqa_agent.detect import Profile, Severity
from vqa_agent.media import Caption, CaptionKind
from vqa_agent.simulate import sounds

SECONDS = 120.0


def defective():
    """A channel that is carried without any text, while somebody speaks."""
    return samples.merge(speech(SECONDS), carried(0, SECONDS))


def found(*streams, profile: Profile = Profile.FILE, **settings) -> list:
    return samples.events(samples.merge(*streams), profile, only=["caption_empty"], caption_empty=settings)


def text(seconds: float = SECONDS, seed: int = 0):
    return cues(talked(seconds, seed)[1])


@pytest.mark.parametrize("profile", list(Profile))
def test_an_empty_channel_under_speech_is_found(profile: Profile) -> None:
    (event,) = found(defective(), profile=profile)
    assert event.start < 25.0
    assert event.severity is Severity.MINOR


def test_it_is_major_where_captions_are_expected() -> None:
    (event,) = found(defective(), expect={"captions": True})
    assert event.severity is Severity.MAJOR


@pytest.mark.parametrize("appear", [popped, typed])
def test_text_that_stops_in_the_middle_is_found_and_ends_when_it_comes_back(appear) -> None:
    shown = [cue for cue in text() if not 40 < cue.end < 105 and not 40 < cue.start < 105]
    (event,) = found(speech(SECONDS), carried(0, SECONDS), appear(shown))
    assert event.start == pytest.approx(46.0, abs=8.0)
    assert event.end == pytest.approx(104.0, abs=6.0)
    assert event.severity is Severity.MAJOR


def test_bitmaps_count_as_text_unless_they_are_blank() -> None:
    def drawn(shown: bool):
        return (Caption(cue.start, "dvbsub", CaptionKind.BITMAP, until=cue.end, shown=shown) for cue in text())

    assert found(speech(SECONDS), carried(0, SECONDS), drawn(True)) == []
    assert len(found(speech(SECONDS), carried(0, SECONDS), drawn(False))) == 1


TRAPS = {
    "text under speech": lambda: (speech(SECONDS), popped(text())),
    "text that is typed six seconds late": lambda: (
        speech(SECONDS),
        typed([type(cue)(cue.start + 6, cue.end + 6, cue.text) for cue in text()]),
    ),
    "two minutes of music": lambda: (made(sounds.music),),
    "two minutes of noise": lambda: (made(sounds.room, SECONDS, -30.0),),
    "a quiet room": lambda: (made(sounds.room),),
    "a steady tone": lambda: (made(sounds.tone),),
    "no sound at all": lambda: (),
    "a spoken trailer before the captioned programme": lambda: (before(speech(SECONDS), 25.0),),
}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_silent_on(name: str, profile: Profile) -> None:
    assert found(*TRAPS[name](), carried(0, SECONDS), profile=profile) == []


def test_says_nothing_where_no_service_is_carried_or_its_text_cannot_be_read() -> None:
    assert found(speech(SECONDS)) == []
    assert found(speech(SECONDS), carried(0, SECONDS), carried(0, SECONDS, "unread:deu", readable=False)) == []


def test_a_subtitle_track_is_judged_once_it_is_known_to_follow_speech() -> None:
    track = [*carried(0, SECONDS, "dvbsub:nld")]
    assert found(speech(SECONDS), track) == []
    assert found(speech(SECONDS), track, popped(text()[:2])) == []
    assert len(found(speech(SECONDS), track, expect={"captions": True})) == 1
    assert len(found(speech(SECONDS), track, popped([cue for cue in text() if cue.end < 55]))) == 1


def test_says_nothing_where_the_owner_expects_none() -> None:
    assert found(defective(), expect={"captions": False}) == []


def test_count_is_seconds_of_speech() -> None:
    assert found(defective(), count=50) != []
    assert found(before(defective(), 55.0), count=50) == []


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.exists(), reason="needs ../shared/media")
def test_real_speech_is_heard_and_real_music_is_not() -> None:
    assert len(found(recordings("speech", 100.0), carried(0, 100))) == 1
    assert found(recordings("music", 400.0), carried(0, 400)) == []
    assert found(recordings("environment", 400.0), carried(0, 400)) == []
