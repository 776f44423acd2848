"""What a worker and the supervisor tell each other, over a pipe. Events cross it as `event.EventDraft`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Signal(StrEnum):
    """Whether the stream carries anything; the values are those of the published stream state."""

    STARTING = "starting"
    """Nothing has arrived yet, and it is too early to complain."""
    OK = "ok"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    LOST = "lost"
    ENDED = "ended"
    """A file that is not looped has been played to its end."""
    FAILED = "failed"
    """Nothing is known: the worker failed and is not back yet."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's heartbeat. `stalled` is how many seconds ago it last finished a sample; the rest is for the status.

    `coverage` is the share of the media seconds that each detector looked at; `cost` its CPU seconds.
    """

    media_time: float
    stalled: float
    latency: float
    level: int
    signal: Signal
    reason: str
    cpu_seconds: float
    rss: int
    pictures: int
    sound_blocks: int
    format: Mapping[str, Any]
    coverage: Mapping[str, float | None] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    transport: Mapping[str, int] = field(default_factory=dict)
    """How often each indicator of TR 101 290 was raised since the worker began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has nothing more to do: the file is over, or (`error`) the input cannot be read."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class SetLevel:
    """To the worker: look as closely as this rung of the ladder."""

    index: int


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: close the input and end."""
