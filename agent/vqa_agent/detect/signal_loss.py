"""A signal that is lost."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.expect import Expect
from vqa_agent.media import Fact, FactKind


class SignalLossSettings(Settings):
    severity: Severity = Field(Severity.CRITICAL, description="Severity when everything or the picture is lost.")
    expect: Expect = Field(Expect(), description="What the stream should carry (from the stream's own section).")


@register(
    "signal_loss",
    reads="transport",
    cost="cheap",
    live=Rule(set_time=2.0, clear_time=3.0),
    file=Rule(set_time=2.0, clear_time=0.5),
)
class SignalLoss(Detector[SignalLossSettings]):
    """Sees: no packets, or packets from which no picture (or no sound) can be decoded.

    Formula: the input states twice a second what arrived. Missing is everything, or the pictures while sound goes on,
    or the sound while pictures go on; sound alone is major, the rest has the configured severity. With
    `expect.audio` or `expect.video` a track that was never there is missing too.

    Settings: set_time is how long the loss lasts before it is an event; a network that stumbles often wants more.

    Mistakes: none known; a source that is switched off on purpose is lost all the same. Misses: pictures that arrive
    but do not change (see freeze).

    Source: input-loss rules of live probes (1.5 to 2 s to set, 3 s to clear).

    >>> lost = Fact(FactKind.NO_SIGNAL, 4.0, 0.5, detail={"missing": "all", "reason": "timed out"})
    >>> [(finding.bad, finding.detail["missing"]) for finding in SignalLoss(SignalLossSettings()).look(lost)]
    [(True, 'all')]
    """

    def look(self, fact: Fact) -> Iterable[Finding]:
        if fact.kind not in (FactKind.SIGNAL, FactKind.NO_SIGNAL):
            return
        missing, reason = self._missing(fact)
        yield Finding(
            detector=self.name,
            start=fact.time,
            end=fact.end,
            score=1.0 if missing else 0.0,
            bad=bool(missing),
            certain=missing == "all",
            detail={"missing": missing, "reason": reason} if missing else {},
            severity=Severity.MAJOR if missing == "audio" else None,
        )

    def _missing(self, fact: Fact) -> tuple[str, str]:
        if fact.kind is FactKind.NO_SIGNAL:
            return str(fact.detail.get("missing", "all")), str(fact.detail.get("reason", ""))[:48]
        for track, expected in (("video", self.settings.expect.video), ("audio", self.settings.expect.audio)):
            if expected and not fact.detail.get(track, True):
                return track, "expected, but the stream has none"
        return "", ""
