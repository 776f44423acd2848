"""What is published beside events: the agent's status, the state of each stream, metrics."""

from __future__ import annotations

import json
from typing import Any, Literal, Self

import cbor2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vqa_agent.detect.interface import Severity
from vqa_agent.event import LAST_SEQ, Event, Moment


class Message(BaseModel):
    """A message of version 1. `encode` gives the form that the configuration asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = Field(1, description="Version of this form.")

    def encode(self, encoding: str) -> bytes:
        fields = self.model_dump(mode="json")
        return cbor2.dumps(fields) if encoding == "cbor" else json.dumps(fields, separators=(",", ":")).encode()


class AgentStatus(Message):
    """Retained on `status`: published at birth; the Last Will has the same form with state offline."""

    state: Literal["online", "offline"] = Field(description="Whether the agent is at work.")
    agent: str = Field(description="Id of the agent.")
    site: str = Field(description="Site of the agent.")
    boot: str = Field(description="The same as in the events of this run.")
    version: str = Field(description="Version of the agent.")
    since: Moment = Field(description="When this run began.")
    seq: int = Field(description="Number of the last event before this message; the next is seq + 1.", ge=0)
    clock: Literal["synchronised", "unsynchronised", "unknown"] = Field(
        "unknown", description="Whether a time source had set the machine's clock when this run began."
    )


class OpenDefect(BaseModel):
    """One defect that is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="Id of its event.")
    defect: str = Field(description="Name of the defect.")
    severity: Severity = Field(description="minor, major or critical.")
    start: Moment = Field(description="When it began.")


class StreamState(Message):
    """Retained on `stream/<stream>`: what is true of a stream now."""

    stream: str = Field(description="Name of the stream.")
    signal: Literal["ok", "lost", "no_video", "no_audio", "starting", "ended", "failed"] = Field(
        description="Whether pictures or sound arrive."
    )
    open: list[OpenDefect] = Field(description="Defects that are open.")
    level: str = Field(description="Rung of the sampling ladder.")
    degraded: str = Field(description="Why the stream cannot be kept within the budget; empty where it can.")
    latency: float = Field(description="Longest time in seconds from arrival to decision within the last second.")
    coverage: dict[str, float | None] = Field(
        description="Share of the last minute's media seconds that each detector looked at; null: there were none."
    )
    looks: dict[str, float] = Field(description="Looks of each detector per media second.")
    cost: dict[str, float] = Field(description="CPU seconds of each detector per media hour.")
    blind: list[str] = Field(
        description="Detectors that do not look: nothing they report, or do not, can be relied on."
    )
    format: dict[str, str | int | float] = Field(description="What the stream carries, as far as it is known.")
    time: Moment = Field(description="When this was measured.")


class DetectorFigures(BaseModel):
    """What one detector looked at within the last minute, and what that cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: float | None = Field(description="Share of the media seconds; null: there was nothing to look at.")
    looks: float = Field(description="Looks per media second.")
    cost: float = Field(description="CPU seconds per media hour.")
    blind: bool = Field(description="Whether it does not look.")


class Metrics(Message):
    """On `metrics` every 30 s: what the agent costs, and how its delivery stands."""

    time: Moment = Field(description="When this was measured.")
    cpu: float = Field(description="Cores in use by all processes of the agent (1.0 is one core).")
    budget: float = Field(description="Cores that the agent may use.")
    memory: int = Field(description="Resident bytes of all processes of the agent.")
    outbox: int = Field(description="Events that wait to be acknowledged.")
    oldest: float = Field(description="Seconds since the oldest of them was decided.")
    seq: int = Field(0, description="Number of the last event.", ge=0)
    settled: int = Field(
        0,
        description="Every event up to this number was acknowledged or given up: one that is missing is lost.",
        ge=0,
        le=LAST_SEQ,
    )
    refused: int = Field(0, description="Times that the broker refused an event, in this run.", ge=0)
    unheard: int = Field(
        0, description="Events in a row, up to the last, that the broker took but had no subscriber for.", ge=0
    )
    streams: dict[str, dict[str, float | int | str | None]] = Field(description="Figures of each stream.")
    detectors: dict[str, dict[str, DetectorFigures]] = Field(
        default_factory=dict, description="Figures of each detector, by stream."
    )


class ReplayRequest(Message):
    """To `request/replay`: send these events again. Ranges that the agent no longer has are answered as gone."""

    from_seq: int = Field(description="Number of the first event that is wanted.", ge=1, le=LAST_SEQ)
    to_seq: int = Field(description="Number of the last.", ge=1, le=LAST_SEQ)
    boot: str | None = Field(None, description="Only events of this run of the agent.", pattern="^[0-9a-f]{1,32}$")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.to_seq < self.from_seq:
            raise ValueError("to_seq is below from_seq")
        return self


class Replay(Message):
    """On `response/replay`: what the agent has of a range that was asked for. A long range takes several messages."""

    boot: str | None = Field(None, description="That of the request.")
    from_seq: int = Field(description="Number of the first event that this message answers for.", ge=1, le=LAST_SEQ)
    to_seq: int = Field(
        description="Number of the last; everything between is in `events` or in `gone`.", ge=1, le=LAST_SEQ
    )
    events: list[Event] = Field(description="Events that were decided before, as they were.")
    gone: list[tuple[int, int]] = Field(description="First and last number of events that the agent no longer has.")
    last: bool = Field(description="Whether this is the last message of the answer.")

    def encode(self, encoding: str) -> bytes:
        fields = self.model_dump(mode="json") | {"events": [event.payload() for event in self.events]}
        return cbor2.dumps(fields) if encoding == "cbor" else json.dumps(fields, separators=(",", ":")).encode()


KINDS = (AgentStatus, StreamState, Metrics, ReplayRequest, Replay)


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas of every message beside events, by name."""
    return {kind.__name__: kind.model_json_schema(mode="serialization") for kind in KINDS}
