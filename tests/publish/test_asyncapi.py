"""packaging/asyncapi.yaml describes what is really published (that it is up to date is tested with the other pages)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.publish.events import event
from vqa_agent.event import decode
from vqa_agent.publish import Topics
from vqa_agent.publish.messages import (
    AgentStatus,
    DetectorFigures,
    Message,
    Metrics,
    OpenDefect,
    Replay,
    ReplayRequest,
    StreamState,
)

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "packaging" / "asyncapi.yaml").read_text())
NOW = datetime(2026, 1, 2, tzinfo=UTC)
MESSAGES: dict[str, Message] = {
    "AgentStatus": AgentStatus(state="online", agent="a", site="s", boot="abcdef", version="1", since=NOW, seq=7),
    "StreamState": StreamState(
        stream="cam-1",
        signal="ok",
        open=[OpenDefect(id="01J", defect="black", severity="major", start=NOW)],
        level="full",
        degraded="",
        latency=0.2,
        looks={"black": 25.0},
        cost={"black": 40.0},
        blind=["stutter"],
        coverage={"black": 1.0, "silence": None},
        format={"width": 1920},
        time=NOW,
    ),
    "Metrics": Metrics(
        time=NOW,
        cpu=0.4,
        budget=1.0,
        memory=10**8,
        outbox=0,
        oldest=0.0,
        streams={"cam-1": {"x": 1}},
        detectors={"cam-1": {"black": DetectorFigures(coverage=0.5, looks=12.5, cost=30.0, blind=False)}},
    ),
    "ReplayRequest": ReplayRequest(from_seq=3, to_seq=9, boot="abcdef"),
    "Replay": Replay(
        boot=None, from_seq=1, to_seq=4, events=[event().numbered(2, "abcdef")], gone=[(1, 1), (3, 4)], last=True
    ),
}


def test_there_is_an_example_of_every_kind_of_message() -> None:
    assert set(MESSAGES) | {"Event"} == set(DOCUMENT["components"]["schemas"])


def schema_of(name: str) -> dict:
    return DOCUMENT["components"]["schemas"][name]


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_states_are_valid_in_both_forms(name: str, encoding: str) -> None:
    jsonschema.validate(decode(MESSAGES[name].encode(encoding)), schema_of(name))


def test_events_are_valid_in_both_forms() -> None:
    sent = event().numbered(1, "abcdef")
    for payload in (sent.json_bytes(), sent.cbor_bytes()):
        jsonschema.validate(decode(payload), schema_of("Event"))


def test_what_does_not_belong_is_refused() -> None:
    for name in ("Event", *MESSAGES):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"v": 1, "surprise": True}, schema_of(name))


def test_every_topic_has_its_channel() -> None:
    topics = Topics("venue", "box-1")
    published = [topics.status, topics.metrics, topics.stream("cam-1"), topics.event("cam-1", "black")]
    published += [topics.replay_request, topics.replay]
    patterns = [re.sub(r"\{\w+\}", "[A-Za-z0-9_-]+", channel["address"]) for channel in DOCUMENT["channels"].values()]
    for topic in published:
        assert sum(bool(re.fullmatch(pattern, topic)) for pattern in patterns) == 1


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r"#/[\w/]+", yaml.safe_dump(DOCUMENT)):
        place = DOCUMENT
        for part in reference[2:].split("/"):
            place = place[part]


def test_the_agent_listens_where_it_is_said_to() -> None:
    actions = {name: operation["action"] for name, operation in DOCUMENT["operations"].items()}
    assert [name for name, action in actions.items() if action == "receive"] == ["receive_replay_request"]
