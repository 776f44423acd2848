from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa_agent.capture.clock import WRAP, MediaClock

STEP = 0.04


def run(stamps, clock: MediaClock | None = None, track: str = "video"):
    clock = clock or MediaClock()
    return [clock.stamp(track, stamp, STEP) for stamp in stamps]


def test_starts_near_zero_whatever_the_source_says() -> None:
    assert [stamp.time for stamp in run([95000.0, 95000.04])] == [0.0, pytest.approx(0.04)]


def test_runs_over_the_33_bit_wrap_without_a_jump() -> None:
    stamps = run([WRAP - 0.08, WRAP - 0.04, 0.0, 0.04])
    assert [stamp.jump for stamp in stamps] == [0.0] * 4
    assert [stamp.time for stamp in stamps] == pytest.approx([0.0, 0.04, 0.08, 0.12], abs=1e-6)


@pytest.mark.parametrize("jump", [30.0, -30.0, 5000.0])
def test_reports_a_jump_and_goes_on_without_a_hole(jump: float) -> None:
    stamps = run([100.0, 100.04, 100.08 + jump, 100.12 + jump])
    assert [stamp.jump for stamp in stamps] == [0.0, 0.0, pytest.approx(jump), 0.0]
    assert [stamp.time for stamp in stamps] == pytest.approx([0.0, 0.04, 0.08, 0.12])


def test_sound_and_picture_keep_their_relation_over_a_jump() -> None:
    clock = MediaClock()
    for number in range(10):
        clock.stamp("video", number * STEP, STEP)
        clock.stamp("audio", number * STEP + 0.01, STEP)
    video = clock.stamp("video", 500.4, STEP)
    late = clock.stamp("audio", 0.41, STEP)
    audio = clock.stamp("audio", 500.45, STEP)
    assert (late.jump, audio.jump) == (0.0, 0.0)
    assert audio.time - video.time == pytest.approx(0.05)


def test_a_track_that_paused_comes_back_beside_the_others() -> None:
    clock = MediaClock()
    for number in range(500):
        clock.stamp("video", 100 + number * STEP, STEP)
        if not 100 <= number < 400:
            audio = clock.stamp("audio", 100 + number * STEP, STEP)
            assert (audio.time, audio.jump) == (pytest.approx(number * STEP), 0.0)


def test_a_track_that_paused_over_a_jump_comes_back_near_the_others() -> None:
    clock = MediaClock()
    clock.stamp("audio", 100.0, STEP)
    for number in range(500):
        clock.stamp("video", (100 if number < 250 else 900) + number * STEP, STEP)
    assert clock.stamp("audio", 7000.0, STEP).time == pytest.approx(clock.now, abs=1.1)


@pytest.mark.parametrize("length", [0.5, 1.0, 6.0])
def test_segments_that_begin_anew_are_joined_without_a_hole(length: float) -> None:
    clock, count = MediaClock(), round(length / STEP)
    times: list[float] = []
    for _ in range(4):
        for number in range(count):
            clock.stamp("audio", number * STEP, STEP)
            # A decoder that reorders gives the last picture of a segment after the next segment's sound has begun.
            if number or times:
                times.append(clock.stamp("video", (number - 1) % count * STEP + 0.02, STEP).time)
    assert max(abs(b - a - STEP) for a, b in itertools.pairwise(times)) < 0.05


def test_sound_that_comes_back_just_before_a_jump_of_the_pictures_finds_them_again() -> None:
    clock = MediaClock()
    clock.stamp("audio", 0.0, STEP)
    for number in range(250):
        clock.stamp("video", number * STEP, STEP)
    clock.stamp("audio", 9.1, STEP)
    for number in range(250):
        video = clock.stamp("video", 9.08 + number * STEP, STEP)
        audio = clock.stamp("audio", 9.14 + number * STEP, STEP)
    assert audio.time - video.time == pytest.approx(0.06)


def test_a_missing_time_stamp_follows_the_one_before() -> None:
    assert [stamp.time for stamp in run([7.0, None, None, 7.12])] == pytest.approx([0.0, 0.04, 0.08, 0.12])


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_nonsense_counts_as_missing(nonsense: float) -> None:
    assert run([1.0, nonsense])[1].time == pytest.approx(0.04)


def test_a_pause_in_a_file_is_real_and_in_a_live_stream_a_jump() -> None:
    assert run([0.0, 5.0], MediaClock(gaps_are_real=True))[1] == (run([0.0, 5.0], MediaClock(gaps_are_real=True))[1])
    assert run([0.0, 5.0], MediaClock(gaps_are_real=True))[1].time == 5.0
    assert run([0.0, 5.0])[1].jump == pytest.approx(5.0 - STEP)


def test_a_new_beginning_goes_on_where_the_clock_stands() -> None:
    clock = MediaClock()
    run([10.0, 10.04], clock)
    clock.restart()
    assert clock.stamp("video", 10.0, STEP).time == pytest.approx(0.08)
    clock.restart(at=60.0)
    assert clock.stamp("video", 10.0, STEP).time == pytest.approx(60.0)


def test_a_picture_before_the_first_sound_is_not_before_zero() -> None:
    clock = MediaClock()
    clock.stamp("audio", 1.0, STEP)
    assert clock.stamp("video", 0.9, STEP).time >= 0.0


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=50))
def test_whatever_comes_the_clock_stays_finite_and_never_stands_below_zero(stamps: list[float | None]) -> None:
    clock = MediaClock()
    for stamp in run(stamps, clock):
        assert math.isfinite(stamp.time)
        assert stamp.time >= 0.0
    assert math.isfinite(clock.now)
