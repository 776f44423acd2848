"""Errors of the transport and of the decoding."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.media import Fact, FactKind

ERRORS = {
    FactKind.CONTINUITY: "continuity",
    FactKind.TRANSPORT_ERROR: "transport_error",
    FactKind.CORRUPT_PICTURE: "corrupt_picture",
    FactKind.DECODE_ERROR: "decode_error",
    FactKind.PTS_JUMP: "pts_jump",
}


class StreamErrorsSettings(Settings):
    join_time: float = Field(2.0, ge=0, description="Seconds after joining a live stream in which errors do not count.")
    blame_time: float = Field(2.0, ge=0, description="Seconds around a loss of this machine's own that explain errors.")


@register(
    "stream_errors",
    reads="transport",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=3),
    file=Rule(set_time=10.0, clear_time=2.0, count=1),
)
class StreamErrors(Detector[StreamErrorsSettings]):
    """Sees: packets missing or out of order, packets marked as damaged, pictures that the decoder had to conceal,
    packets that cannot be decoded, and jumps of the presentation time.

    Formula: every such fact counts once with its own count; an event opens at `count` of them within `set_time`.
    What this machine lost itself (socket overrun, own overload) is told apart: errors within `blame_time` of it have
    the origin "receiver" and are minor. In the live profile nothing counts during `join_time` after the start or a
    reconnection, because a stream is joined in the middle of a group of pictures.

    Settings: raise `count` where a link always loses a little; raise `blame_time` for long buffers.

    Mistakes: a recording cut in the middle of a group of pictures shows errors at its ends. Misses: damage that was
    encoded again upstream and leaves no trace in the transport (see block_corruption).

    Source: ETSI TR 101 290 priority 1 and PTS checks, as far as the demultiplexer tells.

    >>> detector = StreamErrors(StreamErrorsSettings())
    >>> for fact in (Fact(FactKind.SIGNAL, 0.0, 0.5), Fact(FactKind.CONTINUITY, 9.0, detail={"pid": 256})):
    ...     findings = list(detector.look(fact))
    >>> [(finding.bad, finding.detail["kind"]) for finding in findings]
    [(True, 'continuity')]
    """

    def reset(self) -> None:
        self._joined: float | None = None
        self._own_loss: float | None = None

    def look(self, fact: Fact) -> Iterable[Finding]:
        if self._joined is None or fact.kind is FactKind.RECONNECT:
            self._joined = fact.time
        if fact.kind is FactKind.RECEIVER_DROP:
            self._own_loss = fact.time
            yield self._finding(fact, "receiver_drop", "receiver")
        elif fact.kind in ERRORS and not self._is_joining(fact):
            yield self._finding(fact, ERRORS[fact.kind], "receiver" if self._is_own(fact) else "stream")
        elif fact.kind is FactKind.SIGNAL:
            yield Finding(self.name, fact.time, fact.end, 0.0, bad=False)

    def _is_joining(self, fact: Fact) -> bool:
        assert self._joined is not None
        return self.profile == Profile.LIVE and fact.time - self._joined < self.settings.join_time

    def _is_own(self, fact: Fact) -> bool:
        return self._own_loss is not None and fact.time - self._own_loss <= self.settings.blame_time

    def _finding(self, fact: Fact, kind: str, origin: str) -> Finding:
        detail = {"kind": kind, "origin": origin, "count": fact.count}
        detail |= {key: fact.detail[key] for key in ("track", "pid", "seconds", "where") if key in fact.detail}
        return Finding(
            detector=self.name,
            start=fact.time,
            end=fact.end,
            score=min(1.0, 0.5 + 0.05 * fact.count),
            bad=True,
            detail=detail,
            severity=Severity.MINOR if origin == "receiver" else None,
        )
