"""Sound whose tops are cut off."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Sound

FULL_SCALE = 32766 / 32768
"""Samples at or beyond this are at full scale, in whatever word length."""

SAME = 2.0e-6
"""Samples that differ by less are equal: one step at 24 bits is 1.2e-7, at 16 bits 3.1e-5."""


COARSE = 6.0
"""Steps of the word length within which tops of 8-bit sound are flat by rounding alone."""


class ClippingSettings(Settings):
    run: int = Field(3, ge=2, le=100, description="Equal samples in a row that make a flat top.")
    angle: float = Field(0.004, gt=0, le=0.2, description="Least step into a flat top, as a share of its height.")
    level: float = Field(-30.0, ge=-90, le=0, description="Height in dBFS below which flat tops are not looked for.")


@register(
    "clipping",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=3),
    file=Rule(set_time=10.0, clear_time=2.0, count=2),
)
class Clipping(Detector[ClippingSettings]):
    """Sees: flat tops, at full scale and also after the sound was made quieter.

    Formula: in 100 ms of one channel, at least `run` equal samples in a row at the greatest positive or negative
    value, which is above `level`, and which the wave reaches at an angle: the step into the run is at least `angle`
    of its height. A smooth wave that is rounded to whole numbers has short runs at its tops too, but glides into
    them. At full scale (32766 of 32768 and beyond) the angle does not matter. A block counts once.

    Settings: raise `run` or `angle` to forgive more; lower `level` to look into quieter sound.

    Mistakes: square waves and hard-clipped synthesisers, which are flat by intent. Misses: tops that a lossy codec
    has rounded after they were cut (nothing in them is equal any more), soft saturation.

    Source: runs of full-scale samples as level meters count them (3 samples); flat tops below full scale as in the
    histogram methods of clip detection.

    >>> import numpy as np
    >>> wave = np.clip(2 * np.sin(np.arange(4800) * 0.1), -1, 1).astype(np.float32)[None] * np.float32(0.3)
    >>> [(finding.bad, finding.detail["dbfs"]) for finding in Clipping(ClippingSettings()).look(
    ...     Sound(time=0.0, rate=48000, samples=wave))]
    [(True, -10.5)]
    """

    def look(self, sound: Sound) -> Iterable[Finding]:
        worst, height = 0, 0.0
        for channel in sound.samples:
            for half in (channel, -channel):
                runs, top = self._flat_tops(half)
                if runs > worst:
                    worst, height = runs, top
        detail = {"tops": worst, "dbfs": round(20 * float(np.log10(height)), 1)} if worst else {}
        score = min(1.0, 0.5 + worst / 40) if worst else 0.0
        yield Finding(self.name, sound.time, sound.end, score, bad=worst > 0, detail=detail)

    def _flat_tops(self, wave: NDArray[np.float32]) -> tuple[int, float]:
        """How many flat tops the positive half of a block has, and how high they are."""
        top = float(wave.max(initial=0.0))
        if top < 10 ** (self.settings.level / 20):
            return 0, top
        limit = FULL_SCALE if top >= FULL_SCALE else top - max(SAME, 1e-6 * top)
        at_top = wave >= limit
        starts, lengths = runs_of(at_top)
        long = lengths >= self.settings.run
        if not long.any():
            return 0, top
        if top >= FULL_SCALE:
            return int(np.count_nonzero(long)), top
        starts, lengths = starts[long], lengths[long]
        inside = (starts > 0) & (starts + lengths < len(wave))
        starts, lengths = starts[inside], lengths[inside]
        steps = np.minimum(top - wave[starts - 1], top - wave[starts + lengths])
        if not len(steps):
            return 0, top
        least = max(self.settings.angle * top, COARSE * word_step(wave))
        return int(np.count_nonzero(steps >= least)), top


def word_step(wave: NDArray[np.float32]) -> float:
    """The smallest difference between two values of a block: the step of its word length, if that is coarse."""
    values = np.unique(wave)
    return float(np.diff(values).min()) if len(values) > 1 else 0.0


def runs_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2] - edges[::2]
