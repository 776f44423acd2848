"""One stream's way through sampler, detectors and judge."""

from __future__ import annotations

import numpy as np
import pytest

from vqa_agent.detect import Profile
from vqa_agent.errors import UsageError
from vqa_agent.event import State
from vqa_agent.media import FULL, Fact, FactKind, Picture
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.sample import LADDER, Sampler

RATE = 25
NOT_KEY = next(number for number, level in enumerate(LADDER) if level.skip_frame == "NONKEY")
HALF = next(number for number, level in enumerate(LADDER) if level.picture_rate == RATE / 2)


def picture(time: float, value: int = 120) -> Picture:
    return Picture(time=time, duration=1 / RATE, luma=np.full((90, 160), value, np.uint8), levels=FULL)


def pipeline(level: int = 0, only: str = "black", profile: Profile = Profile.FILE) -> Pipeline:
    return Pipeline(build_detectors(profile, only=[only]), profile, Sampler(level))


def test_a_defect_goes_from_samples_to_open_and_closed() -> None:
    path = pipeline()
    states = []
    for number in range(RATE * 6):
        time = number / RATE
        states += [decision.state for decision in path.feed(picture(time, 0 if 1 <= time < 4 else 120)).decisions]
    assert states == [State.OPEN, State.CLOSED]


def test_the_end_closes_what_is_open() -> None:
    path = pipeline()
    for number in range(RATE * 3):
        path.feed(picture(number / RATE, 0))
    assert [decision.state for decision in path.finish().decisions] == [State.CLOSED]


@pytest.mark.parametrize(
    ("level", "step", "coverage"), [(0, 1, 1.0), (HALF, 1, 0.5), (NOT_KEY, RATE, 1 / RATE)], ids=["all", "half", "keys"]
)
def test_coverage_is_the_share_of_the_material_not_of_what_was_decoded(level: int, step: int, coverage: float) -> None:
    path = pipeline(level)
    for number in range(0, RATE * 20, step):
        path.feed(picture(number / RATE))
    assert path.suite.coverage("black") == pytest.approx(coverage, rel=0.1)


def test_a_reconnection_forgets_what_was_pending_and_its_hole_is_not_counted() -> None:
    path = pipeline(NOT_KEY)
    for number in range(int(RATE * 1.5)):
        assert not path.feed(picture(number / RATE, 0)).decisions
    path.feed(Fact(FactKind.RECONNECT, 60.0))
    for number in range(int(RATE * 1.5)):
        assert not path.feed(picture(60 + number / RATE, 0)).decisions
    assert path.suite.offered["video"] == pytest.approx(3.0, abs=0.1)


def test_only_takes_detectors_and_defects_and_refuses_other_names() -> None:
    assert [detector.name for detector in build_detectors(Profile.LIVE, only=["silence", "black"])] == [
        "black",
        "silence",
    ]
    with pytest.raises(UsageError, match="there is no detector nothing; known are"):
        build_detectors(Profile.LIVE, only=["nothing"])


def test_a_detector_that_is_switched_off_is_left_out_and_expectations_reach_those_that_ask() -> None:
    built = build_detectors(Profile.LIVE, {"black": {"enabled": False}}, expect={"audio": True})
    names = {detector.name: detector for detector in built}
    assert "black" not in names
    assert names["signal_loss"].settings.expect.audio is True
