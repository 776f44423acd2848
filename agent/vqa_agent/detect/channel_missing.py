"""One channel of a pair that is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.detect.silence import alternating_level
from vqa_agent.media import Sound

PAIRS = (("FL", "FR"), ("SL", "SR"), ("BL", "BR"))
"""Channels that carry much the same programme. Centre and effects have no partner."""


class ChannelMissingSettings(Settings):
    level: float = Field(-60.0, ge=-120, le=0, description="RMS in dBFS at or below which a channel is missing.")
    partner: float = Field(-50.0, ge=-120, le=0, description="RMS in dBFS above which its partner carries programme.")
    distance: float = Field(20.0, ge=0, le=120, description="Least distance in dB between the two.")


@register(
    "channel_missing",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=5.0),
    file=Rule(set_time=3.0, clear_time=1.0),
)
class ChannelMissing(Detector[ChannelMissingSettings]):
    """Sees: one channel of a pair silent while the other carries programme.

    Formula: over 100 ms, one channel of a left/right pair is at or below `level` while the other is above `partner`
    and at least `distance` dB louder. While both are quiet (a pause) the last judgement stands. Surround pairs count
    only once both of their channels have carried sound: surround channels are silent by intent for long times.

    Settings: raise `level` to call a noisy channel missing; raise `partner` to judge in loud passages only.

    Mistakes: material that is hard-panned to one side for the set time. A front channel that has never carried sound
    is reported as minor: as often as not the source is mono on one side by intent. Misses: a channel that carries
    hum or noise in place of the programme.

    Source: multichannel probes' "missing channel" rules; partner level -50 dBFS.

    >>> import numpy as np
    >>> wave = 0.1 * np.sin(np.arange(4800) * 0.1).astype(np.float32)
    >>> left = Sound(time=0.0, rate=48000, samples=np.stack([wave, 0 * wave]), names=("FL", "FR"))
    >>> [(finding.bad, finding.detail["channel"]) for finding in ChannelMissing(ChannelMissingSettings()).look(left)]
    [(True, 'FR')]
    """

    def reset(self) -> None:
        self._heard: set[str] = set()
        self._last: Finding | None = None

    def look(self, sound: Sound) -> Iterable[Finding]:
        names = ("FL", "FR") if sound.channels == 2 else sound.names
        levels = dict(zip(names, (float(level) for level in alternating_level(sound)), strict=True))
        self._heard |= {name for name, level in levels.items() if level > self.settings.partner}
        pairs = [pair for pair in PAIRS if set(pair) <= set(levels)]
        if not pairs:
            return
        judged = [finding for pair in pairs if (finding := self._judge(sound, levels, pair)) is not None]
        yield from self._strongest(sound, judged)

    def _judge(self, sound: Sound, levels: dict[str, float], pair: tuple[str, str]) -> Finding | None:
        """What one pair says; None while both are quiet or the pair has not been in use."""
        quiet, loud = sorted(pair, key=lambda name: levels[name])
        settings = self.settings
        if levels[loud] <= settings.partner or (pair != PAIRS[0] and not set(pair) <= self._heard):
            return None
        bad = levels[quiet] <= settings.level and levels[loud] - levels[quiet] >= settings.distance
        return Finding(
            detector=self.name,
            start=sound.time,
            end=sound.end,
            score=1.0 if bad else 0.0,
            bad=bad,
            detail={"channel": quiet, "dbfs": round(levels[quiet], 1), "partner": round(levels[loud], 1)},
            severity=Severity.MINOR if quiet not in self._heard else None,
        )

    def _strongest(self, sound: Sound, judged: list[Finding]) -> Iterator[Finding]:
        if judged:
            self._last = max(judged, key=lambda finding: finding.bad)
            yield self._last
        elif self._last is not None:
            # A pause says nothing new: the last judgement stands, so that pauses do not interrupt a fault.
            last = self._last
            yield Finding(
                self.name, sound.time, sound.end, last.score, last.bad, detail=last.detail, severity=last.severity
            )
