from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa_agent.detect import Finding, Profile, Severity
from vqa_agent.event import State
from vqa_agent.judge import Decision, Judge
from vqa_agent.pipeline import build_detectors

STEP = 0.1


def judge(profile: Profile = Profile.LIVE) -> Judge:
    return Judge(build_detectors(profile), profile)


def finding(detector: str, time: float, bad: bool = True, **options) -> Finding:
    return Finding(detector, time, time + STEP, 1.0 if bad else 0.0, bad, **options)


def play(judge: Judge, until: float, *parts: tuple[str, float, float, dict], sound: str = "none") -> list[Decision]:
    """Findings every 100 ms; each part is a defect that is bad from one second to another."""
    decisions: list[Decision] = []
    for step in range(round(until / STEP)):
        time = step * STEP
        findings = [finding(name, time, start <= time < end - 1e-9, **options) for name, start, end, options in parts]
        if sound != "none":
            findings.append(finding("silence", time, bad=sound == "silent"))
        decisions += judge.weigh(findings)
    return decisions


def told(decisions: list[Decision], defect: str) -> list[str]:
    return [decision.state.value for decision in decisions if decision.defect == defect]


def test_opens_after_the_set_time_and_closes_after_the_clear_time() -> None:
    opened, closed = play(judge(), 12.0, ("solid_color", 1.0, 8.0, {}))
    assert (opened.state, opened.start, opened.end) == (State.OPEN, pytest.approx(1.0), None)
    assert opened.duration == pytest.approx(5.0, abs=STEP)
    assert (closed.state, closed.id) == (State.CLOSED, opened.id)
    assert closed.end == pytest.approx(8.0)


def test_a_defect_that_returns_before_the_clear_time_goes_on() -> None:
    court = judge()
    findings = [finding("solid_color", t * STEP, not 70 <= t < 76) for t in range(100)]
    assert [d.state for f in findings for d in court.weigh([f])] == [State.OPEN]


def test_what_is_open_at_the_end_is_closed_there() -> None:
    court = judge()
    play(court, 8.0, ("solid_color", 1.0, 9.0, {}))
    (closed,) = court.finish()
    assert (closed.state, closed.end) == (State.CLOSED, pytest.approx(8.0))
    assert court.finish() == []


def test_black_explains_a_freeze_and_a_solid_colour() -> None:
    everything = [(name, 1.0, 9.0, {}) for name in ("black", "solid_color")]
    frozen = ("freeze", 1.0, 9.0, {"certain": True})
    decisions = play(judge(), 12.0, *everything, frozen)
    assert {decision.defect for decision in decisions} == {"black"}


def test_a_freeze_that_was_open_ends_where_black_begins() -> None:
    decisions = play(judge(), 14.0, ("freeze", 1.0, 12.0, {"certain": True}), ("black", 6.0, 13.0, {}))
    assert told(decisions, "freeze") == ["open", "update", "closed"] or told(decisions, "freeze") == ["open", "closed"]
    closed = [decision for decision in decisions if decision.defect == "freeze"][-1]
    assert closed.end == pytest.approx(6.0, abs=2 * STEP)


@pytest.mark.parametrize(("sound", "waits"), [("alive", 10.0), ("none", 5.0), ("silent", 5.0)])
def test_black_under_live_sound_waits_twice_as_long(sound: str, waits: float) -> None:
    decisions = play(judge(), 20.0, ("black", 1.0, 19.0, {}), sound=sound)
    opened = next(decision for decision in decisions if decision.defect == "black")
    assert opened.duration == pytest.approx(waits, abs=2 * STEP)


@pytest.mark.parametrize(
    ("began", "sound", "severity"),
    [
        ("cut", "alive", Severity.MINOR),
        ("start", "alive", Severity.MINOR),
        ("motion", "alive", Severity.MAJOR),
        ("motion", "silent", Severity.CRITICAL),
        ("cut", "silent", Severity.CRITICAL),
        ("cut", "none", Severity.MAJOR),
    ],
)
def test_a_still_is_judged_with_its_sound_and_its_beginning(began: str, sound: str, severity: Severity) -> None:
    decisions = play(judge(), 20.0, ("freeze", 1.0, 19.0, {"detail": {"began": began}}), sound=sound)
    opened = next(decision for decision in decisions if decision.defect == "freeze")
    assert opened.severity is severity


def test_a_severity_that_rises_is_an_update_of_the_same_event() -> None:
    court = judge()
    slide = {"detail": {"began": "cut"}}
    decisions = play(court, 17.0, ("freeze", 0.0, 99.0, slide), sound="alive")
    for step in range(170, 250):
        both = [finding("freeze", step * STEP, **slide), finding("silence", step * STEP)]
        decisions += court.weigh(both)
    freeze = [decision for decision in decisions if decision.defect == "freeze"]
    assert [(d.state, d.severity) for d in freeze] == [(State.OPEN, Severity.MINOR), (State.UPDATE, Severity.CRITICAL)]
    assert freeze[0].id == freeze[1].id


def test_a_short_pause_does_not_excuse_a_missing_channel() -> None:
    court = judge()
    decisions: list[Decision] = []
    for step in range(150):
        pause = 40 <= step < 50
        both = [finding("channel_missing", step * STEP), finding("silence", step * STEP, bad=pause)]
        decisions += court.weigh(both)
    assert [decision.defect for decision in decisions] == ["channel_missing"]


def test_an_interruption_forgets_what_was_pending() -> None:
    court = judge()
    play(court, 4.0, ("solid_color", 0.0, 9.0, {}))
    court.interrupt()
    assert [d for step in range(40, 80) for d in court.weigh([finding("solid_color", step * STEP)])] == []


def test_the_file_profile_lists_what_live_lets_pass() -> None:
    part = ("solid_color", 1.0, 4.0, {})
    assert play(judge(Profile.LIVE), 8.0, part) == []
    assert told(play(judge(Profile.FILE), 8.0, part), "solid_color") == ["open", "closed"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["black", "freeze", "silence", "solid_color", "stream_errors", "signal_loss"]), st.booleans()
    ),
    max_size=400,
)


@given(steps, st.sampled_from(list(Profile)))
@settings(max_examples=60, deadline=None)
def test_every_event_is_opened_and_closed_once_and_none_overlaps_its_like(steps: list, profile: Profile) -> None:
    court = judge(profile)
    decisions: list[Decision] = []
    for number, (detector, bad) in enumerate(steps):
        decisions += court.weigh([finding(detector, number * 0.5, bad)])
    decisions += court.finish()
    states, ends = defaultdict(list), defaultdict(float)
    for decision in decisions:
        states[decision.id].append(decision.state)
        if decision.state is State.CLOSED:
            assert decision.end is not None
            assert decision.end >= decision.start >= ends[decision.defect] - 1e-9
            ends[decision.defect] = decision.end
    for told_states in states.values():
        assert told_states[0] is State.OPEN
        assert told_states[-1] is State.CLOSED
        assert set(told_states[1:-1]) <= {State.UPDATE}


def test_one_look_at_several_defects_is_weighed_defect_by_defect() -> None:
    looked = judge(Profile.FILE)
    decisions: list[Decision] = []
    for second in range(8):
        parts = tuple(
            Finding("audio_artifacts", second, second + 1, 0.9, bad, defect=defect)
            for defect, bad in (("audio_hum", True), ("audio_clicks", True), ("audio_hiss", False))
        )
        whole = Finding("audio_artifacts", second, second + 1, 0.9, True, defect="audio_hum", parts=parts)
        decisions += looked.weigh([whole])
    assert told(decisions, "audio_hum") == told(decisions, "audio_clicks") == ["open"]
    assert told(decisions, "audio_hiss") == []
