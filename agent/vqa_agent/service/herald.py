"""Says over MQTT what is true now: that the agent is there, how each stream is, what it all costs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from vqa_agent import __version__
from vqa_agent.config import Config
from vqa_agent.event import EventDraft
from vqa_agent.publish import Outbox, Publisher, StateMessage, Topics, Will
from vqa_agent.publish.messages import AgentStatus, DetectorFigures, Message, Metrics, OpenDefect, StreamState
from vqa_agent.sample import LADDER
from vqa_agent.service.clock import ClockWatch
from vqa_agent.service.messages import Signal
from vqa_agent.service.meter import Use
from vqa_agent.service.report import degradation
from vqa_agent.service.stream import State, WatchedStream

METRICS_INTERVAL = 30
"""Seconds between two messages of metrics, which also renew each stream's state."""


class Herald:
    """The publisher with this agent's topics and messages. Begin a new one when the broker or the names change."""

    def __init__(self, config: Config, outbox: Outbox) -> None:
        self._config = config
        self._outbox = outbox
        self._topics = Topics(config.agent.site, config.agent.id)
        self._since = datetime.now(UTC)
        self._clock = ClockWatch().trust
        self._said: dict[str, StreamState] = {}
        birth = StateMessage(self._topics.status, self._encode(self._agent_status("online")))
        # The Last Will is fixed when the connection is made: always JSON, which every tool at the broker can show.
        will = Will(self._topics.status, self._agent_status("offline").encode("json"))
        self.publisher = Publisher(config.mqtt, self._topics, outbox, birth, will)
        self.publisher.start()

    def tell_stream(
        self, stream: WatchedStream, open_now: list[EventDraft], now: datetime, again: bool, exhausted: bool = False
    ) -> None:
        """Publish the stream's state where it has changed, or `again`."""
        state = stream_state(stream, open_now, now, exhausted)
        said = self._said.get(stream.name)
        if again or said is None or _essence(said) != _essence(state):
            self._said[stream.name] = state
            self._publish(self._topics.stream(stream.name), state)

    def forget_stream(self, name: str) -> None:
        """The stream is no longer configured: take its retained state from the broker."""
        self._said.pop(name, None)
        self.publisher.publish_state(StateMessage(self._topics.stream(name), b""))

    def tell_metrics(self, use: Use, streams: list[WatchedStream], now: datetime) -> None:
        metrics = Metrics(
            v=1,
            time=now,
            cpu=round(use.total, 3),
            budget=self._config.budget.cpu,
            memory=use.rss,
            outbox=self._outbox.depth,
            oldest=round(self._outbox.oldest_age, 1),
            seq=self._outbox.seq,
            settled=self._outbox.settled,
            refused=self.publisher.health.refused,
            unheard=self.publisher.health.unheard,
            streams={stream.name: _figures(stream, use.by_stream.get(stream.name, 0.0)) for stream in streams},
            detectors={stream.name: _detectors(stream) for stream in streams},
        )
        message = StateMessage(self._topics.metrics, self._encode(metrics), retain=False, expiry=METRICS_INTERVAL)
        self.publisher.publish_state(message)

    def say_goodbye(self, timeout: float) -> None:
        """Send what waits, as far as `timeout` seconds allow, and then that the agent is offline."""
        offline = self._encode(self._agent_status("offline"))
        self.publisher.stop(StateMessage(self._topics.status, offline), timeout)

    def _agent_status(self, state: Literal["online", "offline"]) -> AgentStatus:
        agent, outbox = self._config.agent, self._outbox
        return AgentStatus(
            v=1,
            state=state,
            agent=agent.id,
            site=agent.site,
            boot=outbox.boot,
            version=__version__,
            since=self._since,
            seq=outbox.seq,
            clock=self._clock,
        )

    def _publish(self, topic: str, message: Message) -> None:
        self.publisher.publish_state(StateMessage(topic, self._encode(message)))

    def _encode(self, message: Message) -> bytes:
        return message.encode(self._config.mqtt.encoding)


def stream_state(
    stream: WatchedStream, open_now: list[EventDraft], now: datetime, exhausted: bool = False
) -> StreamState:
    """What is published of a stream."""
    beat = stream.beat
    return StreamState(
        v=1,
        stream=stream.name,
        signal=_signal(stream).value,
        open=[
            OpenDefect(id=draft.id, defect=draft.defect, severity=draft.severity, start=draft.start)
            for draft in open_now
        ],
        level=LADDER[stream.level].name,
        degraded=degradation(stream, exhausted),
        latency=beat.latency if beat else 0.0,
        coverage={name: _rounded(coverage.share) for name, coverage in beat.coverage.items()} if beat else {},
        looks={name: coverage.looks for name, coverage in beat.coverage.items()} if beat else {},
        cost={name: coverage.cost for name, coverage in beat.coverage.items()} if beat else {},
        blind=[name for name, coverage in beat.coverage.items() if coverage.blind] if beat else [],
        format={name: value for name, value in beat.format.items() if value} if beat else {},
        time=now,
    )


def _signal(stream: WatchedStream) -> Signal:
    if stream.state is State.ENDED:
        return Signal.ENDED
    if stream.state is State.RESTARTING:
        return Signal.FAILED
    return stream.beat.signal if stream.beat else Signal.STARTING


def _essence(state: StreamState) -> StreamState:
    """The state without what changes all the time."""
    figures = {"coverage": {}, "looks": {}, "cost": {}, "latency": 0.0, "time": datetime.min}
    return state.model_copy(update={**figures, "degraded": "yes" if state.degraded else ""})


def _figures(stream: WatchedStream, cores: float) -> dict[str, float | int | str | None]:
    figures: dict[str, float | int | str | None] = {"cpu": round(cores, 3), "restarts": stream.restarts}
    if (beat := stream.beat) is not None:
        shares = [coverage.share for coverage in beat.coverage.values() if coverage.share is not None]
        figures |= {
            "memory": beat.rss,
            "latency": beat.latency,
            "level": beat.level,
            "pictures": beat.pictures,
            "late_pictures": beat.late_pictures,
            "blind": sum(bool(coverage.blind) for coverage in beat.coverage.values()),
            "coverage": _rounded(min(shares)) if shares else None,
        }
        figures |= {f"transport_{name}": count for name, count in beat.transport.items()}
    return figures


def _detectors(stream: WatchedStream) -> dict[str, DetectorFigures]:
    known = stream.beat.coverage if stream.beat else {}
    return {
        name: DetectorFigures(
            coverage=_rounded(coverage.share), looks=coverage.looks, cost=coverage.cost, blind=bool(coverage.blind)
        )
        for name, coverage in known.items()
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
