"""Nothing is lost, doubled, changed or put out of order between the agent's decision and the collector's store."""

from __future__ import annotations

import pytest

from benchmarks.conservation import _disorder, run
from benchmarks.faults import PROGRAM
from tests.publish.events import event
from vqa_agent.event import State

pytestmark = pytest.mark.mosquitto


@pytest.mark.timeout(180)
@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed (apt-get install mosquitto)")
def test_every_event_is_in_the_collector_once_after_two_dozen_faults() -> None:
    outcome = run(faults=24, seed=20261124)
    assert outcome.complaints == []
    assert len(outcome.faults) == 8
    assert outcome.stored >= outcome.told > 100


def test_the_judge_sees_disorder() -> None:
    opened = event(1, State.OPEN)
    closed = opened.model_copy(update={"state": State.CLOSED})
    story = [draft.numbered(seq, "aaaaaa").payload() for seq, draft in enumerate([opened, closed], 1)]
    assert _disorder(story) == []
    assert _disorder(story[::-1])
    assert _disorder([*story, story[1]])
