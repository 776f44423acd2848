"""The status file: what the daemon says of itself every second, and what a reader makes of it.

The file is JSON, replaced as a whole, in $RUNTIME_DIRECTORY or else in the state directory. It is read without the
daemon's help, so that `vqa-agent status` can tell of a daemon that is dead or hangs.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Moment, State
from vqa_agent.service.messages import Signal

SCHEMA_VERSION = 1
FILE_NAME = "status.json"
SYSTEM_RUNTIME_DIRECTORY = Path("/run/vqa-agent")

STALE = 10.0
"""Seconds after which a status that nobody renews means that the daemon hangs."""

UNACKNOWLEDGED = 60.0
"""Seconds that an event may wait for the broker's acknowledgement before delivery counts as disturbed."""


FULL = frozenset([errno.ENOSPC, errno.EDQUOT])

LOSSES = {Signal.LOST: "no signal", Signal.NO_VIDEO: "no pictures", Signal.NO_AUDIO: "no sound"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class OpenDefect(_Part):
    """A defect that is open now."""

    id: str
    defect: str
    severity: Severity
    start: Moment


class StreamStatus(_Part):
    """One stream. `state` is starting, running, restarting (its worker failed) or ended (a file that is over)."""

    state: str
    signal: Signal = Signal.STARTING
    reason: str = ""
    level: int = 0
    level_name: str = ""
    media_time: float = 0.0
    degraded: str = Field("", description="Why it cannot be kept within the budget even on the last rung.")
    latency: float = Field(0.0, description="Longest time in seconds from arrival to decision within a second.")
    late_pictures: int = Field(0, description="Pictures dropped as too late since the worker began.")
    cpu: float = Field(0.0, description="Cores in use.")
    rss: int = 0
    pid: int | None = None
    restarts: int = 0
    pictures: int = 0
    sound_blocks: int = 0
    format: dict[str, Any] = Field(default_factory=dict)
    coverage: dict[str, float | None] = Field(
        default_factory=dict, description="Share of the last minute's media seconds that each detector looked at."
    )
    looks: dict[str, float] = Field(default_factory=dict, description="Looks per media second by detector.")
    cost: dict[str, float] = Field(default_factory=dict, description="CPU seconds per media hour by detector.")
    blind: dict[str, str] = Field(default_factory=dict, description="Detectors that do not look, and why.")
    faults: dict[str, str] = Field(default_factory=dict, description="Detectors that were put aside, and why.")
    transport: dict[str, int] = Field(
        default_factory=dict, description="How often each indicator of TR 101 290 was raised, by name."
    )
    open: list[OpenDefect] = Field(default_factory=list)


class DeliveryStatus(_Part):
    """The way to the broker."""

    configured: bool = False
    connected: bool = False
    reason: str = ""
    trouble: str = Field("", description="Why events cannot be stored; they are published from memory meanwhile.")
    protocol: str = ""
    pending: int = Field(0, description="Events not yet acknowledged.")
    oldest: float = Field(0.0, description="Age in seconds of the oldest of them.")
    seq: int = 0
    refused: int = Field(0, description="Times that the broker refused an event, in this run.")
    unheard: int = Field(0, description="Events in a row, up to the last, that nobody at the broker subscribes to.")


class RecentEvent(_Part):
    """An event, as it is now."""

    id: str
    stream: str
    defect: str
    state: State
    severity: Severity
    start: Moment
    end: Moment | None = None
    duration: float = 0.0


class Status(_Part):
    """All that the daemon says of itself."""

    schema_version: int = SCHEMA_VERSION
    version: str = ""
    agent: str = ""
    site: str = ""
    boot: str = ""
    pid: int
    state: str = "running"
    time: Moment
    started: Moment
    cpu: float = Field(0.0, description="Cores in use, averaged over up to 10 s.")
    budget: float = 0.0
    over_budget: bool = False
    rss: int = 0
    memory: int = 0
    config: str = ""
    clock: str = Field("unknown", description="synchronised, unsynchronised or unknown: what the kernel says.")
    config_error: str = Field("", description="Why the last reload was refused.")
    delivery: DeliveryStatus = Field(default_factory=DeliveryStatus)
    streams: dict[str, StreamStatus] = Field(default_factory=dict)
    recent: list[RecentEvent] = Field(default_factory=list, description="The last events, the latest change first.")


class Health(IntEnum):
    """The exit status of `vqa-agent status`."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the daemon is, and why it is not better."""

    health: Health
    reasons: tuple[str, ...] = field(default=())


def status_paths(state_dir: Path) -> list[Path]:
    """Where the status file may be, the likeliest first."""
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    places = [Path(runtime)] if runtime else []
    return [place / FILE_NAME for place in (*places, state_dir, SYSTEM_RUNTIME_DIRECTORY)]


def write(path: Path, status: Status) -> None:
    """Replace the file as a whole, readable by everyone here; on a full disk, what is in it. Raises OSError."""
    data = status.model_dump_json().encode()
    try:
        _replace(path, data)
    except OSError as error:
        if error.errno not in FULL:
            raise
        _overwrite(path, data)


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".status.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _overwrite(path: Path, data: bytes) -> None:
    """Use the room that the file has, so that a full disk does not look like a daemon that hangs."""
    with path.open("r+b", buffering=0) as file:
        known = os.fstat(file.fileno())
        if len(data) > known.st_blocks * 512:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(data.ljust(known.st_size))


def read(path: Path) -> Status:
    """Raises OSError where it cannot be read, ValueError where it is not a status."""
    try:
        return Status.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} fields are not as expected") from None


def judge(status: Status, now: datetime | None = None) -> Verdict:
    """How the daemon is that wrote `status`. Defects of the streams are its findings, not its illness."""
    age = ((now or datetime.now(UTC)) - status.time).total_seconds()
    if status.state == "stopped":
        return Verdict(Health.DOWN, (f"the agent was stopped {_ago(age)}",))
    if not _alive(status.pid):
        return Verdict(Health.DOWN, (f"the agent (process {status.pid}) died; its last sign of life was {_ago(age)}",))
    if age > STALE:
        return Verdict(Health.DOWN, (f"the agent (process {status.pid}) hangs; its last sign of life was {_ago(age)}",))
    reasons = tuple(_complaints(status))
    watched = [stream for stream in status.streams.values() if stream.signal in (Signal.OK, Signal.STARTING)]
    finished = all(stream.signal is Signal.ENDED for stream in status.streams.values())
    if status.streams and not watched and not finished:
        return Verdict(Health.DOWN, ("no stream can be watched", *reasons))
    return Verdict(Health.DEGRADED if reasons else Health.HEALTHY, reasons)


def _complaints(status: Status) -> Iterator[str]:
    for name, stream in status.streams.items():
        if stream.state == "restarting":
            yield f"stream {name}: {stream.state}: {stream.reason}"
        elif stream.signal in LOSSES:
            yield f"stream {name}: {LOSSES[stream.signal]}" + (f": {stream.reason}" if stream.reason else "")
        if stream.degraded:
            yield f"stream {name}: degraded: {stream.degraded}"
        for detector, fault in stream.faults.items():
            yield f"stream {name}: detector {detector} is put aside, blind: {fault}"
        if unseeing := sorted(set(stream.blind) - set(stream.faults)):
            yield f"stream {name}: blind: {_listed(stream, unseeing)}; the budget buys {stream.level_name!r} only"
    delivery = status.delivery
    if delivery.configured and not delivery.connected:
        yield f"broker: not connected; {delivery.pending} events wait" + (
            f": {delivery.reason}" if delivery.reason else ""
        )
    elif delivery.configured and delivery.oldest > UNACKNOWLEDGED:
        yield f"broker: has not acknowledged an event for {delivery.oldest:.0f} s; {delivery.pending} wait" + (
            f": {delivery.reason}" if delivery.reason else ""
        )
    elif delivery.configured and delivery.unheard:
        yield f"broker: nobody subscribes to the events (the last {delivery.unheard}); start the collector"
    if delivery.trouble:
        yield delivery.trouble
    if status.over_budget:
        yield f"CPU: {status.cpu:.0%} of a core in use, above the budget of {status.budget:.0%} on the last rung"
    if status.rss > status.memory > 0:
        yield f"memory: {status.rss / 1e6:.0f} MB in use, above the budget of {status.memory / 1e6:.0f} MB"
    if status.config_error:
        yield f"configuration: the last reload was refused: {status.config_error}"


def _listed(stream: StreamStatus, detectors: list[str]) -> str:
    """The detectors by why they are blind, so that one reason is told once."""
    return "; ".join(
        f"{', '.join(name for name in detectors if stream.blind[name] == why)}: {why}"
        for why in dict.fromkeys(stream.blind[name] for name in detectors)
    )


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
