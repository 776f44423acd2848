"""What a worker and the supervisor tell each other, over a `Channel`. Events cross it as `event.EventDraft`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vqa_agent.detect.coverage import Coverage


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

    `latency` is the longest time from the arrival of a packet to the decision on it since the last beat, `late` how
    many pictures were dropped as too late within the last ten beats, `late_pictures` since the worker began.
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
    behind: bool = False
    """Whether the worker does not keep up with its input."""
    late: int = 0
    late_pictures: int = 0
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    transport: Mapping[str, int] = field(default_factory=dict)
    """How often each indicator of TR 101 290 was raised since the worker began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has nothing more to do: the file is over, or (`error`) the input cannot be read."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class SetLevel:
    """To the worker: look as closely as this rung of the ladder, with at most so many cores (None: no limit)."""

    index: int
    cores: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: close the input and end."""
