"""The supervisor's view of a stream and of the delivery, in the words of the status file."""

from __future__ import annotations

from vqa_agent.config import Config
from vqa_agent.event import EventDraft
from vqa_agent.publish import Health, Outbox
from vqa_agent.sample import LADDER
from vqa_agent.service.messages import Signal
from vqa_agent.service.status import DeliveryStatus, OpenDefect, StreamStatus
from vqa_agent.service.stream import State, WatchedStream


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
    )
