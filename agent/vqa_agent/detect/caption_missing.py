"""Captions that are not there."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, register
from vqa_agent.expect import Expect
from vqa_agent.media import Caption, Fact, FactKind, Sound
from vqa_agent.speech import SpeechListener

GRACE = 3.0
"""Seconds without a word from any service after which none is carried: it is stated every second."""


class CaptionMissingSettings(Settings):
    expect: Expect = Field(Expect(), description="What the stream should carry (from the stream's own section).")
    known_time: float = Field(
        30.0, ge=0, description="Seconds of captions after which their end is noticed, where none are expected."
    )
    break_time: float = Field(
        240.0, ge=0, description="Seconds without captions that pass for a break, live, where none are expected."
    )


@register(
    "caption_missing",
    reads="captions",
    cost="cheap",
    live=Rule(set_time=60.0, clear_time=0.0),
    file=Rule(set_time=30.0, clear_time=0.0),
)
class CaptionMissing(Detector[CaptionMissingSettings]):
    """Sees: no caption service at all (CEA-608, CEA-708, subtitle track), where one is expected or was there before.

    Formula: a service is carried while its data arrive (padding and empty packets of a 608 channel are data, see
    caption_empty; a packet without any valid pair is not), text in HLS while its segments come, teletext while it sends
    and has had a subtitle page, and any other subtitle track while the container lists it. Where `expect.captions` is
    true, `set_time` without any service opens an event. Where it is not set, a service that was carried for
    `known_time` and then ended is missed once somebody has spoken for `set_time` without it, in the live profile no
    earlier than after `break_time`, because advertisements often come without. The event ends with the first data of
    any service.

    Settings: `expect.captions = true` where captions are owed; `expect.captions = false` to hear nothing of them;
    raise `break_time` where breaks are longer.

    Mistakes: a recording of a channel whose advertisements come without captions and are spoken for half a minute on
    end. Misses: one of several services that ends (see caption_empty); a track that is listed and never used.

    Source: EBU QC 0248B (missing captions judged against speech); multiviewers' timers for an absent service.

    >>> detector = CaptionMissing(CaptionMissingSettings(expect=Expect(captions=True)))
    >>> facts = [Fact(FactKind.SIGNAL, second / 2, 0.5) for second in range(10)]
    >>> [finding.bad for fact in facts for finding in detector.look(fact)][::3]
    [False, False, True, True]
    """

    def reset(self) -> None:
        self._listener = SpeechListener()
        self._began: float | None = None
        self._last: float | None = None
        self._carried = self._spoken = 0.0
        self._services: set[str] = set()

    def look(self, sample: Fact | Sound | Caption) -> Iterable[Finding]:
        if self.settings.expect.captions is False:
            return
        if isinstance(sample, Sound):
            self._hear(sample)
        elif isinstance(sample, Fact) and sample.kind is FactKind.CAPTIONS:
            self._last, self._spoken = sample.end, 0.0
            self._carried += sample.duration
            self._services.add(str(sample.detail["service"]))
            yield self._finding(sample.end, bad=False)
        elif isinstance(sample, Fact) and sample.kind is FactKind.NO_SIGNAL and sample.detail.get("missing") != "audio":
            self._pass_over(sample.end)
        elif isinstance(sample, Fact) and sample.kind is FactKind.SIGNAL and (self._expected or self._known):
            self._began = sample.time if self._began is None else self._began
            yield self._finding(sample.end, bad=self._is_missed(sample.end))

    @property
    def _expected(self) -> bool:
        return self.settings.expect.captions is True

    @property
    def _known(self) -> bool:
        return self._carried >= self.settings.known_time

    def _hear(self, sound: Sound) -> None:
        """Count the speech since captions ended; nothing is heard while they are there or were never known."""
        if self._expected or not self._known or self._last is None or sound.time < self._last + GRACE:
            return
        self._spoken += sum(moment.end - moment.start for moment in self._listener.hear(sound) if moment.speech)

    def _pass_over(self, now: float) -> None:
        """Without a signal nothing is to be missed: count anew from here."""
        self._began = now
        self._last = None if self._last is None else now
        self._spoken = 0.0

    def _since(self) -> float:
        """Media second since when no service is carried."""
        return self._last if self._last is not None else self._began or 0.0

    def _is_missed(self, now: float) -> bool:
        absent = now - self._since()
        if self._expected or absent <= GRACE:
            return absent > GRACE
        needed = self.settings.rule(self.rules[self.profile]).set_time
        patience = self.settings.break_time if self.profile is Profile.LIVE else 0.0
        return self._spoken >= needed and absent >= patience

    def _finding(self, now: float, bad: bool) -> Finding:
        since = self._since()
        return Finding(
            detector=self.name,
            start=since if bad else now,
            end=now,
            score=1.0 if bad else 0.0,
            bad=bad,
            detail={
                "services": ",".join(sorted(self._services))[:40] or "none",
                "expected": self._expected,
                "spoken": round(self._spoken, 1),
            },
        )
