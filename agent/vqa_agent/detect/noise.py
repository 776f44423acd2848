"""Pictures full of noise."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.history import Normal, Pace
from vqa_agent.measures import STRIPS, layout, strips
from vqa_agent.media import Picture

CELLS = 24
"""Cells across the picture; each strip of rows is one cell high."""

LEAST_CELLS = 0.1
"""Share of the cells that must be neither black nor white, or nothing can be said."""

ENDS = 8
"""Cells whose mean lies within so many codes of black or white have lost their noise there."""

FLOOR = 0.5
"""Code values added before the logarithm: below that, noise is not seen."""

TO_SIGMA = 1.2533 / 6**0.5
"""From the mean absolute second difference of white noise to its standard deviation: sqrt(pi / 2) / sqrt(1 + 4 + 1)."""


class NoiseSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    factor: float = Field(2.5, gt=1.1, le=20, description="Times by which noise must grow within a scene.")
    least: float = Field(3.0, gt=0.5, le=40, description="Noise in code values below which growth does not matter.")
    level: float = Field(8.0, gt=1, le=60, description="Noise in code values that is too much in any file.")
    whiteness: float = Field(1.3, gt=1, le=2, description="Greatest change over two pixels against that over one.")
    evenness: float = Field(0.6, gt=0, le=1, description="Noise of the quietest fifth of the cells against the median.")


@register(
    "noise",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Noise(Detector[NoiseSettings]):
    """Sees: noise that sets in all at once; in files also strong noise whenever it is there.

    Formula: in 12 x 24 cells (strips of 8 rows at full resolution), the standard deviation of the second difference
    along the rows, and of that of the change since the picture before; the smaller of the two is the cell's noise, in
    8-bit code values: it is in space and in time. The quietest fifth of the cells is the picture's noise. Noise is
    everywhere and has no shape: if that fifth is below `evenness` of the median, or the change of the quieter cells
    differs more over two pixels than over one (beyond `whiteness`), what is seen is texture that moves, rain, water or
    a crowd. Noisy from when it grows by `factor` within a scene (no cut, and still the same scene 0.6 s later), to at
    least `least`, until it is half back (in octaves); in files also while it is above `level`.

    Settings: lower `factor`, `least` and `level` to see weaker noise; raise `evenness` and
    lower `whiteness` where textures are taken for it.

    Mistakes: spray or snow as fine as pixels that fills the picture. Misses: noise that a coder or a scaler has
    smoothed, or that repeats with the pictures; noise that begins at a cut (live); noise as weak as film grain.

    Source: fast noise variance estimation (Immerkaer 1996), with the temporal noise of the same cells. `level` 8 is a
    signal-to-noise ratio of 29 dB; grain of film is 2 to 5.

    >>> import numpy as np
    >>> rng, before = np.random.default_rng(1), None
    >>> for number in range(2):
    ...     luma = np.clip(rng.normal(120, 10, (180, 320)), 16, 235).astype(np.uint8)
    ...     before = Picture(time=number / 25, duration=0.04, luma=luma, previous=before)
    >>> noise = Grain(before)
    >>> round(noise.quiet), round(noise.middle), round(noise.whiteness, 1)
    (9, 10, 1.0)
    """

    def reset(self) -> None:
        self._pace = Pace()
        self._normal = Normal(float(np.log2(self.settings.factor)))

    def memory(self) -> dict[str, float | int | None]:
        """What is normal here: log2 of the noise in code values plus 0.5."""
        return self._normal.memory()

    def look(self, picture: Picture) -> Iterable[Finding]:
        self._normal.follow(picture)
        if not self._pace.due(picture.time) or (grain := Grain(picture)).unknown:
            return
        settings = self.settings
        seen = grain.quiet
        if seen >= settings.least and not self._is_noise(grain):
            seen = settings.least / 2
        since = self._normal.see(picture.time, float(np.log2(seen + FLOOR)), layout(picture))
        grown = since is not None and seen >= settings.least
        bad = grown or (self.profile is Profile.FILE and seen >= settings.level)
        yield Finding(
            detector=self.name,
            start=since if since is not None and grown else picture.time,
            end=picture.end,
            score=min(1.0, seen / (2 * settings.level)) if bad else 0.0,
            bad=bad,
            detail={"codes": round(seen, 1), "usual": self._usual()} if bad else {},
        )

    def _is_noise(self, grain: Grain) -> bool:
        settings = self.settings
        return grain.quiet >= settings.evenness * grain.middle and grain.whiteness <= settings.whiteness

    def _usual(self) -> float | None:
        typical = self._normal.typical
        return None if typical is None else round(max(0.0, float(2**typical) - FLOOR), 1)


class Grain:
    """What is fine and new in a picture, by cells.

    `quiet` and `middle` are the noise of the quietest fifth and of the median of the cells, in 8-bit code values;
    `whiteness` is the change over two pixels against that over one in the quieter cells: 1 for white noise, more for
    textures. `unknown` if the picture has no predecessor or is black or white all over.
    """

    def __init__(self, picture: Picture) -> None:
        before = picture.previous
        self.unknown = before is None or before.luma.shape != picture.luma.shape
        if before is None or self.unknown:
            return
        rows = strips(picture).astype(np.int16)
        self._change = rows - strips(before)
        self._noise = np.minimum(_sigma(rows), _sigma(self._change) / np.float32(2**0.5))
        means = _cells(rows.astype(np.float32))
        self._usable = (means > picture.levels.black + ENDS) & (means < picture.levels.white - ENDS)
        self.unknown = np.count_nonzero(self._usable) < LEAST_CELLS * self._noise.size
        if not self.unknown:
            ordered = np.sort(self._noise[self._usable])
            self.quiet, self._limit, self.middle = (
                float(ordered[int(len(ordered) * part)]) for part in (0.2, 0.4, 0.5)
            )

    @property
    def whiteness(self) -> float:
        quieter = self._usable & (self._noise <= self._limit)
        one, two = (np.abs(self._change[:, step:] - self._change[:, :-step]).astype(np.float32) for step in (1, 2))
        return float(_cells(two)[quieter].sum() / max(1e-6, _cells(one)[quieter].sum()))


def _sigma(rows: NDArray[np.int16]) -> NDArray[np.float32]:
    """(strips, cells) standard deviation of what differs from pixel to pixel along the rows."""
    second = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return _cells(np.abs(second).astype(np.float32)) * np.float32(TO_SIGMA)


def _cells(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(strips, cells) mean of each cell."""
    size = rows.shape[1] // CELLS
    even = rows[:, : size * CELLS]
    return np.asarray(cv2.resize(even, (CELLS, STRIPS), interpolation=cv2.INTER_AREA), dtype=np.float32)
