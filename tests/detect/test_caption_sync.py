from __future__ import annotations

import itertools

import pytest

from tests.detect import samples
from tests.detect.caption_clips import (
    MEDIA,
    before,
    carried,
    cues,
    made,
    phrases_of,
    popped,
    recordings,
    speech,
    talked,
    typed,
)
from vqa_agent.detect import Profile
from vqa_agent.media import Caption, CaptionKind
from vqa_agent.simulate import sounds
from vqa_agent.simulate.captions import delayed

SECONDS = 120.0


def material(lag: float = 0.0, drift: float = 0.0, seed: int = 0, appear=popped, seconds: float = SECONDS):
    shown = [cue for cue in delayed(cues(talked(seconds, seed)[1]), lag, drift) if cue.start >= 0]
    return samples.merge(speech(seconds, seed), carried(0, seconds), appear(shown))


def defective():
    return material(lag=7.0, appear=typed)


def found(*streams, profile: Profile = Profile.FILE, **settings) -> list:
    return samples.events(samples.merge(*streams), profile, only=["caption_sync"], caption_sync=settings)


def lags(stream) -> list[float]:
    """Every lag that was measured, in seconds."""
    detector = samples.fresh("caption_sync")
    return [finding.detail["lag_ms"] / 1000 for sample in stream for finding in detector.look(sample)]


@pytest.mark.parametrize("lag", [3.0, 5.0, 8.0, -3.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_prepared_text_that_is_late_or_early_is_found(lag: float, seed: int) -> None:
    (event,) = found(material(lag, seed=seed))
    assert event.detail["lag_ms"] == pytest.approx(lag * 1000, abs=500)


def test_typed_text_is_expected_to_be_late_but_not_by_eight_seconds() -> None:
    assert found(material(3.5, appear=typed)) == []
    (event,) = found(material(8.0, appear=typed), profile=Profile.LIVE)
    assert (event.detail["lag_ms"], event.detail["kind"]) == (pytest.approx(8000, abs=700), "roll-up")


@pytest.mark.parametrize("rate", [25 / 24 - 1, 24 / 25 - 1])
def test_text_of_the_other_film_rate_drifts_away(rate: float) -> None:
    (event,) = found(material(drift=rate, seconds=180.0))
    assert event.detail["drift_ms_per_min"] == pytest.approx(rate * 60_000, abs=300)


def test_cues_of_a_track_are_measured_too() -> None:
    late = [
        Caption(cue.start + 4, "subrip", CaptionKind.TEXT, cue.text, cue.end + 4) for cue in cues(talked(SECONDS)[1])
    ]
    assert len(found(speech(SECONDS), carried(0, SECONDS, "subrip"), late)) == 1


def test_a_lag_is_measured_to_half_a_second() -> None:
    for seed, lag in itertools.product((2, 3), (0.0, 1.0)):
        measured = lags(material(lag, seed=seed, seconds=180.0))
        assert measured
        assert measured == pytest.approx([lag] * len(measured), abs=0.5)


def test_text_that_has_nothing_to_do_with_the_speech_is_inconclusive() -> None:
    for seed, appear in itertools.product(range(3), (popped, typed)):
        other = cues(talked(SECONDS, seed + 20)[1])
        assert found(speech(SECONDS, seed), carried(0, SECONDS), appear(other)) == []


TRAPS = {
    "music under the text": lambda: (made(sounds.music), popped(cues(talked(SECONDS)[1]))),
    "no sound": lambda: (popped(cues(talked(SECONDS)[1])),),
    "no text": lambda: (speech(SECONDS),),
    "less than a minute of it": lambda: (before(material(5.0), 55.0),),
    "text that is in time": lambda: (material(),),
}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_silent_on(name: str, profile: Profile) -> None:
    assert found(*TRAPS[name](), profile=profile) == []


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.exists(), reason="needs ../shared/media")
@pytest.mark.parametrize(("lag", "appear"), [(0.0, popped), (0.0, typed), (4.0, popped), (8.0, typed), (-3.0, popped)])
def test_captions_of_real_speech(lag: float, appear) -> None:
    blocks = list(recordings("speech", 170.0))
    shown = [cue for cue in delayed(cues(phrases_of(blocks)), lag) if cue.start >= 0]
    events = found(blocks, appear(shown))
    assert [event.detail["lag_ms"] for event in events] == ([pytest.approx(lag * 1000, abs=500)] if lag else [])
