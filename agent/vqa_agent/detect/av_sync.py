"""Sound that is late or early against the lips of whoever speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.infer import Model, open_model
from vqa_agent.lipsync.aggregate import Opinion, Reason
from vqa_agent.lipsync.faces import FaceFinder
from vqa_agent.lipsync.fragment import AROUND, Fragment, Listener
from vqa_agent.lipsync.stamps import StampWatch
from vqa_agent.media import Picture, Sample, Sound

SHORTEST = 2.0
"""Seconds of pictures that a last, shorter fragment needs to be judged."""

SILENT_WAIT = 3.0
"""Seconds for which a fragment waits for sound that does not come."""

LISTENS_BEFORE = AROUND + 3.0
"""Seconds of sound before a fragment that are listened to: what is compared, and what a beep stands out from."""

UNHEARD = 2.0
"""Seconds of sound that this detector was not shown, after which time stamps are watched anew."""

TOUCHING = 0.2
"""Seconds between two fragments that count as one piece."""

PATTERN_CERTAIN = 2
"""Flashes with beeps at one offset that make a line-up pattern."""


class AvSyncSettings(Settings):
    fragment: float = Field(4.0, ge=3, le=10, description="Seconds that are judged at once.")
    every: float = Field(30.0, ge=3, le=3600, description="Seconds from one fragment to the next, live.")
    confidence: float | None = Field(
        None, ge=0, le=30, description="Least confidence of a verdict; unset: the model's."
    )
    early: float = Field(0.045, gt=0, le=1, description="Seconds by which sound may be early.")
    late: float = Field(0.125, gt=0, le=1, description="Seconds by which sound may be late.")
    early_alarm: float = Field(0.090, gt=0, le=1, description="Seconds of early sound from which it is major.")
    late_alarm: float = Field(0.185, gt=0, le=1, description="Seconds of late sound from which it is major.")
    margin: float = Field(0.03, ge=0, le=0.2, description="Error of an estimate in seconds, in favour of the stream.")


@register(
    "av_sync",
    reads="both",
    cost="neural",
    live=Rule(set_time=0.0, clear_time=90.0, count=3, looks=5),
    file=Rule(set_time=0.0, clear_time=8.0, count=1, looks=2),
)
class AvSync(Detector[AvSyncSettings]):
    """Sees: sound that is early or late against the lips of a person who speaks in the picture; without a face, the
    offset of a line-up pattern (flashes with beeps). Each fragment ends as in sync, out of sync, or inconclusive with
    the reason: no face, no speech, mouth not seen, tracks disagree, low confidence, too few pictures.

    Formula: faces are found five times a second and followed; each mouth is cut out, upright and of one size, 25 times
    a second. One network turns five mouths, another 0.2 s of the voice around them, into a point each; both were
    trained so that what belongs together comes close. The voice slides +-3 s along the mouths. The windows of 1 s in
    which the voice is heard and the mouth moves are pooled, and the minimum of their mean distance, refined by a
    parabola, is the offset, if it lies within 0.92 s. Its confidence is how many standard deviations it lies below the
    curve elsewhere, which is what chance makes of this mouth and this voice, times the root of the share of the windows
    that find the same offset within 80 ms by themselves. A fragment that alone is not sure counts together with the
    one before or after it, if both lead to the same offset. Faces that are sure and disagree give no verdict. Out of
    sync is what lies beyond `early` or `late` by more than `margin`; it is major from `early_alarm` or `late_alarm`
    on, and minor before. `transport` in the detail is evidence and no verdict: sound that begins after the pictures
    or before them, and time stamps of the sound that step or drift against its samples. So is an offset without a
    face that claps give with cuts or flashes: it is told as of low confidence, because music is cut to its beats and
    thunder comes late.

    Settings: `every` is the price live (one fragment costs up to 1 s of a core); files are judged throughout. Raise
    `confidence` to say less and err less. Live, three of the last five conclusive fragments must be out of sync.

    Mistakes: a dub that follows foreign lips closely. Misses: voice-over, singing, a mouth smaller than about 15
    pixels or turned away, offsets beyond 1 s. What lies between the limits and `margin` counts as in sync.

    Source: limits of ITU-R BT.1359-1; J. S. Chung, A. Zisserman, Out of time: automated lip sync in the wild (2016).

    >>> import numpy as np
    >>> detector = AvSync(AvSyncSettings(), Profile.FILE)
    >>> def flash(number):
    ...     light = 200 if number % 25 == 0 and number else 20
    ...     return Picture(time=number / 25, duration=0.04, luma=np.full((36, 64), light, np.uint8))
    >>> wave = np.zeros((1, 48000 * 8), np.float32)
    >>> for second in range(1, 8):
    ...     start = round((second + 0.2) * 48000)
    ...     wave[0, start : start + 2000] = np.sin(np.arange(2000) * 0.13)
    >>> found = []
    >>> for number in range(200):
    ...     found += detector.look(flash(number))
    ...     block = wave[:, number * 1920 : number * 1920 + 1920]
    ...     found += detector.look(Sound(time=number / 25, rate=48000, samples=block))
    >>> [(finding.detail["verdict"], finding.detail["offset_ms"]) for finding in found]
    [('out_of_sync', 200)]
    """

    least_rate = 20.0

    def reset(self) -> None:
        self._listener = Listener()
        self._stamps = StampWatch()
        self._fragment: Fragment | None = None
        self._waiting: list[Fragment] = []
        self._before: Fragment | None = None
        self._unsure: tuple[Fragment, Fragment | None] | None = None
        self._next_start = float("-inf")
        self._heard_until = float("inf")

    @cached_property
    def _faces(self) -> FaceFinder:
        return FaceFinder()

    @cached_property
    def _model(self) -> Model:
        return open_model("sync")

    def wants(self, sample: Sample, neural: bool) -> bool:
        """All sound, and every picture of a fragment: the movement of lips needs them all."""
        return not isinstance(sample, Picture) or self._fragment is not None or sample.time >= self._next_start

    def look(self, sample: Picture | Sound) -> Iterable[Finding]:
        if isinstance(sample, Sound):
            self._hear_block(sample)
        else:
            if self.profile is Profile.FILE:
                self._stamps.see(sample)
            self._watch(sample)
        yield from self._ripe(sample.time)

    def close(self) -> Iterator[Finding]:
        if self._fragment is not None and self._fragment.seen_until - self._fragment.start >= SHORTEST:
            self._waiting.append(self._fragment)
        self._fragment = None
        while self._waiting:
            yield from self._hear(self._waiting.pop(0))
        yield from self._settle(None)

    def _hear_block(self, sound: Sound) -> None:
        if self._fragment or self._waiting or sound.end >= self._next_start - LISTENS_BEFORE:
            self._listener.hear(sound)
        if sound.time - self._heard_until > UNHEARD:
            self._stamps = StampWatch()
        self._heard_until = sound.end
        self._stamps.hear(sound)

    def _watch(self, picture: Picture) -> None:
        if self._fragment is not None and picture.time >= self._fragment.end - 1e-3:
            self._waiting.append(self._fragment)
            self._fragment = None
        if self._fragment is None and picture.time >= self._next_start:
            self._fragment = Fragment(picture.time, picture.time + self.settings.fragment, self._faces.find)
            self._next_start = self._fragment.end + self._pause - 1e-3
        if self._fragment is not None:
            self._fragment.watch(picture)

    @property
    def _pause(self) -> float:
        """Seconds between two fragments."""
        return 0.0 if self.profile is Profile.FILE else max(0.0, self.settings.every - self.settings.fragment)

    def _ripe(self, now: float) -> Iterator[Finding]:
        """Verdicts that become possible as enough sound has come after a fragment."""
        while self._waiting:
            end = self._waiting[0].end + AROUND + 0.1
            if self._listener.end < end and now < end + SILENT_WAIT:
                break
            yield from self._hear(self._waiting.pop(0))
        oldest = min([now, *(fragment.start for fragment in [*self._waiting, self._fragment] if fragment)])
        self._listener.forget(oldest - AROUND - 1.0)

    def _hear(self, fragment: Fragment) -> Iterator[Finding]:
        """The verdict on a fragment, unless the next one may make it surer, and the one that waited for this."""
        if fragment.mouths():
            fragment.hear(self._listener.ear, self._model)
        yield from self._settle(fragment)
        before, self._before = self._before, fragment
        pattern = fragment.pattern(self._listener)
        if pattern is not None and pattern.pairs >= PATTERN_CERTAIN:
            yield self._finding(fragment, Opinion(pattern.seconds, 1.0, None, pattern.pairs), "pattern", 0.0)
            return
        opinion = self._lips(fragment, before)
        hint = pattern or fragment.claps(self._listener)
        if hint is not None and opinion.reason is Reason.NO_FACE:
            opinion = Opinion(hint.seconds, 0.0, Reason.LOW_CONFIDENCE, hint.pairs)
        if opinion.reason is Reason.LOW_CONFIDENCE and fragment.said and self._pause < TOUCHING:
            self._unsure = fragment, before
        else:
            yield self._finding(fragment, opinion, "lips", self.settings.margin)

    def _settle(self, after: Fragment | None) -> Iterator[Finding]:
        """The verdict that waited for the fragment `after`."""
        if self._unsure is not None:
            (fragment, before), self._unsure = self._unsure, None
            yield self._finding(fragment, self._lips(fragment, before, after), "lips", self.settings.margin)

    def _lips(self, fragment: Fragment, before: Fragment | None, after: Fragment | None = None) -> Opinion:
        """What the mouths say; the network is opened when there is one to look at."""
        if not fragment.mouths():
            return Opinion(None, 0.0, Reason.NO_FACE)
        least = self.settings.confidence
        if least is None:
            least = self._model.info.thresholds["confidence"]
        return fragment.opinion(least, _if_touching(before, fragment), _if_touching(after, fragment))

    def _finding(self, fragment: Fragment, opinion: Opinion, by: str, margin: float) -> Finding:
        offset, sure = opinion.offset, opinion.reason is None
        detail: dict[str, Any] = {"verdict": "inconclusive", "offset_ms": None}
        detail["confidence"] = round(opinion.confidence, 3)
        if offset is not None:
            detail["offset_ms"] = round(offset * 1000)
        if (stamps := self._stamps.told()) is not None:
            detail["transport"] = stamps
        if not sure:
            detail["reason"] = str(opinion.reason)
            return Finding(
                self.name, fragment.start, fragment.seen_until, 0.0, bad=False, conclusive=False, detail=detail
            )
        assert offset is not None
        excess = max(offset - self.settings.late, -offset - self.settings.early)
        bad = excess > margin
        alarm = offset >= self.settings.late_alarm or offset <= -self.settings.early_alarm
        detail |= {"verdict": "out_of_sync" if bad else "in_sync", "by": by}
        score = min(1.0, abs(offset) / (2 * (self.settings.late_alarm if offset > 0 else self.settings.early_alarm)))
        severity = (self.settings.severity if alarm else Severity.MINOR) if bad else None
        return Finding(self.name, fragment.start, fragment.seen_until, score, bad, detail=detail, severity=severity)


def _if_touching(neighbour: Fragment | None, fragment: Fragment) -> Fragment | None:
    """`neighbour`, where nothing lies between it and `fragment`."""
    if neighbour is None:
        return None
    first, second = sorted((neighbour, fragment), key=lambda each: each.start)
    return neighbour if second.start - first.seen_until < TOUCHING else None
