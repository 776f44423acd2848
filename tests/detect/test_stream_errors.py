from __future__ import annotations

import pytest

from tests.detect import samples
from vqa_agent.detect import Profile, Severity
from vqa_agent.detect.stream_errors import CONSEQUENCES, ERRORS
from vqa_agent.media import Fact, FactKind


def errors(kind: FactKind, times: list[float], count: int = 1):
    for time in times:
        yield Fact(kind, time, count=count, detail={"track": "video", "pid": 256})


def defective():
    return samples.merge(samples.signal(30.0), errors(FactKind.CONTINUITY, [10.0, 11.0, 12.0, 13.0]))


def found(*streams, profile: Profile = Profile.LIVE, **settings) -> list:
    return samples.events(samples.merge(samples.signal(40.0), *streams), profile, only=["stream_errors"], **settings)


@pytest.mark.parametrize("kind", ERRORS)
def test_three_errors_in_ten_seconds_alarm_live(kind: FactKind) -> None:
    (event,) = found(errors(kind, [10.0, 14.0, 18.0]))
    assert (event.start, event.detail["indicator"], event.detail["source"]) == (10.0, ERRORS[kind], "stream")


def test_errors_that_are_far_apart_do_not_alarm_live_but_each_is_in_a_file() -> None:
    assert found(errors(FactKind.CONTINUITY, [5.0, 16.0, 27.0])) == []
    assert len(found(errors(FactKind.CONTINUITY, [5.0, 16.0, 27.0]), profile=Profile.FILE)) == 3


def test_one_fact_of_many_losses_counts_as_many() -> None:
    assert len(found(errors(FactKind.CONTINUITY, [10.0], count=5))) == 1


def test_joining_a_live_stream_is_not_an_error() -> None:
    assert found(errors(FactKind.CORRUPT_PICTURE, [0.1, 0.2, 0.3, 0.4])) == []
    again = [Fact(FactKind.RECONNECT, 20.0), *errors(FactKind.DECODE_ERROR, [20.1, 20.2, 20.3])]
    assert found(again) == []


def test_what_this_machine_lost_is_named_so_and_minor() -> None:
    drop = [Fact(FactKind.RECEIVER_DROP, 10.0, count=40, detail={"where": "socket"})]
    (event,) = found(drop, errors(FactKind.CONTINUITY, [10.2, 10.4]))
    assert (event.severity, event.detail["source"]) == (Severity.MINOR, "receiver")
    (later,) = found(errors(FactKind.CONTINUITY, [20.0, 20.1, 20.2]))
    assert (later.severity, later.detail["source"]) == (Severity.MAJOR, "stream")


def test_the_event_closes_ten_quiet_seconds_after_the_last_error() -> None:
    (event,) = found(errors(FactKind.CONTINUITY, [10.0, 11.0, 12.0, 19.0]))
    assert (event.start, event.end) == (10.0, 19.0)


def late(indicator: str, interval: float, limit: float, usual: float | None, time: float = 12.0) -> Fact:
    detail = {"indicator": indicator, "pid": 0, "interval": interval, "limit": limit, "usual": usual}
    return Fact(FactKind.TRANSPORT, time, detail=detail)


@pytest.mark.parametrize(
    ("fact", "opens"),
    [
        (late("pat", 1.5, 0.5, 0.1), False),
        (late("pat", 2.0, 0.5, 0.1), True),
        (late("pat", 6.0, 0.5, 6.0), False),
        (late("pat", 6.0, 0.5, None), False),
        (late("pcr_interval", 0.4, 0.1, 0.2), False),
        (late("pcr_interval", 0.4, 0.1, 0.04), True),
        (late("pts_interval", 3.0, 0.7, 1.0), False),
        (late("pid", 5.0, 5.0, None), True),
    ],
)
def test_an_interval_counts_when_it_is_far_beyond_its_limit_and_the_streams_own(fact: Fact, opens: bool) -> None:
    assert bool(found([fact], profile=Profile.FILE)) == opens


def test_with_lateness_one_every_interval_beyond_the_limit_counts() -> None:
    facts = [late("pat", 0.5, 0.5, 0.1, time) for time in (10.0, 12.0, 14.0)]
    assert found(facts) == []
    assert len(found(facts, stream_errors={"lateness": 1.0})) == 1


def test_the_event_tells_the_cause_not_what_the_decoder_made_of_it() -> None:
    lost = [Fact(FactKind.CONTINUITY, time, detail={"indicator": "continuity", "pid": 256}) for time in (10.0, 11.0)]
    (event,) = found(lost, errors(FactKind.CORRUPT_PICTURE, [10.1, 10.2, 11.3, 11.4]))
    assert (event.detail["indicator"], event.detail["pid"], event.detail["total"]) == ("continuity", 256, 2)


@pytest.mark.parametrize("kind", CONSEQUENCES)
def test_damage_at_the_very_end_of_a_file_is_its_cut(kind: FactKind) -> None:
    assert found(errors(kind, [39.8]), profile=Profile.FILE) == []
    (event,) = found(errors(kind, [30.0, 39.8]), profile=Profile.FILE)
    assert event.end == 30.0
