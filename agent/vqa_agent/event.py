"""The event: one defect of one stream, from open to closed, and its forms on the wire.

`Event.json()` and `Event.cbor()` carry the same keys. `schema()` is the JSON Schema that subscribers may rely on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cbor2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from vqa_agent.detect.interface import Severity

if TYPE_CHECKING:
    from vqa_agent.judge.judge import Decision


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
Clock = Literal["unsynchronised"]
LAST_SEQ = 2**53
"""Above it, not every reader of JSON tells whole numbers apart."""


class EventDraft(BaseModel):
    """An event that is decided but not yet stored: without number and boot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    stream: str
    defect: str
    state: State
    severity: Severity
    score: float
    start: Moment
    end: Moment | None
    pts: float
    duration: float
    region: tuple[float, float, float, float] | None = None
    detail: Detail = Field(default_factory=dict)
    clock: Clock | None = None

    def numbered(self, seq: int, boot: str) -> Event:
        """The event with its place in the agent's sequence."""
        return Event(v=1, seq=seq, boot=boot, **self.model_dump())


def draft(stream: str, decision: Decision, wall: Callable[[float], datetime]) -> EventDraft:
    """`decision` about `stream` as an event; `wall` gives the wall-clock time of a media second.

    Numbers are rounded to what their measurement is worth, so that a message stays small.
    """
    region = decision.region
    return EventDraft(
        id=decision.id,
        stream=stream,
        defect=decision.defect,
        state=decision.state,
        severity=decision.severity,
        score=round(decision.score, 3),
        start=wall(decision.start),
        end=wall(decision.end) if decision.end is not None else None,
        pts=round(decision.start, 3),
        duration=round(decision.duration, 3),
        region=(round(region[0], 3), round(region[1], 3), round(region[2], 3), round(region[3], 3)) if region else None,
        detail={key: _short(value) for key, value in decision.detail.items()},
    )


def _short(value: Any) -> Any:
    """A measured value with four significant digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


class Event(BaseModel):
    """One message about one defect. `start` and `end` are wall-clock UTC, `pts` is the start in media seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = Field(1, description="Version of this form.")
    id: str = Field(description="ULID, the same from open to closed.", pattern="^[0-9A-HJKMNP-TV-Z]{26}$")
    seq: int = Field(description="Rises by one per event message of this agent, across restarts.", ge=1, le=LAST_SEQ)
    boot: str = Field(description="Changes whenever the agent's process starts.", max_length=32)
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
    clock: Clock | None = Field(
        None, description="The machine's clock was not set by a time source when the event began; absent: it was."
    )

    def payload(self) -> dict[str, Any]:
        """The event as plain values, in the order of the fields; an absent region or clock is left out."""
        fields = self.model_dump(mode="json")
        return {key: value for key, value in fields.items() if value is not None or key not in ("region", "clock")}

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
    try:
        return json.loads(payload) if payload[:1] in (b"{", b"[") else cbor2.loads(payload)
    except cbor2.CBORDecodeError as error:
        raise ValueError(f"neither JSON nor CBOR: {error}") from error
    except RecursionError:
        raise ValueError("nested too deeply") from None


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the event's JSON form."""
    return Event.model_json_schema(mode="serialization")
