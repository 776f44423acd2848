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


def stream_status(stream: WatchedStream, open_now: list[EventDraft], cores: float) -> StreamStatus:
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
            "latency": beat.latency,
            "rss": beat.rss,
            "pictures": beat.pictures,
            "sound_blocks": beat.sound_blocks,
            "format": dict(beat.format),
            "coverage": {name: None if share is None else round(share, 4) for name, share in beat.coverage.items()},
            "cost": dict(beat.cost),
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
        reason=outbox.trouble or health.last_error,
        protocol=health.version,
        pending=outbox.depth,
        oldest=round(outbox.oldest_age, 1),
        seq=outbox.seq,
        refused=health.refused,
        unheard=health.unheard,
    )
