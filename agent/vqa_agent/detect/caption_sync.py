"""Captions that run ahead of or behind what is said."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from vqa_agent.alignment import BINS, SEARCH, Activity, Match, drift, match
from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Caption, CaptionKind, Fact, Sound
from vqa_agent.speech import Moment, SpeechListener

WINDOW, LEAST = 120.0, 60.0
"""Media seconds that are compared: at most and at least."""

STEP = 10.0
"""Media seconds from one comparison to the next."""

RATE = 15.0
"""Characters a second at which people speak, about 150 words a minute: text stands for so much speech."""

PAUSE_DB = 18.0
"""How far below the loud moments of the speech a pause lies."""

AGREED = 1.0
"""Seconds within which two comparisons on end must agree before their lag is told."""

LEAST_CAPTIONS = 8
LEAST_SPAN = 45.0
"""Seconds from the first to the last caption that are needed."""


RATES = {1.0: 0.0, 60 / 61: 0.08, 60 / 59: 0.08, 24 / 25: 0.12, 25 / 24: 0.12}
"""How fast the text may run against the sound, and by how much more it must agree so: as it should, a second a minute
off, or prepared for the other of the two rates of films. The further off, the more a chance agreement would mislead."""


class CaptionSyncSettings(Settings):
    early: float = Field(2.0, gt=0, description="Seconds by which text may come before the speech.")
    late: float = Field(2.0, gt=0, description="Seconds by which prepared text (pop-on, tracks) may come after it.")
    late_typed: float = Field(6.0, gt=0, description="Seconds by which text that is typed live (roll-up) may.")
    likeness: float = Field(
        0.35, gt=0, lt=1, description="Least correlation of text and speech at the best lag, over two minutes."
    )
    lead: float = Field(0.12, gt=0, lt=1, description="How much better the best lag must be than any other.")


@register(
    "caption_sync",
    reads="captions",
    cost="cheap",
    live=Rule(set_time=60.0, clear_time=0.0, count=2, looks=3),
    file=Rule(set_time=30.0, clear_time=0.0, count=1, looks=1),
)
class CaptionSync(Detector[CaptionSyncSettings]):
    """Sees: text that appears too early or too late against the speech that it stands for, and a lag that drifts.

    Formula: every 10 s, over the last one to two minutes, the activity of the speech (see vqa_agent.speech; pauses are
    found by level) is correlated with that of the text: each caption counts from its appearance for as long as its
    letters take to be spoken, at most until it is cleared. The lag with the best correlation is the result where that
    exceeds `likeness`, leads over every lag that is not its neighbour by `lead`, and is found twice on end; otherwise
    nothing is said (speech without pauses, text unrelated to it, too little of either). Text that runs at the other of
    the two rates of films is tried, too. A lag beyond `early`, `late` or, for roll-up text, `late_typed` is bad.
    `drift_ms_per_min` is the slope of the lags.

    Settings: raise `late_typed` for slow live captioning; raise `likeness` and `lead` where it errs.

    Mistakes: a service in another language, prepared for other pauses. Misses: lags over 15 s; drift before it has
    become a lag.

    Source: EBU QC 0247B (captions early or late; its examples: a second or two in files, over 5 s live); the
    correlation as in ffsubsync.

    >>> from vqa_agent.alignment import match
    >>> speech = np.repeat(np.random.default_rng(1).integers(0, 2, 60), 15).astype(float)
    >>> found = match(speech, np.roll(speech, 40))
    >>> round(found.lag, 1)
    4.0
    """

    def reset(self) -> None:
        self._listener = SpeechListener()
        self._moments: deque[Moment] = deque()
        self._captions: dict[str, deque[Caption]] = {}
        self._lags: deque[tuple[float, float]] = deque(maxlen=60)
        self._last_lag: float | None = None
        self._due = LEAST

    def look(self, sample: Fact | Sound | Caption) -> Iterable[Finding]:
        if isinstance(sample, Caption):
            if sample.text or sample.kind is not CaptionKind.TEXT:
                self._captions.setdefault(sample.service, deque(maxlen=600)).append(sample)
        elif isinstance(sample, Sound) and self._captions:
            for moment in self._listener.hear(sample):
                self._moments.append(moment)
                yield from self._compare()

    def _compare(self) -> Iterable[Finding]:
        start, end = self._moments[0].start, self._moments[-1].end
        if end - start < LEAST or end < self._due:
            return
        self._due = end + STEP
        speech = speech_activity(self._moments)
        for service in self._captions.values():
            shown = [caption for caption in service if caption.shown and caption.time >= start]
            if len(shown) < LEAST_CAPTIONS or shown[-1].time - shown[0].time < LEAST_SPAN:
                continue
            found = self._match(speech, list(service), start, min(end, shown[-1].time + SEARCH))
            if found and self._is_conclusive(found, len(speech) / BINS):
                before, self._last_lag = self._last_lag, found.lag
                if before is not None and abs(found.lag - before) <= AGREED:
                    yield self._finding(start, end, found, shown[-1].kind)
                break
        while self._moments and self._moments[0].start < end + STEP - WINDOW:
            self._moments.popleft()

    def _is_conclusive(self, found: Match, seconds: float) -> bool:
        """Chance agrees by the inverse root of the time: a minute must agree better than two."""
        needed = self.settings.likeness * (WINDOW / seconds) ** 0.5
        return found.likeness >= needed and found.lead >= self.settings.lead

    def _match(self, speech: Activity, captions: list[Caption], start: float, end: float) -> Match | None:
        """The match at the rate at which the text agrees best; its lag is that at `end`, where the text ends."""
        best: Match | None = None
        most = 0.0
        speech = speech[: round((end - start) * BINS)]
        for rate, margin in RATES.items():
            found = match(speech, text_activity(stretched(captions, end, rate), start, len(speech)))
            if found and (best is None or found.likeness - margin > most):
                best, most = found, found.likeness - margin
        return best

    def _finding(self, start: float, end: float, found: Match, kind: CaptionKind) -> Finding:
        late = self.settings.late_typed if kind is CaptionKind.ROLL_UP else self.settings.late
        over = found.lag / late if found.lag > 0 else -found.lag / self.settings.early
        self._lags.append((end, found.lag))
        return Finding(
            detector=self.name,
            start=max(start, end - LEAST),
            end=end,
            score=over / (1 + over),
            bad=over > 1,
            detail={
                "lag_ms": round(found.lag * 1000),
                "drift_ms_per_min": round(drift(self._lags, LEAST) * 60_000),
                "likeness": round(found.likeness, 2),
                "kind": str(kind),
            },
        )


def speech_activity(moments: Sequence[Moment]) -> Activity:
    """(n,) 1 where somebody speaks, 0 in pauses and without speech; from the first moment on, BINS a second."""
    start = moments[0].start
    active = np.zeros(round((moments[-1].end - start) * BINS))
    spoken = [level for moment in moments if moment.speech for level in moment.levels]
    if not spoken:
        return active
    limit = float(np.percentile(spoken, 95)) - PAUSE_DB
    for moment in moments:
        if moment.speech:
            at = round((moment.start - start) * BINS)
            levels = np.array(moment.levels[: len(active) - at])
            active[at : at + len(levels)] = levels > limit
    return active


def text_activity(captions: Sequence[Caption], start: float, count: int) -> Activity:
    """(count,) 1 where text stands for speech: from its appearance, for as long as it takes to be spoken."""
    active = np.zeros(count)
    for number, caption in enumerate(captions):
        if not caption.shown:
            continue
        following = captions[number + 1].time if number + 1 < len(captions) else caption.time + LEAST
        gone = min(following, caption.until or following)
        if caption.text:
            gone = min(gone, caption.time + max(0.3, len(caption.text) / RATE))
        first, last = round((caption.time - start) * BINS), round((gone - start) * BINS)
        active[max(0, first) : max(0, last)] = 1
    return active


def stretched(captions: Sequence[Caption], about: float, rate: float) -> Sequence[Caption]:
    """The captions with their distance in time from `about` multiplied by `rate`."""
    if rate == 1.0:
        return captions
    return [
        replace(
            caption,
            time=about + (caption.time - about) * rate,
            until=None if caption.until is None else about + (caption.until - about) * rate,
        )
        for caption in captions
    ]
