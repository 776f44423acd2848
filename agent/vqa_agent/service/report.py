"""The supervisor's view of a stream and of the delivery, in the words of the status file."""

from __future__ import annotations

from vqa_agent.config import Config
from vqa_agent.event import Event, EventDraft
from vqa_agent.publish import Health, Outbox
from vqa_agent.sample import LADDER
from vqa_agent.service.messages import Signal
from vqa_agent.service.status import DeliveryStatus, OpenDefect, RecentEvent, StreamStatus
from vqa_agent.service.stream import State, WatchedStream

RECENT = 10
"""Events that the status file lists."""


def degradation(stream: WatchedStream, exhausted: bool) -> str:
    """Why the stream cannot be kept; empty where it can. `exhausted`: even the last rung costs more than the budget."""
    if stream.beat is None:
        return ""
    if stream.beat.late:
        return f"this machine is too slow: {stream.beat.late} pictures came too late within 10 s and were dropped"
    return "the last rung of the ladder costs more than the budget" if exhausted else ""


def stream_status(
    stream: WatchedStream, open_now: list[EventDraft], cores: float, exhausted: bool = False
) -> StreamStatus:
    """One stream; what its worker has not said yet keeps its default."""
    status = StreamStatus(
        state=stream.state,
        reason=stream.reason,
        level=stream.level,
        level_name=LADDER[stream.level].name,
        cpu=round(cores, 3),
        pid=stream.pid,
        restarts=stream.restarts,
        signal=Signal.ENDED if stream.state is State.ENDED else Signal.STARTING,
        open=[
            OpenDefect(id=draft.id, defect=draft.defect, severity=draft.severity, start=draft.start)
            for draft in open_now
        ],
    )
    if (beat := stream.beat) is None:
        return status
    return status.model_copy(
        update={
            "signal": beat.signal,
            "reason": beat.reason,
            "media_time": beat.media_time,
            "degraded": degradation(stream, exhausted),
            "latency": beat.latency,
            "late_pictures": beat.late_pictures,
            "rss": beat.rss,
            "pictures": beat.pictures,
            "sound_blocks": beat.sound_blocks,
            "format": dict(beat.format),
            "coverage": {name: coverage.share for name, coverage in beat.coverage.items()},
            "looks": {name: coverage.looks for name, coverage in beat.coverage.items()},
            "cost": {name: coverage.cost for name, coverage in beat.coverage.items()},
            "blind": {name: coverage.blind for name, coverage in beat.coverage.items() if coverage.blind},
            "faults": dict(beat.faults),
            "transport": dict(beat.transport),
        }
    )


class Recent:
    """The last events for the person on site: one entry for each event, the latest change first."""

    def __init__(self) -> None:
        self._events: dict[str, RecentEvent] = {}

    def remember(self, before: list[RecentEvent]) -> None:
        """What the run before had in its status file."""
        self._events = {event.id: event for event in reversed(before)} | self._events
        self._forget()

    def note(self, event: Event) -> None:
        self._events.pop(event.id, None)
        self._events[event.id] = RecentEvent.model_validate(event.model_dump())
        self._forget()

    def latest(self) -> list[RecentEvent]:
        return list(reversed(self._events.values()))

    def _forget(self) -> None:
        for event_id in list(self._events)[:-RECENT]:
            del self._events[event_id]


def delivery_status(config: Config, outbox: Outbox, health: Health) -> DeliveryStatus:
    """The way to the broker, and what waits for it."""
    return DeliveryStatus(
        configured=bool(config.mqtt.url),
        connected=health.connected,
        reason=health.last_error,
        trouble=outbox.trouble if outbox.is_disturbed else "",
        protocol=health.version,
        pending=outbox.depth,
        oldest=round(outbox.oldest_age, 1),
        seq=outbox.seq,
        refused=health.refused,
        unheard=health.unheard,
    )
