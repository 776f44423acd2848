"""What detectors looked at lately, and when one counts as blind."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import numpy as np
import pytest

from vqa_agent.detect import Detector, Finding, Profile, Rule, Settings
from vqa_agent.detect.coverage import BLIND, WINDOW, CoverageMeter
from vqa_agent.detect.runner import Suite
from vqa_agent.errors import ModelError
from vqa_agent.media import Picture


class Eye(Detector[Settings]):
    """Looks at everything that it is shown."""

    name, reads, cost, defects = "eye", "video", "cheap", ("eye",)
    settings_type = Settings
    rules = dict.fromkeys(Profile, Rule(1.0, 1.0))

    def look(self, picture: Picture) -> Iterable[Finding]:
        return ()


class Ear(Eye):
    name, reads = "ear", "audio"


class Dense(Eye):
    name, least_rate = "dense", inf


class Broken(Eye):
    name = "broken"

    def look(self, picture: Picture) -> Iterable[Finding]:
        raise ModelError("its model is damaged")


class Watched:
    """A suite that is shown a picture a second, each a second long, and measured each time."""

    def __init__(self) -> None:
        self.suite = Suite([kind(Settings()) for kind in (Eye, Ear, Dense, Broken)])
        self.meter = CoverageMeter(self.suite)
        self.now = 0.0

    def run(self, seconds: int, rate: float = inf, look: bool = True) -> None:
        for _ in range(seconds):
            picture = Picture(time=self.now, duration=1.0, luma=np.zeros((8, 8), np.uint8))
            self.suite.offer(picture)
            if look:
                self.suite.look(picture, rate=rate)
            self.found = self.meter.measure()
            self.now += 1.0


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_is_looked_at_is_covered_and_what_carries_nothing_is_not_counted(watched: Watched) -> None:
    watched.run(10)
    assert (watched.found["eye"].share, watched.found["eye"].looks, watched.found["eye"].blind) == (1.0, 1.0, "")
    assert (watched.found["ear"].share, watched.found["ear"].blind) == (None, "")


def test_coverage_is_that_of_the_last_minute(watched: Watched) -> None:
    watched.run(300)
    watched.run(WINDOW, look=False)
    assert watched.found["eye"].share == 0.0
    watched.run(WINDOW // 2)
    assert watched.found["eye"].share == pytest.approx(0.5)


def test_a_detector_that_has_not_looked_for_long_is_blind_until_it_looks_again(watched: Watched) -> None:
    watched.run(int(BLIND) - 1, look=False)
    assert watched.found["eye"].blind == ""
    watched.run(1, look=False)
    assert watched.found["eye"].blind == "it has not looked for 30 s"
    watched.run(1)
    assert watched.found["eye"].blind == ""


def test_a_detector_that_needs_every_picture_is_blind_where_some_are_left_out(watched: Watched) -> None:
    watched.run(40, rate=12.5)
    assert watched.found["eye"].blind == ""
    assert "has not looked" in watched.found["dense"].blind
    watched.run(1)
    assert watched.found["dense"].blind == ""


def test_a_detector_whose_model_cannot_be_loaded_is_blind_at_once(watched: Watched) -> None:
    watched.run(1)
    assert watched.found["broken"].blind == "put aside: its model is damaged"


def test_the_cost_is_that_of_this_thread_and_told_per_media_hour(watched: Watched) -> None:
    watched.run(30)
    cost = watched.found["eye"].cost
    assert 0.0 <= cost < 3600 * 0.01
