"""Errors of the transport and of the decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import exp

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.media import Fact, FactKind

CAUSES = {
    FactKind.CONTINUITY: "continuity",
    FactKind.TRANSPORT_ERROR: "transport_error",
    FactKind.TRANSPORT: "transport",
    FactKind.PTS_JUMP: "pts_jump",
}
CONSEQUENCES = {FactKind.CORRUPT_PICTURE: "corrupt_picture", FactKind.DECODE_ERROR: "decode_error"}
ERRORS = CAUSES | CONSEQUENCES
"""Name of the indicator, where the fact itself does not name a finer one."""

TOLD = ("pid", "track", "interval", "usual", "seconds", "lost", "where")
"""What of a fact stands in the event."""

QUIET = 10.0
"""Seconds without an error after which its total begins anew."""

CUT = 0.5
"""Seconds before the end of a file in which damaged pictures are those of its cut."""


class StreamErrorsSettings(Settings):
    join_time: float = Field(2.0, ge=0, description="Seconds after joining a live stream in which errors do not count.")
    blame_time: float = Field(2.0, ge=0, description="Seconds around a loss of this machine's own that explain errors.")
    lateness: float = Field(
        4.0, ge=1, description="Times the limit (and what the stream keeps to) that an interval lasts before it counts."
    )


@register(
    "stream_errors",
    reads="transport",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=3),
    file=Rule(set_time=10.0, clear_time=2.0, count=1),
)
class StreamErrors(Detector[StreamErrorsSettings]):
    """Sees: the errors of an MPEG transport stream by the indicators of TR 101 290: sync_loss, sync_byte, pat, pmt,
    continuity, pid, transport_error, crc, pcr_interval, pcr_discontinuity, pts_interval, and rtp_loss (numbers missing
    in RTP); in every input pictures that the decoder had to conceal, packets that it cannot decode, and jumps of the
    presentation time (pts_jump).

    Formula: every fact counts with its own count; an event opens at `count` of them within `set_time`. `detail` names
    the indicator, the PID, the count of the moment and the `total` since the last 10 quiet seconds; what was wrong in
    the transport outranks what the decoder made of it. `source` is "stream", or "receiver" for what this machine lost
    itself (socket overrun, own overload) and for errors within `blame_time` of it: those are minor. Limits: PAT and
    PMT 0.5 s, PCR 0.1 s, PTS 0.7 s, each counted again for as long as it is exceeded; they are told as findings, but
    bad only beyond `lateness` times the limit and times what the stream usually keeps, because many encoders keep to
    limits of their own. A PID of pictures or sound counts as missing after 5 s, then every second. In the live profile
    nothing counts during `join_time` after the start or a reconnection; in a file, no damaged picture of its last
    half second, which is that of the cut.

    Settings: raise `count` where a link always loses a little; raise `blame_time` for long buffers; `lateness` = 1
    makes every interval count that is beyond its limit and beyond what is usual for the stream.

    Mistakes: splices that do not announce a new clock are jumps of the clock, as the standard says. Misses: packets of
    other programmes, which do not count; the packets of HLS and RTSP, which FFmpeg keeps to itself; a clock that stops
    for good, and with it every interval; a clock that jumps forward by less than 10 s in a stream of variable rate, in
    which an encoder may as well have paused; damage that was encoded again upstream (see block_corruption).

    Source: ETSI TR 101 290 V1.4.1, priority 1 and 2.1 to 2.5; ISO/IEC 13818-1.

    >>> detector = StreamErrors(StreamErrorsSettings())
    >>> lost = Fact(FactKind.CONTINUITY, 9.0, detail={"indicator": "continuity", "pid": 256})
    >>> for fact in (Fact(FactKind.SIGNAL, 0.0, 0.5), lost):
    ...     findings = list(detector.look(fact))
    >>> [(finding.bad, finding.detail["indicator"], finding.detail["source"]) for finding in findings]
    [(True, 'continuity', 'stream')]
    """

    def reset(self) -> None:
        self._joined: float | None = None
        self._own_loss: float | None = None
        self._totals: Counter[tuple[str, object, str]] = Counter()
        self._latest = 0.0
        self._waiting: list[Fact] = []

    def look(self, fact: Fact) -> Iterable[Finding]:
        if self._joined is None or fact.kind is FactKind.RECONNECT:
            self._joined = fact.time
        while self._waiting and fact.time - self._waiting[0].time > CUT:
            yield self._finding(self._waiting.pop(0))
        if fact.kind is FactKind.RECEIVER_DROP:
            self._own_loss = fact.time
            yield self._finding(fact)
        elif fact.kind in CONSEQUENCES and self.profile == Profile.FILE:
            self._waiting.append(fact)
        elif fact.kind in ERRORS and not self._is_joining(fact):
            yield self._finding(fact)
        elif fact.kind is FactKind.SIGNAL:
            yield Finding(self.name, fact.time, fact.end, 0.0, bad=False)

    def _is_joining(self, fact: Fact) -> bool:
        assert self._joined is not None
        return self.profile == Profile.LIVE and fact.time - self._joined < self.settings.join_time

    def _source(self, fact: Fact) -> str:
        own = self._own_loss is not None and abs(fact.time - self._own_loss) <= self.settings.blame_time
        return "receiver" if own else "stream"

    def _counts(self, fact: Fact) -> bool:
        """Whether an interval is late by more than what the stream makes of its limits anyway."""
        interval, usual = fact.detail.get("interval"), fact.detail.get("usual")
        if interval is None or fact.detail.get("indicator") == "pid":
            return True
        limit = float(fact.detail.get("limit") or 0.0)
        return usual is not None and float(interval) >= self.settings.lateness * max(limit, float(usual)) - 1e-6

    def _finding(self, fact: Fact) -> Finding:
        indicator = str(fact.detail.get("indicator") or ERRORS.get(fact.kind, fact.kind))
        source, counts = self._source(fact), self._counts(fact)
        detail = {"indicator": indicator, "source": source, "count": fact.count}
        detail |= {key: fact.detail[key] for key in TOLD if fact.detail.get(key) is not None}
        total = self._add(fact, (indicator, fact.detail.get("pid"), source)) if counts else fact.count
        return Finding(
            detector=self.name,
            start=fact.time,
            end=fact.end,
            score=_score(fact, source, total) if counts else 0.0,
            bad=counts,
            detail=detail | {"total": total},
            severity=Severity.MINOR if source == "receiver" else None,
        )

    def _add(self, fact: Fact, key: tuple[str, object, str]) -> int:
        if fact.time - self._latest > QUIET:
            self._totals.clear()
        self._latest = fact.time
        self._totals[key] += fact.count
        return self._totals[key]


def _score(fact: Fact, source: str, total: int) -> float:
    """0.25 to 1, rising with the total, in three ranks: own loss, what the decoder made of it, the transport itself."""
    rank = 0.25 if source == "receiver" else 0.5 if fact.kind in CONSEQUENCES else 0.75
    return rank + 0.25 * (1 - exp(-total / 10))
