"""What the packets of an input say, as facts at the media seconds at which they are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from vqa_agent.capture.transport.analyser import Analyser, Indicator, Observation
from vqa_agent.media import Fact, FactKind, Value

KINDS = {Indicator.CONTINUITY: FactKind.CONTINUITY, Indicator.TRANSPORT_ERROR: FactKind.TRANSPORT_ERROR}
"""Kinds of facts that the decoding knows as well; every other indicator is a TRANSPORT fact."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Data that did not arrive: `receiver` datagrams lost by this machine, `network` on the way to it.

    `unseen`: bytes that arrived and were decoded, but that nobody had the time to look at here.
    """

    receiver: int = 0
    network: int = 0
    unseen: int = 0


class Feed(Protocol):
    """Where the bytes of an input can be had a second time."""

    def take(self, until: int | None) -> Iterator[bytes | Hole]:
        """The bytes up to offset `until` or somewhat beyond (None: all there are by now), each once, with the holes."""
        ...


class Monitor:
    """Analyses a transport stream in step with its decoding. `totals` counts what each indicator raised."""

    def __init__(self, feed: Feed, tracks: Collection[int], totals: Counter[str]) -> None:
        self._feed = feed
        self._analyser = Analyser(tracks)
        self._totals = totals

    def facts(self, now: float, until: int | None = None) -> Iterator[Fact]:
        """What was seen up to byte `until` of the input (None: in all that has arrived), at media second `now`."""
        for piece in self._feed.take(until):
            if isinstance(piece, bytes):
                self._analyser.feed(piece)
                continue
            self._analyser.skip(piece.unseen)
            yield from self._of_hole(piece, now)
        yield from self._of_observations(self._analyser.take(until), now)

    def _of_hole(self, hole: Hole, now: float) -> Iterator[Fact]:
        if hole.receiver:
            self._totals["receiver_drop"] += hole.receiver
            yield Fact(FactKind.RECEIVER_DROP, now, count=hole.receiver, detail={"where": "socket"})
        if hole.network:
            self._totals["rtp_loss"] += 1
            yield Fact(FactKind.CONTINUITY, now, detail={"indicator": "rtp_loss", "lost": hole.network})

    def _of_observations(self, seen: list[Observation], now: float) -> Iterator[Fact]:
        """One fact for all that is alike, one for each that has a measured value."""
        alike: Counter[tuple[Indicator, int | None]] = Counter()
        for one in sorted(seen, key=lambda one: one.offset):
            self._totals[one.indicator] += 1
            measures = {name: getattr(one, name) for name in ("interval", "limit", "usual", "seconds")}
            if detail := {name: round(value, 4) for name, value in measures.items() if value is not None}:
                yield Fact(FactKind.TRANSPORT, now, detail={"indicator": str(one.indicator), "pid": one.pid, **detail})
            else:
                alike[one.indicator, one.pid] += 1
        for (indicator, pid), count in alike.items():
            where: dict[str, Value] = {} if pid is None else {"pid": pid}
            kind = KINDS.get(indicator, FactKind.TRANSPORT)
            yield Fact(kind, now, count=count, detail={"indicator": str(indicator), **where})
