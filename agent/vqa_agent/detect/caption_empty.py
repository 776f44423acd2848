"""Captions that carry no text while somebody speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.expect import Expect
from vqa_agent.media import Caption, Fact, FactKind, Sound
from vqa_agent.speech import SpeechListener

CARRIED = 3.0
"""Seconds for which a service counts as carried after it was last stated."""

CHANNELS = ("608", "708")
"""Services that exist for captions of all that is said; a subtitle track may be for foreign words only."""

FOLLOWED = 30
"""Seconds of speech with text after which a subtitle track is known to follow all that is said."""


class CaptionEmptySettings(Settings):
    expect: Expect = Field(Expect(), description="What the stream should carry (from the stream's own section).")
    linger: float = Field(
        10.0, ge=0, description="Seconds for which text that appeared stands for the speech that follows it."
    )

    def rule(self, default: Rule) -> Rule:
        """`count` seconds of speech on end, however many are asked for."""
        rule = super().rule(default)
        return replace(rule, looks=rule.count)


@register(
    "caption_empty",
    reads="captions",
    cost="cheap",
    live=Rule(set_time=60.0, clear_time=0.0, count=60, looks=60),
    file=Rule(set_time=30.0, clear_time=0.0, count=30, looks=30),
)
class CaptionEmpty(Detector[CaptionEmptySettings]):
    """Sees: a caption service that is carried, but shows no text while somebody speaks.

    Formula: each second in which somebody speaks (see vqa_agent.speech) is bad when no service has shown any text,
    or bitmap with something on it, for `linger`. An event opens after `count` seconds of speech without text between
    them; pauses, music and noise do not count, whatever they last. The first text ends it. Where a service is carried
    whose text cannot be decoded here (encrypted), nothing is said. It is minor where no text was ever seen and captions
    are not expected: many encoders always send an empty channel. A subtitle track that is not expected is judged only
    after it has followed half a minute of speech: many are for foreign words only.

    Settings: raise `count` (seconds of speech) where programmes without captions are usual; `expect.captions = false`
    to hear nothing of it.

    Mistakes: a track that follows an interview in a foreign language and is silent in the rest of the programme; a
    programme that is never captioned on a channel that others use. Misses: one of several services that is empty while
    another has text; text that has nothing to do with what is said; speech that is drowned in music.

    Source: "present, not updating" alarms of line monitors, joined to speech as in EBU QC 0248B.

    >>> import numpy as np
    >>> detector = CaptionEmpty(CaptionEmptySettings())
    >>> carried = Fact(FactKind.CAPTIONS, 0.0, 1.0, detail={"service": "608", "readable": True})
    >>> quiet = Sound(time=0.0, rate=48000, samples=np.zeros((2, 4800), np.float32))
    >>> [list(detector.look(sample)) for sample in (carried, quiet)]
    [[], []]
    """

    def reset(self) -> None:
        self._listener = SpeechListener()
        self._carried: float | None = None
        self._unread: float | None = None
        self._channel: float | None = None
        self._followed = 0
        self._began: float | None = None
        self._last_text: float | None = None

    def look(self, sample: Fact | Sound | Caption) -> Iterable[Finding]:
        if self.settings.expect.captions is False:
            return
        if isinstance(sample, Caption):
            if sample.shown:
                self._last_text = max(self._last_text or 0.0, sample.time, sample.until or 0.0)
                yield Finding(self.name, sample.time, sample.time, 0.0, bad=False)
        elif isinstance(sample, Fact):
            self._note(sample)
        elif self._is_judged(sample.time):
            for moment in self._listener.hear(sample):
                if moment.speech:
                    yield from self._findings(moment.start, moment.end)

    def _note(self, fact: Fact) -> None:
        if fact.kind is not FactKind.CAPTIONS:
            return
        self._began = fact.time if self._began is None else self._began
        self._carried = fact.end
        if not fact.detail["readable"]:
            self._unread = fact.end
        elif fact.detail["service"] in CHANNELS:
            self._channel = fact.end

    def _is_judged(self, now: float) -> bool:
        carried = self._carried is not None and now - self._carried <= CARRIED
        return carried and (self._unread is None or now - self._unread > CARRIED)

    def _is_owed(self, now: float) -> bool:
        """Whether what is carried is there for all that is said."""
        channel = self._channel is not None and now - self._channel <= CARRIED
        return channel or self.settings.expect.captions is True or self._followed >= FOLLOWED

    def _findings(self, start: float, end: float) -> Iterable[Finding]:
        since = self._last_text if self._last_text is not None else self._began or 0.0
        bad = end - since > self.settings.linger
        self._followed += not bad and self._last_text is not None
        if bad and not self._is_owed(end):
            return
        never = self._last_text is None and not self.settings.expect.captions
        yield Finding(
            detector=self.name,
            start=start,
            end=end,
            score=min(1.0, max(0.0, end - since) / 120),
            bad=bad,
            detail={"without_text": round(max(0.0, end - since), 1), "text_seen": self._last_text is not None},
            severity=Severity.MINOR if never else None,
        )
