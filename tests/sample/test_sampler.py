"""Which pictures are looked at on each rung."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from vqa_agent.media import Picture
from vqa_agent.sample import LADDER, Sampler

RATE = 25


def picture(time: float) -> Picture:
    return Picture(time=time, duration=1 / RATE, luma=np.zeros((8, 8), np.uint8))


def looks(sampler: Sampler, begin: float, seconds: float, neural: bool = False) -> list[float]:
    """The media seconds of what is looked at."""
    pictures = [picture(begin + number / RATE) for number in range(round(seconds * RATE))]
    return [each.time for each in pictures if (sampler.wants_neural(each) if neural else sampler.wants(each))]


@pytest.mark.parametrize("rung", range(len(LADDER)))
def test_rates_are_kept(rung: int) -> None:
    level = LADDER[rung]
    expected = min(RATE, level.picture_rate or RATE)
    assert len(looks(Sampler(rung), 0.0, 20.0)) == pytest.approx(20 * expected, rel=0.06)
    assert len(looks(Sampler(rung), 0.0, 20.0, neural=True)) == pytest.approx(
        20 * (level.neural_rate or RATE), rel=0.06
    )


def test_a_climb_takes_effect_at_once() -> None:
    sampler = Sampler(len(LADDER) - 1)
    looks(sampler, 0.0, 1.0, neural=True)
    sampler.index = 0
    assert looks(sampler, 1.0, 1.0, neural=True)[0] == pytest.approx(1.0, abs=0.05)


def test_every_rung_gives_up_something_and_takes_nothing_back() -> None:
    for above, below in pairwise(LADDER):
        assert below.share <= above.share
        assert (below.neural_rate or RATE) <= (above.neural_rate or RATE)
        assert (below.picture_rate or RATE) <= (above.picture_rate or RATE)
    assert {level.skip_frame for level in LADDER} == {"DEFAULT", "NONREF", "NONKEY"}
