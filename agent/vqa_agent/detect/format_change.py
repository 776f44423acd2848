"""A format that changes, or is not what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.expect import Expect
from vqa_agent.media import Fact, FactKind, Value

WATCHED = ("width", "height", "rate", "scan", "video_codec", "audio_codec", "sample_rate", "layout")

RATE_TOLERANCE = 0.02
"""Pictures a second by which rates may differ and still be the same: 29.97 is also 30000/1001."""

SAME_RATE = 0.05
"""Share by which an estimated rate may wander (variable frame rate) before it has changed."""


class FormatChangeSettings(Settings):
    severity: Severity = Field(Severity.MAJOR, description="Severity of a change or a mismatch.")
    expect: Expect = Field(Expect(), description="What the stream should carry (from the stream's own section).")


@register(
    "format_change",
    reads="transport",
    cost="cheap",
    live=Rule(set_time=0.0, clear_time=5.0),
    file=Rule(set_time=0.0, clear_time=1.0),
)
class FormatChange(Detector[FormatChangeSettings]):
    """Sees: size, rate, scan, codec, sample rate or channel layout that differ from before, or from `expect`.

    Formula: each known field of the format is compared with the last known one, and with what is expected. Rates are
    equal within 0.02 pictures a second for `expect`, and within 5 % from before to now, since a variable frame rate is
    only estimated. A change is one event that closes after clear_time, unless it leads to what is expected; a mismatch
    lasts until the format fits.

    Settings: `expect` of the stream names what is right; without it only changes are reported.

    Mistakes: channels that switch between programmes of different formats by intent. Misses: changes inside the codec
    that leave all of these fields as they were.

    Source: expected-format alarms of live multiviewers and probes.

    >>> detector = FormatChange(FormatChangeSettings())
    >>> for width, height in ((1280, 720), (720, 576)):
    ...     fact = Fact(FactKind.FORMAT, 1.0, detail={"width": width, "height": height})
    ...     findings = list(detector.look(fact))
    >>> [finding.detail for finding in findings if finding.bad]
    [{'width': '1280 -> 720', 'height': '720 -> 576'}]
    """

    def reset(self) -> None:
        self._known: dict[str, Value] = {}

    def interrupt(self) -> None:
        """A source that comes back with another format has changed it."""

    def look(self, fact: Fact) -> Iterable[Finding]:
        if fact.kind is FactKind.FORMAT:
            changes = dict(self._changes(fact))
            self._known.update({key: value for key, value in fact.detail.items() if value})
            changes |= dict(self._mismatches())
            yield self._finding(fact, changes)
        elif fact.kind is FactKind.SIGNAL and self._known:
            yield self._finding(fact, dict(self._mismatches()))

    def _changes(self, fact: Fact) -> Iterator[tuple[str, str]]:
        for key in WATCHED:
            before, now = self._known.get(key), fact.detail.get(key)
            wanted = getattr(self.settings.expect, key)
            if wanted and now and _fits(key, wanted, now):
                continue
            if before and now and before != now and not _same_rate(key, before, now):
                yield key, f"{before} -> {now}"

    def _mismatches(self) -> Iterator[tuple[str, str]]:
        for key in WATCHED:
            wanted, found = getattr(self.settings.expect, key), self._known.get(key)
            if wanted and found and not _fits(key, wanted, found):
                yield key, f"{found}, not {wanted}"

    def _finding(self, fact: Fact, changes: dict[str, str]) -> Finding:
        bad = bool(changes)
        return Finding(self.name, fact.time, fact.end, 1.0 if bad else 0.0, bad, certain=bad, detail=changes)


def _same_rate(key: str, before: Value, now: Value) -> bool:
    return key == "rate" and abs(float(now or 0) - float(before or 0)) <= SAME_RATE * float(before or 1)


def _fits(key: str, wanted: Value, found: Value) -> bool:
    if key == "rate":
        return abs(float(found or 0) - float(wanted or 0)) <= RATE_TOLERANCE
    return str(found).lower() == str(wanted).lower()
