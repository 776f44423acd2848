"""What the agent says of itself, as messages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service.test_parts import draft
from vqa_agent.config import Config, StreamSection, validate
from vqa_agent.detect.coverage import Coverage
from vqa_agent.event import EventDraft
from vqa_agent.publish import Outbox, StateMessage
from vqa_agent.service.herald import Herald, stream_state
from vqa_agent.service.messages import Beat, Signal
from vqa_agent.service.meter import Use
from vqa_agent.service.report import delivery_status, stream_status
from vqa_agent.service.stream import State, WatchedStream

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BEAT = Beat(
    media_time=12.0, stalled=0.1, latency=0.2, level=1, signal=Signal.OK, reason="", cpu_seconds=1.0, rss=80_000_000,
    pictures=300, sound_blocks=120, format={"width": 1920, "height": 1080, "captions": ""},
    coverage={
        "black": Coverage(1.0, 25.0, 90.0), "freeze": Coverage(0.50004, 12.5, 60.0), "silence": Coverage(None),
        "stutter": Coverage(0.0, blind="it has not looked for 45 s"),
    },
    late_pictures=3,
)  # fmt: skip


def stream(beat: Beat | None = BEAT, state: State = State.RUNNING) -> WatchedStream:
    watched = WatchedStream(StreamSection(name="main", url="udp://@:5000"))
    watched.beat, watched.state = beat, state
    return watched


@pytest.fixture
def config() -> Config:
    return validate({"agent": {"id": "box", "site": "lab"}})


@pytest.fixture
def said(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Herald, list[StateMessage]]:
    herald, messages = Herald(config, Outbox(tmp_path / "outbox.db")), []
    monkeypatch.setattr(herald.publisher, "publish_state", messages.append)
    return herald, messages


def tell(
    herald: Herald, watched: WatchedStream, open_now: list[EventDraft], later: float = 0, again: bool = False
) -> None:
    herald.tell_stream(watched, open_now, NOW + timedelta(seconds=later), again)


def test_a_streams_state_is_said_once_and_again_when_it_changes(said: tuple[Herald, list[StateMessage]]) -> None:
    herald, messages = said
    tell(herald, stream(), [])
    tell(herald, stream(), [], later=1)
    assert len(messages) == 1
    tell(herald, stream(), [draft()], later=2)
    tell(herald, stream(state=State.RESTARTING, beat=None), [], later=3)
    tell(herald, stream(state=State.RESTARTING, beat=None), [], later=4, again=True)
    states = [json.loads(message.payload) for message in messages]
    assert [state["signal"] for state in states] == ["ok", "ok", "failed", "failed"]
    assert states[1]["open"][0]["defect"] == "black"
    assert all(message.retain and message.topic == "vqa/v1/lab/box/stream/main" for message in messages)
    assert states[0]["format"] == {"width": 1920, "height": 1080}
    assert states[0]["coverage"] == {"black": 1.0, "freeze": 0.5, "silence": None, "stutter": 0.0}
    assert states[0]["blind"] == ["stutter"]
    assert (states[0]["latency"], states[0]["degraded"]) == (0.2, "")


def test_a_stream_that_is_gone_is_taken_from_the_broker(said: tuple[Herald, list[StateMessage]]) -> None:
    herald, messages = said
    herald.forget_stream("main")
    assert messages == [StateMessage("vqa/v1/lab/box/stream/main", b"")]


def test_metrics_hold_the_least_coverage_of_each_stream(said: tuple[Herald, list[StateMessage]]) -> None:
    herald, messages = said
    herald.tell_metrics(Use(0.5, {"main": 0.4}, 123), [stream()], NOW)
    metrics = json.loads(messages[0].payload)
    assert metrics["streams"]["main"] == {
        "cpu": 0.4, "restarts": 0, "memory": 80_000_000, "latency": 0.2, "level": 1, "pictures": 300, "coverage": 0.0,
        "late_pictures": 3, "blind": 1,
    }  # fmt: skip
    assert metrics["detectors"]["main"]["freeze"] == {"coverage": 0.5, "looks": 12.5, "cost": 60.0, "blind": False}
    assert metrics["detectors"]["main"]["stutter"]["blind"] is True
    assert (metrics["cpu"], metrics["memory"], messages[0].retain) == (0.5, 123, False)


@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        pytest.param(stream(), {"state": "running", "signal": "ok", "rss": 80_000_000}, id="running"),
        pytest.param(stream(None, State.ENDED), {"state": "ended", "signal": "ended"}, id="a file that is over"),
        pytest.param(stream(None, State.STARTING), {"state": "starting", "signal": "starting"}, id="starting"),
    ],
)
def test_the_status_of_a_stream(watched: WatchedStream, expected: dict[str, Any]) -> None:
    status = stream_status(watched, [draft()], 0.25).model_dump(mode="json")
    assert {key: status[key] for key in expected} == expected
    assert status["cpu"] == 0.25
    assert status["open"][0]["id"] == draft().id


@pytest.mark.parametrize(
    ("late", "exhausted", "expected"),
    [
        pytest.param(0, False, "", id="kept"),
        pytest.param(40, False, "40 pictures came too late", id="too slow"),
        pytest.param(0, True, "the last rung", id="over budget"),
    ],
)
def test_a_stream_that_cannot_be_kept_says_so(late: int, exhausted: bool, expected: str) -> None:
    watched = stream(replace(BEAT, late=late))
    status = stream_status(watched, [], 0.25, exhausted)
    assert expected in status.degraded
    assert bool(status.degraded) == bool(expected)
    assert stream_state(watched, [], NOW, exhausted).degraded == status.degraded
    assert status.blind == {"stutter": "it has not looked for 45 s"}


def test_the_status_of_the_delivery_counts_what_waits(
    config: Config, said: tuple[Herald, list[StateMessage]], tmp_path: Path
) -> None:
    outbox = Outbox(tmp_path / "other.db")
    outbox.commit([draft(start=datetime.now(UTC))])
    status = delivery_status(config, outbox, said[0].publisher.health)
    assert (status.pending, status.seq, status.configured, status.connected) == (1, 1, False, False)
    assert "mqtt.url is not set" in status.reason
