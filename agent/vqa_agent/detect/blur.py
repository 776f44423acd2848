"""Pictures that lose their detail."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Profile, Rule, Settings, Severity, register
from vqa_agent.history import LOOK_INTERVAL, Normal, Pace
from vqa_agent.measures import STRIPS, WIDE, layout, strips
from vqa_agent.media import Picture, Plane

WINDOW = 17
"""Pixels over which an edge is looked at; the widest edge that can be told."""

CONTRAST = 30
"""Least height of an edge, in code values: lower ones drown in noise and coding."""

CELLS = 24
"""Cells across the picture; each strip of rows is one cell high."""

LEAST_CELLS = 0.05
"""Share of the cells that must have edges, or nothing can be said."""


class BlurSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    factor: float = Field(1.33, gt=1.05, le=8, description="Times by which edges must widen within a scene.")
    width: float = Field(6.5, gt=1, le=WINDOW, description="Edge width in pixels that is blurred in any file.")
    sharpest: float = Field(5.0, gt=1, le=WINDOW, description="Width of the sharpest edges in such a picture.")


@register(
    "blur",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Blur(Detector[BlurSettings]):
    """Sees: a picture that loses its detail all at once; in files also one without any detail.

    Formula: the width of an edge is its height over its steepest step, both within 17 pixels along a row, at full
    resolution, in 12 strips of 8 rows (wide pictures: 4 rows, every second pixel), five times a second. Each of
    12 x 24 cells counts with its second sharpest edge. The picture is blurred from when the edge widths that 5 % and
    12.5 % of the cells stay below both grow by `factor` at once within a scene (no cut, and still the same scene 0.6 s
    later) until one of them is half back, or a cut leads to pictures as sharp as usual: a caption that goes away
    changes the sharpest cells only. In files also while the lower quartile of the cells is above `width` and the
    sharpest 5 % of them are above `sharpest`.

    Settings: lower `factor` to see slighter loss of detail; lower `width` and `sharpest` to call soft files blurred.

    Mistakes: a camera that loses its focus at once; a live programme blurred on purpose as the ground for a caption.
    Misses: slow loss of focus, a blur that begins at a cut (live), in fast movement, or under large sharp graphics.

    Source: edge widths after Marziliano et al. 2002, as in ffmpeg blurdetect; no absolute limit exists in the field,
    so the limits for files are those that no clean recording came near.

    >>> import numpy as np
    >>> image = np.kron(np.random.default_rng(1).integers(40, 200, (12, 20)), np.ones((15, 16))).astype(np.uint8)
    >>> soft = cv2.GaussianBlur(image, (0, 0), 8)
    >>> pictures = [Picture(time=0.0, duration=0.2, luma=luma) for luma in (image, soft)]
    >>> [round(edge_widths(picture)[2]) for picture in pictures]
    [1, 10]
    """

    def reset(self) -> None:
        self._pace = Pace()
        jump = float(np.log2(self.settings.factor))
        self._normal, self._sharpest = Normal(jump), Normal(jump)

    def memory(self) -> dict[str, float | int | None]:
        """What is normal here: log2 of the edge width in pixels."""
        return self._normal.memory()

    def look(self, picture: Picture) -> Iterable[Finding]:
        for normal in (self._normal, self._sharpest):
            normal.follow(picture)
        if not self._pace.due(picture.time):
            return
        sharpest, sharp, width = edge_widths(picture)
        if width:
            view = layout(picture)
            self._normal.see(picture.time, float(np.log2(sharp)), view)
            self._sharpest.see(picture.time, float(np.log2(sharpest)), view)
        since = self._since()
        extreme = self.profile is Profile.FILE and width >= self.settings.width and sharpest >= self.settings.sharpest
        bad = extreme or since is not None
        yield Finding(
            detector=self.name,
            start=since if since is not None else picture.time,
            end=picture.end,
            score=min(1.0, width / (2 * self.settings.width)) if bad else 0.0,
            bad=bad,
            detail={"edge_px": round(sharp, 1), "usual_px": self._usual()} if bad else {},
        )

    def _since(self) -> float | None:
        """Since when the picture is softer than it was: all of it, and all at once."""
        one, other = self._normal.changed, self._sharpest.changed
        if one is None or other is None or abs(one - other) > 1.5 * LOOK_INTERVAL:
            return None
        return max(one, other)

    def _usual(self) -> float | None:
        typical = self._normal.typical
        return None if typical is None else round(float(2**typical), 1)


def edge_widths(picture: Picture) -> tuple[float, float, float]:
    """Edge widths in pixels that 5 %, 12.5 % and 25 % of the cells stay below; zeros where there are too few edges."""
    rows = strips(picture)
    if rows.shape[1] > WIDE:
        # An upscaled picture must not be taken for a soft one.
        rows = np.ascontiguousarray(rows[:, ::2])
    widths = np.sort(_cells(_widths(rows)))
    if len(widths) < LEAST_CELLS * STRIPS * CELLS:
        return 0.0, 0.0, 0.0
    sharpest, sharp, quarter = (float(widths[len(widths) // part]) for part in (20, 8, 4))
    return sharpest, sharp, quarter


def _widths(rows: Plane) -> NDArray[np.float32]:
    """Width of the edge at each pixel that is an edge's steepest step; infinite elsewhere."""
    window = np.ones((1, WINDOW), np.uint8)
    height = cv2.subtract(cv2.dilate(rows, window), cv2.erode(rows, window))
    step = np.zeros_like(rows)
    step[:, 1:] = cv2.absdiff(rows[:, 1:], rows[:, :-1])
    steepest = cv2.dilate(step, window)
    edge = (step == steepest) & (height >= CONTRAST)
    return np.where(edge, height.astype(np.float32) / np.maximum(steepest, 1), np.float32(np.inf))


def _cells(widths: NDArray[np.float32]) -> NDArray[np.float32]:
    """The second smallest width of each cell that has two edges or more."""
    size = widths.shape[1] // CELLS
    cells = widths[:, : size * CELLS].reshape(STRIPS, -1, CELLS, size).transpose(0, 2, 1, 3)
    second = np.partition(cells.reshape(STRIPS * CELLS, -1), 1, axis=1)[:, 1]
    return np.asarray(second[np.isfinite(second)])
