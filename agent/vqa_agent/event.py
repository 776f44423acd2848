"""The event: one defect of one stream, from open to closed, and its forms on the wire.

`Event.json()` and `Event.cbor()` carry the same keys. `schema()` is the JSON Schema that subscribers may rely on.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import cbor2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from vqa_agent.detect.interface import Severity


class State(StrEnum):
    OPEN = "open"
    UPDATE = "update"
    CLOSED = "closed"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _from_iso(text: Any) -> Any:
    return datetime.fromisoformat(text) if isinstance(text, str) else text


Moment = Annotated[
    datetime,
    BeforeValidator(_from_iso),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Detail = dict[str, str | int | float | bool | None]


class Event(BaseModel):
    """One message about one defect. `start` and `end` are wall-clock UTC, `pts` is the start in media seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = Field(1, description="Version of this form.")
    id: str = Field(description="ULID, the same from open to closed.", pattern="^[0-9A-HJKMNP-TV-Z]{26}$")
    seq: int = Field(description="Rises by one per event message of this agent, across restarts.", ge=1)
    boot: str = Field(description="Changes whenever the agent's process starts.")
    stream: str = Field(description="Name of the stream.")
    defect: str = Field(description="Name of the defect.")
    state: State = Field(description="open, update (the severity changed) or closed.")
    severity: Severity = Field(description="minor, major or critical.")
    score: float = Field(description="How sure or how strong, 0 to 1.", ge=0, le=1)
    start: Moment = Field(description="Wall-clock time at which the defect began.")
    end: Moment | None = Field(description="Wall-clock time at which it ended; null while it is open.")
    pts: float = Field(description="Media second at which the defect began.")
    duration: float = Field(description="Seconds of the defect so far.", ge=0)
    region: tuple[float, float, float, float] | None = Field(
        None, description="x, y, width, height in fractions of the picture; absent: all of it."
    )
    detail: Detail = Field(description="The measured values that decided.")

    def payload(self) -> dict[str, Any]:
        """The event as plain values, in the order of the fields; an absent region is left out."""
        fields = self.model_dump(mode="json")
        if fields["region"] is None:
            del fields["region"]
        return fields

    def json_bytes(self) -> bytes:
        return json.dumps(self.payload(), separators=(",", ":"), ensure_ascii=False).encode()

    def cbor_bytes(self) -> bytes:
        return cbor2.dumps(self.payload())

    @classmethod
    def from_bytes(cls, payload: bytes) -> Event:
        """Read either form. Raises ValueError for anything else."""
        return cls.model_validate(decode(payload))


def decode(payload: bytes) -> Any:
    """A JSON or CBOR message as plain values. Raises ValueError where it is neither."""
    if payload[:1] in (b"{", b"["):
        return json.loads(payload)
    try:
        return cbor2.loads(payload)
    except cbor2.CBORDecodeError as error:
        raise ValueError(f"neither JSON nor CBOR: {error}") from error


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the event's JSON form."""
    return Event.model_json_schema(mode="serialization")
