from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from tests.detect import samples
from tests.detect.caption_clips import carried, cues, popped, talked, typed, wording
from vqa_agent.detect import Profile
from vqa_agent.detect.caption_quality import strangeness
from vqa_agent.media import Caption, CaptionKind
from vqa_agent.simulate.captions import Cue

SECONDS = 120.0


def lines(speed: float = 14.0, seconds: float = SECONDS, each: float = 2.5, change=str) -> list[Cue]:
    """A cue every `each` seconds whose text takes `speed` characters a second."""
    rng = np.random.default_rng(3)
    return [Cue(at, at + each, change(wording(each, rng, speed))) for at in np.arange(1.0, seconds - each, each)]


def scrambled(text: str) -> str:
    rng = np.random.default_rng(len(text))
    return "".join(chr(code) for code in rng.integers(33, 127, len(text)))


def every_tenth(text: str, mark: str) -> str:
    return "".join(mark if number % 10 == 9 else letter for number, letter in enumerate(text))


def defective():
    return samples.merge(carried(0, SECONDS), popped(lines(change=scrambled)))


def found(*streams: Iterable, profile: Profile = Profile.FILE, **settings) -> list:
    return samples.events(samples.merge(*streams), profile, only=["caption_quality"], caption_quality=settings)


FAULTS = {
    "fast, pop-on": ("fast", lambda: popped(lines(34.0))),
    "fast, typed": ("fast", lambda: typed(lines(34.0))),
    "fast because it stands too short": (
        "fast",
        lambda: popped([Cue(c.start, c.start + 0.7, c.text) for c in lines()]),
    ),
    "scrambled": ("garbage", lambda: popped(lines(change=scrambled))),
    "scrambled, typed": ("garbage", lambda: typed(lines(change=scrambled))),
    "replacement blocks": ("garbage", lambda: popped(lines(change=lambda text: every_tenth(text, "█")))),
    "read in the wrong encoding": ("garbage", lambda: popped(lines(change=lambda text: every_tenth(text, "Ã©")))),
    "no spaces": ("garbage", lambda: popped(lines(change=lambda text: text.replace(" ", "")))),
    "the same again and again": ("repeats", lambda: popped(lines(change=lambda text: "AND NOW THE WEATHER FORECAST"))),
    "the same row again and again": (
        "repeats",
        lambda: typed(lines(change=lambda text: "AND NOW THE WEATHER FORECAST")),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("profile", list(Profile))
def test_finds_text_that_is(name: str, profile: Profile) -> None:
    kind, text = FAULTS[name]
    (event,) = found(carried(0, SECONDS), text(), profile=profile)
    assert event.detail["kind"] == kind


@pytest.mark.parametrize("profile", list(Profile))
def test_finds_parity_errors(profile: Profile) -> None:
    (event,) = found(carried(0, SECONDS, parity_errors=2), popped(lines()), profile=profile)
    assert (event.detail["kind"], event.detail["value"]) == ("parity", pytest.approx(2 / 60, abs=0.01))


def song(text: str) -> str:
    return "♪♪ [SINGING IN FRENCH] ♪♪"


def other_scripts() -> Iterator[Caption]:
    texts = ("彼は昨日、東京から大阪まで新幹線で移動しました。", "Он сказал, что завтра снова будет дождь и ветер.")
    for number, at in enumerate(np.arange(1.0, SECONDS, 3.0)):
        yield Caption(at, "webvtt", CaptionKind.TEXT, f"{texts[number % 2]} {number}", at + 2.8)


TRAPS = {
    "good text": lambda: popped(lines()),
    "good text, typed": lambda: typed(lines()),
    "a fast talker": lambda: popped(lines(21.0)),
    "captions of real phrases": lambda: popped(cues(talked(SECONDS)[1])),
    "songs": lambda: popped(lines(change=song)),
    "scores and times": lambda: popped(lines(change=lambda text: f"{text[:18]} 3-2, 21:45")),
    "capitals": lambda: popped(lines(change=str.upper)),
    "other scripts": other_scripts,
    "a burst of five seconds": lambda: popped([*lines(60.0, 8.0, 1.0), *[c for c in lines() if c.start > 9]]),
    "a chorus": lambda: popped([Cue(at, at + 3, "Let it be, let it be") for at in (10.0, 14.0, 18.0)]),
}


@pytest.mark.parametrize("name", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_silent_on(name: str, profile: Profile) -> None:
    assert found(carried(0, SECONDS), TRAPS[name](), profile=profile) == []


def test_a_few_parity_errors_are_no_event() -> None:
    errors = [carried(second, second + 1, parity_errors=int(second == 40)) for second in range(round(SECONDS))]
    assert found(*errors, popped(lines())) == []


def test_strangeness_of_writing() -> None:
    assert strangeness("- WHERE ARE WE GOING?\n>> TO THE RIVER, IF YOU'D LIKE. IT'S NOT FAR FROM HERE!") == 0.0
    assert strangeness("un p\u00e2t\u00e9 de campagne, s'il vous pla\u00eet \u2014 tr\u00e8s bien, \u00e7a va") == 0.0
    assert strangeness("too short") == 0.0
