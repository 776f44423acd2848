"""Keeps the agent within its budget of CPU and memory: measures, and tells the streams what they may use."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from vqa_agent.config import Config
from vqa_agent.sample import Governor
from vqa_agent.sample.prices import read_prices, write_prices
from vqa_agent.service.messages import Signal
from vqa_agent.service.meter import Meter, Use
from vqa_agent.service.stream import State, WatchedStream

log = logging.getLogger(__name__)

COSTS = "costs.json"
"""What the governor has learnt, in the state directory."""

SAVED_EVERY = 60.0
"""Seconds between two writings of it: the first minute's is kept whatever happens then."""

LEAST = 0.05
"""Cores that a file without a speed of its own gets, however little is left."""

UNPACED_AIM = 0.95
"""Share of the budget that such files fill up to."""

MEMORY_PATIENCE, MEMORY_REST = 30.0, 600.0
"""Seconds above the memory budget before the largest worker is started anew, and before that may happen again."""

ALIVE = (Signal.OK, Signal.NO_VIDEO, Signal.NO_AUDIO)
"""Signals of a stream that costs something."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A worker that is to be started anew, and why."""

    stream: str
    reason: str


class Steward:
    """One for the whole agent. Call `step` once a second."""

    def __init__(self, config: Config) -> None:
        self._costs = config.agent.state_dir / COSTS
        self._governor = Governor(config.budget.cpu, read_prices(self._costs))
        self._meter = Meter()
        self._saved: float | None = None
        self._above_since: float | None = None
        self._recycled = float("-inf")
        self.use = Use()
        self.adopt(config)

    @property
    def cores(self) -> float:
        """Cores in use, averaged over 10 s."""
        return self._governor.use

    @property
    def exhausted(self) -> bool:
        """The CPU budget is exceeded although no stream can be looked at any less."""
        return self._governor.exhausted

    def level(self, stream: str) -> int:
        return 0 if stream in self._unpaced else self._governor.level(stream)

    def adopt(self, config: Config) -> None:
        """The streams and budgets are those of `config` from now on."""
        self._budget = config.budget
        self._unpaced = {section.name: section.weight for section in config.stream if section.unpaced}
        paced = {section.name: section.weight for section in config.stream if not section.unpaced}
        everything = sum(paced.values()) + sum(self._unpaced.values())
        self._governor.budget = config.budget.cpu * (sum(paced.values()) / everything if paced else 1.0)
        self._governor.follow(paced)

    def step(self, now: float, streams: Mapping[str, WatchedStream]) -> None:
        """Measure, and hand every stream whose allowance changes its new one."""
        workers = {name: stream.pid for name, stream in streams.items() if stream.pid is not None}
        self.use = self._meter.measure(workers)
        used = {name: cores for name, cores in self.use.by_stream.items() if _carries_anything(streams[name])}
        unpaced = sum(self.use.by_stream.get(name, 0.0) for name in self._unpaced)
        paced = {name: cores for name, cores in used.items() if name not in self._unpaced}
        behind = {name for name in paced if (beat := streams[name].beat) is not None and beat.behind}
        paces = {name: streams[name].pace for name in paced}
        for name, level in self._governor.step(now, self.use.total - unpaced, paced, behind, paces).items():
            streams[name].set_level(level)
        self._share_the_rest(streams)
        self._save(now)

    def too_large(self, now: float) -> TooLarge | None:
        """The largest worker, where the agent has been above its memory budget for long enough."""
        if self.use.rss <= self._budget.memory:
            self._above_since = None
            return None
        if self._above_since is None:
            self._above_since = now
        sizes = self.use.rss_by_stream
        if now - self._above_since < MEMORY_PATIENCE or now - self._recycled < MEMORY_REST or not sizes:
            return None
        self._recycled = now
        largest = max(sizes, key=lambda name: sizes[name])
        return TooLarge(
            largest,
            f"memory: {self.use.rss / 1e6:.0f} MB in use, above the budget of {self._budget.memory / 1e6:.0f} MB; "
            f"this worker, with {sizes[largest] / 1e6:.0f} MB the largest, is started anew",
        )

    def close(self) -> None:
        self._write()

    def _share_the_rest(self, streams: Mapping[str, WatchedStream]) -> None:
        """Files without a speed of their own share by weight what the streams with one leave."""
        reading = {name: weight for name, weight in self._unpaced.items() if streams[name].pid is not None}
        left = self._budget.cpu * UNPACED_AIM - self._governor.use
        for name, weight in reading.items():
            streams[name].allow(max(LEAST, left * weight / sum(reading.values())))

    def _save(self, now: float) -> None:
        if self._saved is None:
            self._saved = now
        if now - self._saved >= SAVED_EVERY:
            self._saved = now
            self._write()

    def _write(self) -> None:
        try:
            write_prices(self._costs, self._governor.prices)
        except OSError as error:
            log.warning("keeping what looking costs in %s: %s; the next start learns it again", self._costs, error)


def _carries_anything(stream: WatchedStream) -> bool:
    return stream.state is State.RUNNING and stream.beat is not None and stream.beat.signal in ALIVE
