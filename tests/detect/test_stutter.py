from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.cadence import Hold, losses_of
from vqa_agent.detect import Profile
from vqa_agent.simulate import motion, scenes

SEVERITIES = {
    "single repeats": {"per_second": 1.5, "held": 1},
    "short holds": {"per_second": 2.0, "held": 2},
    "long holds": {"per_second": 2.0, "held": 5},
}


def defective():
    return samples.pictures(motion.stutter(scenes.action(16.0, samples.SIZE), 1.0, 12.0))


@pytest.mark.parametrize("late", [True, False], ids=["and jumps on", "and goes on where it was"])
@pytest.mark.parametrize("content", ["pan", "action", "studio"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_pictures_that_are_held(content: str, severity: str, late: bool) -> None:
    images = motion.stutter(clip(content), 1.0, 6.0, late=late, **SEVERITIES[severity])
    events = found("stutter", images)
    assert events[0].start == pytest.approx(1.8, abs=1.0)
    assert all(event.end <= 6.5 for event in events)
    assert events[0].detail == {"kind": "repeat", "late": SEVERITIES[severity]["held"]}


@pytest.mark.parametrize("codec", CODECS)
def test_finds_it_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    images = motion.stutter(clip("action"), 1.0, 6.0)
    assert len(found_behind(codec, "stutter", images, tmp_path)) == 1


def test_alarms_live_after_five_in_ten_seconds() -> None:
    often = list(motion.stutter(clip("action", 12.0), 1.0, 10.0, per_second=1.5))
    seldom = list(motion.stutter(clip("action", 12.0), 1.0, 10.0, per_second=0.3))
    assert len(found("stutter", often, Profile.LIVE)) == 1
    assert found("stutter", seldom, Profile.LIVE) == []


def test_finds_movement_that_jumps_over_pictures() -> None:
    (event,) = found("stutter", motion.skip(scenes.pan(14.0, samples.SIZE, noise=0.0), 1.0, 9.0, every=1.1))
    assert event.detail["kind"] == "jump"


def on_time(images, lost: set[int], rate: int = 25):
    """Pictures whose time stamps show that some are missing."""
    for picture in samples.pictures(images, rate):
        if round(picture.time * rate) not in lost:
            picture.index -= sum(number < round(picture.time * rate) for number in lost)
            yield picture


def test_finds_gaps_in_the_time_stamps() -> None:
    lost = {number + extra for number in range(30, 150, 17) for extra in range(number % 3 + 1)}
    (event,) = samples.events(on_time(clip("action"), lost), only=["stutter"])
    assert event.detail["kind"] == "gap"


CADENCES = {
    "24 in 25": ([1] * 23 + [2], 25),
    "24 in 30": ([1, 1, 1, 2], 30),
    "25 in 30": ([1, 1, 1, 1, 2], 30),
    "20 in 30": ([1, 2], 30),
    "24 in 60": ([2, 3], 60),
    "30 in 60": ([2], 60),
    "15 in 30": ([2], 30),
    "animation on threes": ([3], 24),
    "animation on twos and threes": ([2, 2, 3, 2, 3, 3, 2, 2, 2, 3], 25),
}


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("cadence", CADENCES)
def test_learns_the_cadence(cadence: str, profile: Profile) -> None:
    holds, rate = CADENCES[cadence]
    images = motion.repeat_to(clip("action", 12.0), itertools.cycle(holds))
    assert found("stutter", images, profile, rate) == []


def test_finds_a_break_of_a_learnt_cadence() -> None:
    holds = [2, 3] * 20 + ([2, 3, 2, 9] * 3 + [2, 3] * 3) * 3
    images = motion.repeat_to(clip("action", 12.0), holds)
    assert len(found("stutter", images, rate=60)) == 1


def test_a_repeat_that_costs_a_picture_is_no_cadence() -> None:
    images = clip("pan", 12.0)
    late = [images[number - 1 if number % 12 == 0 and number else number] for number in range(200)]
    assert len(found("stutter", late)) >= 1


def slideshow():
    """A new still twice a second."""
    stills = [next(scenes.pan(0.04, samples.SIZE, seed=seed)) for seed in range(16)]
    return motion.repeat_to(stills, itertools.repeat(12))


def stop_and_go():
    """Something that moves for half a second and rests for half a second."""
    ground = next(scenes.pan(0.04, samples.SIZE, noise=0.0))
    place = 60.0
    for number in range(200):
        place += 3 * max(0.0, np.sin(number * 0.25)) * (1 if number // 50 % 2 else -1)
        image = ground.copy()
        cv2.circle(image, (round(16 * (160 + place)), 16 * 90), 16 * 40, (200, 180, 90), -1, cv2.LINE_AA, 4)
        yield image


def typing():
    """A screen recording: a letter appears every now and then on a page."""
    image = scenes.lettering(samples.SIZE, dark=False)
    rng = np.random.default_rng(2)
    for _ in range(200):
        if rng.uniform() < 0.3:
            image = image.copy()
            x, y = rng.integers(10, 300), rng.integers(20, 160)
            image[y : y + 7, x : x + 5] = 20
        yield image


TRAPS = {
    "slides": slideshow,
    "stop and go": stop_and_go,
    "a screen recording": typing,
    "cuts": lambda: itertools.chain.from_iterable(clip(content)[:20] for content in ("pan", "action", "studio") * 3),
    "a paused slide": lambda: [*clip("studio")[:60], *clip("slide")[:80], *clip("action")[:60]],
    "a cartoon on twos": lambda: clip("cartoon"),
    "from film to animation": lambda: [*clip("action")[:75], *clip("cartoon")[:75], *clip("pan")[:75]],
    "grain": lambda: scenes.studio(6.0, samples.SIZE, noise=5.0),
    "night": lambda: clip("night"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("stutter", TRAPS[trap]()) == []


def test_is_not_fooled_by_a_variable_frame_rate() -> None:
    rng = np.random.default_rng(8)
    lost = set(np.flatnonzero(rng.uniform(size=300) < 0.55).tolist())
    assert samples.events(on_time(clip("action", 12.0), lost), only=["stutter"]) == []


def test_says_nothing_when_only_some_pictures_are_looked_at() -> None:
    pictures = list(samples.pictures(motion.stutter(clip("action"), 1.0, 6.0)))[::2]
    assert samples.events(pictures, only=["stutter"]) == []


def test_pictures_that_do_not_move_at_all_lose_nothing() -> None:
    still = Hold(start=0.0, end=0.04, length=1.0, arrival=0.0, step=0.0, double=0.0, gap=False, even=True)
    assert losses_of([still] * 12, [6]) == []
