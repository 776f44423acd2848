from __future__ import annotations

import statistics
from datetime import timedelta

import cbor2
import jsonschema
import pytest

from tests.publish.events import NOON, drafted, event
from vqa_agent.event import Event, State, decode, schema

DETAILS = [
    {"luma": 0.012},
    {"kind": "identical", "began": "motion", "change": 0.0},
    {"dbfs": -72.4, "zero": False},
    {"missing": "all", "reason": "no data arrives"},
    {"kind": "continuity", "origin": "stream", "count": 4, "track": "video", "pid": 256},
]


def test_rounds_to_what_the_measurement_is_worth() -> None:
    drafted_event = drafted(region=(0.12345, 0.0, 0.5, 0.98765))
    assert (drafted_event.score, drafted_event.pts) == (0.988, 123.48)
    assert drafted_event.detail == {"kind": "identical", "change": 0.1235}
    assert drafted_event.region == (0.123, 0.0, 0.5, 0.988)
    assert drafted_event.start == NOON + timedelta(seconds=123.4804)


@pytest.mark.parametrize("state", list(State))
def test_both_forms_carry_the_same_and_read_back_equal(state: State) -> None:
    sent = event(3, state, region=(0.1, 0.2, 0.3, 0.4)).numbered(7, "abcdef")
    assert decode(sent.json_bytes()) == decode(sent.cbor_bytes())
    assert Event.from_bytes(sent.json_bytes()) == sent == Event.from_bytes(sent.cbor_bytes())


@pytest.mark.parametrize("state", list(State))
def test_a_message_is_valid_against_the_schema(state: State) -> None:
    jsonschema.validate(decode(event(1, state).numbered(1, "abcdef").json_bytes()), schema())


def test_the_schema_refuses_what_is_not_an_event() -> None:
    for broken in ({}, {**decode(event().numbered(1, "a").json_bytes()), "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema())


def test_messages_are_small() -> None:
    sizes = [
        len(event(number, state, detail=detail).numbered(1042, "9f3a61").json_bytes())
        for number, detail in enumerate(DETAILS)
        for state in (State.OPEN, State.CLOSED)
    ]
    assert statistics.median(sizes) <= 300
    assert max(sizes) <= 400


def test_cbor_messages_are_smaller() -> None:
    sizes = [len(event(0, state).numbered(1042, "9f3a61").cbor_bytes()) for state in (State.OPEN, State.CLOSED)]
    assert statistics.median(sizes) <= 256


def test_what_is_neither_json_nor_cbor_is_refused() -> None:
    for payload in (b"", b"\xff\xff\xff", b"{not json"):
        with pytest.raises(ValueError):  # noqa: PT011  any of its kinds
            decode(payload)


def test_a_payload_leaves_out_an_absent_region() -> None:
    assert "region" not in event().numbered(1, "a").payload()
    assert cbor2.loads(event().numbered(1, "a").cbor_bytes())["end"].endswith("Z")
