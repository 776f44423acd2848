"""Sound whose tops are cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Samples, Sound

FULL_SCALE = 32766 / 32768
"""Samples at or beyond this are at full scale, in whatever word length."""

SAME = 2.0e-6
"""Samples that differ by less are equal: one step at 24 bits is 1.2e-7, at 16 bits 3.1e-5."""

COARSE = 6.0
"""Steps of the word length within which tops of 8-bit sound are flat by rounding alone."""

WINDOW = 0.5
"""Seconds over which tops that are no longer flat are looked at: enough of them to tell what they have in common."""

NEAR, HALFWAY = 0.85, 0.5
"""Shares of the greatest value from which on samples are near it, and from which on a wave rises towards it."""

FEWEST = 3.0
"""Samples that waves must stay above `HALFWAY` on average: what is shorter has no shape to be seen."""

WAVES, SHARE = 10, 0.002
"""Waves in a window, and share of its samples, that must come near the greatest value."""


class ClippingSettings(Settings):
    run: int = Field(3, ge=2, le=100, description="Equal samples in a row that make a flat top.")
    angle: float = Field(0.004, gt=0, le=0.2, description="Least step into a flat top, as a share of its height.")
    level: float = Field(-30.0, ge=-90, le=0, description="Height in dBFS below which flat tops are not looked for.")
    blunt: float = Field(1.4, gt=1.2, le=20, description="Times longer near the ceiling than on the way to it.")


@register(
    "clipping",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=3),
    file=Rule(set_time=10.0, clear_time=2.0, count=2),
)
class Clipping(Detector[ClippingSettings]):
    """Sees: flat tops, at full scale and also after the sound was made quieter.

    Formula: in 100 ms of one channel, at least `run` equal samples in a row at the greatest positive or negative value,
    which is above `level`, and which the wave reaches at an angle: the step into the run is at least `angle` of its
    height. A smooth wave that is rounded to whole numbers has short runs at its tops too, but glides into them. At full
    scale (32766 of 32768) the angle does not matter; what a lossy codec decodes beyond it must be flat as well. A block
    counts once, and only with two such tops or one that is twice as long: a limiter leaves a short one now and then. A
    lossy codec makes flat tops uneven; they are still blunt: in half a second, all waves that come within 85 % of the
    greatest value are `blunt` times longer there than they are between 50 and 85 % (a sine 1.1 times, speech and music
    less).

    Settings: raise `run`, `angle` or `blunt` to forgive more; lower `level` to look into quieter sound.

    Mistakes: square waves and hard-clipped synthesisers, which are flat by intent. Misses: sound that was only slightly
    clipped before a lossy codec and made quieter; soft saturation.

    Source: runs of full-scale samples as level meters count them (3 samples); flat tops below full scale as in the
    histogram methods of clip detection; the time spent near the ceiling as its excess in the histogram shows it.

    >>> import numpy as np
    >>> wave = np.clip(2 * np.sin(np.arange(4800) * 0.1), -1, 1).astype(np.float32)[None] * np.float32(0.3)
    >>> [(finding.bad, finding.detail["dbfs"]) for finding in Clipping(ClippingSettings()).look(
    ...     Sound(time=0.0, rate=48000, samples=wave))]
    [(True, -10.5)]
    """

    def reset(self) -> None:
        self._window: list[Sound] = []

    def look(self, sound: Sound) -> Iterable[Finding]:
        start, (worst, height) = sound.time, max(map(self._flat_tops, _halves(sound.samples)))
        if (window := self._complete(sound)) and not worst:
            start = window[0].time
            together = np.concatenate([block.samples for block in window], axis=1)
            worst, height = max(map(self._blunt_tops, _halves(together)))
        detail = {"tops": worst, "dbfs": round(20 * float(np.log10(height)), 1)} if worst else {}
        score = min(1.0, 0.5 + worst / 40) if worst else 0.0
        yield Finding(self.name, start, sound.end, score, bad=worst > 0, detail=detail)

    def _complete(self, sound: Sound) -> list[Sound]:
        """The blocks of a window that `sound` completes, or nothing."""
        before = self._window[-1] if self._window else sound
        if (sound.rate, sound.channels) != (before.rate, before.channels) or sound.time < before.time:
            self._window = []
        self._window.append(sound)
        if sound.end - self._window[0].time < WINDOW:
            return []
        window, self._window = self._window, []
        return window

    def _flat_tops(self, wave: NDArray[np.float32]) -> tuple[int, float]:
        """How many flat tops the positive half of a block has, and how high they are."""
        top = float(wave.max(initial=0.0))
        if top < 10 ** (self.settings.level / 20):
            return 0, top
        at_full_scale = FULL_SCALE <= top <= 1.0
        limit = FULL_SCALE if at_full_scale else top - max(SAME, 1e-6 * top)
        at_top = wave >= limit
        starts, lengths = runs_of(at_top)
        long = lengths >= self.settings.run
        if not long.any():
            return 0, top
        starts, lengths = starts[long], lengths[long]
        if not at_full_scale:
            inside = (starts > 0) & (starts + lengths < len(wave))
            starts, lengths = starts[inside], lengths[inside]
            steps = np.minimum(top - wave[starts - 1], top - wave[starts + lengths])
            least = max(self.settings.angle * top, COARSE * word_step(wave))
            lengths = lengths[steps >= least]
        enough = len(lengths) > 1 or lengths.max(initial=0) >= 2 * self.settings.run
        return len(lengths) if enough else 0, top

    def _blunt_tops(self, wave: NDArray[np.float32]) -> tuple[int, float]:
        """How many blunt tops the positive half of a window has, and how high they are."""
        top = float(wave.max(initial=0.0))
        near = wave >= NEAR * top
        if top < 10 ** (self.settings.level / 20) or np.count_nonzero(near) < SHARE * len(wave):
            return 0, top
        starts, lengths = _stays(wave, HALFWAY * top)
        waves = np.add.reduceat(near, starts, dtype=np.intp) > 0
        count = int(np.count_nonzero(waves))
        if count < WAVES:
            return 0, top
        whole, at_top = float(lengths[waves].sum()), float(_stays(wave, NEAR * top)[1].sum())
        is_blunt = whole >= FEWEST * count and at_top >= self.settings.blunt * (whole - at_top)
        return count if is_blunt else 0, top


def _stays(wave: NDArray[np.float32], level: float) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """First samples of the stretches at or above `level`, and their lengths in samples, crossings interpolated."""
    starts, counts = runs_of(wave >= level)
    ends = starts + counts
    padded = np.concatenate([wave[:1], wave, wave[-1:]]).astype(np.float64)
    lengths = counts - 1.0
    for inside, outside in ((padded[starts + 1], padded[starts]), (padded[ends], padded[ends + 1])):
        # At the ends of the block the outside is the sample itself: no step, and no more than the sample.
        lengths += np.where(inside > outside, (inside - level) / np.maximum(inside - outside, 1e-12), 0.5)
    return starts, lengths


def _halves(samples: Samples) -> Iterator[NDArray[np.float32]]:
    """Each channel, and each turned over."""
    for channel in samples:
        yield channel
        yield -channel


def word_step(wave: NDArray[np.float32]) -> float:
    """The smallest difference between two values of a block: the step of its word length, if that is coarse."""
    values = np.unique(wave)
    return float(np.diff(values).min()) if len(values) > 1 else 0.0


def runs_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2] - edges[::2]
