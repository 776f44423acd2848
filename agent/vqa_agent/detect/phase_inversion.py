"""One channel of a pair with its polarity turned over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from pydantic import Field

from vqa_agent.detect.channel_missing import PAIRS
from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Sound

WINDOW = 10
"""Blocks of 100 ms over which the correlation is measured."""


class PhaseInversionSettings(Settings):
    correlation: float = Field(-0.5, ge=-1, lt=0, description="Correlation of the pair below which it is inverted.")
    level: float = Field(-50.0, ge=-120, le=0, description="RMS in dBFS that both channels must have.")


@register(
    "phase_inversion",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=5.0),
    file=Rule(set_time=3.0, clear_time=1.0),
)
class PhaseInversion(Detector[PhaseInversionSettings]):
    """Sees: a left/right pair whose channels cancel each other in mono, as a crossed cable makes them.

    Formula: over one second, the sum of the products of the two channels (less their means) divided by the root of
    the product of their energies; inverted below `correlation` while both channels are above `level`. In a pause the
    last judgement stands.

    Settings: raise `correlation` towards 0 to catch wider material; raise `level` to judge loud passages only.

    Mistakes: effects and synthesisers that are out of phase by intent for the whole set time. Misses: inverted
    channels that carry different sound (correlation about 0 either way); a delay between the channels.

    Source: correlation below 0 alarms multiviewers; clean masters dip below it for moments, hence -0.5 held for
    seconds; EBU R 68 practice of mono compatibility.

    >>> import numpy as np
    >>> wave = 0.1 * np.sin(np.arange(4800) * 0.1).astype(np.float32)
    >>> crossed = Sound(time=0.0, rate=48000, samples=np.stack([wave, -wave]), names=("FL", "FR"))
    >>> findings = PhaseInversion(PhaseInversionSettings()).look(crossed)
    >>> [(finding.bad, finding.detail["correlation"]) for finding in findings]
    [(True, -1.0)]
    """

    def reset(self) -> None:
        self._sums: dict[tuple[str, str], deque[tuple[float, float, float, int]]] = {}
        self._bad = False
        self._correlation = 1.0

    def look(self, sound: Sound) -> Iterable[Finding]:
        names = ("FL", "FR") if sound.channels == 2 else sound.names
        pairs = [pair for pair in PAIRS if set(pair) <= set(names)]
        if not pairs:
            return
        measured = [value for pair in pairs if (value := self._measure(sound, names, pair)) is not None]
        if measured:
            self._correlation = min(measured)
            self._bad = self._correlation < self.settings.correlation
        yield Finding(
            detector=self.name,
            start=sound.time,
            end=sound.end,
            score=min(1.0, max(0.0, -self._correlation)),
            bad=self._bad,
            detail={"correlation": round(self._correlation, 2)},
        )

    def _measure(self, sound: Sound, names: tuple[str, ...], pair: tuple[str, str]) -> float | None:
        """Correlation of a pair over the last second; None while one of its channels is quiet."""
        left, right = (sound.samples[names.index(name)].astype(np.float64) for name in pair)
        left, right = left - left.mean(), right - right.mean()
        sums = self._sums.setdefault(pair, deque(maxlen=WINDOW))
        sums.append((float(left @ right), float(left @ left), float(right @ right), len(left)))
        product, one, other, count = (sum(column) for column in zip(*sums, strict=True))
        quiet = count * 10 ** (self.settings.level / 10)
        if one <= quiet or other <= quiet:
            return None
        return float(product / np.sqrt(one * other))
