"""Luma outside the nominal range."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.history import Pace
from vqa_agent.media import LIMITED, DeepPlane, Picture

EVERY = 8
"""One row in so many is looked at, at full resolution: averaging would hide what goes beyond."""

SCALES = {True: (0.2126, 0.0722), False: (0.299, 0.114)}
"""Kr and Kb of BT.709 (high definition) and BT.601."""

HD_WIDTH = 1024
"""Pictures wider than this carry BT.709 colour, others BT.601."""


class RangeSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    low: int = Field(5, ge=0, le=16, description="Lowest code that is tolerated, on the 8-bit scale.")
    high: int = Field(246, ge=235, le=255, description="Highest code that is tolerated, on the 8-bit scale.")
    area: float = Field(0.01, gt=0, le=1, description="Share of the picture that may lie beyond.")
    gamut: bool = Field(False, description="Whether R, G and B are held to the same limits, as EBU R 103 asks.")


@register(
    "range",
    reads="video",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=2.0, clear_time=1.0),
)
class Range(Detector[RangeSettings]):
    """Sees: levels beyond the tolerated range in a picture of limited range, such as full range marked as limited.

    Formula: in every eighth row at full resolution, five times a second, the share of the luma samples below `low` or
    above `high` (in 10 bit four times those: 20 and 984); too many if above `area`. With `gamut` also the share of
    the pixels whose R, G or B lies outside. Streams that say that they are of full range are exempt.

    Settings: raise `area` or widen `low` and `high` to tolerate more; set `gamut` for delivery checks after R 103.

    Mistakes: consumer cameras record highlights up to 254 on purpose. Misses: full range in a picture without
    deep shadows and highlights; saturated colours out of gamut unless `gamut` is set (most cameras make them).

    Source: EBU R 103 (video signal tolerance in digital television systems): 5..246 in 8 bit, 20..984 in 10 bit, at
    most 1 % of the area; EBU QC 0051B.

    >>> import numpy as np
    >>> luma = np.full((96, 160), 128, np.uint8)
    >>> luma[:, :4] = 252
    >>> [finding.detail for finding in Range(RangeSettings()).look(Picture(time=0.0, duration=0.04, luma=luma))]
    [{'below': 0.0, 'above': 0.025}]
    """

    def reset(self) -> None:
        self._pace = Pace()

    def look(self, picture: Picture) -> Iterable[Finding]:
        if picture.levels != LIMITED or not self._pace.due(picture.time):
            return
        shift = picture.depth - 8
        low, high = self.settings.low << shift, self.settings.high << shift
        rows = picture.luma[EVERY // 2 :: EVERY]
        below, above = share(rows, 0, low - 1), share(rows, high + 1, (256 << shift) - 1)
        outside = below + above
        detail: dict[str, float] = {"below": round(below, 3), "above": round(above, 3)}
        if self.settings.gamut and (beyond := gamut_share(picture, low, high)) is not None:
            outside = max(outside, beyond)
            detail["gamut"] = round(beyond, 3)
        bad = outside > self.settings.area
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=min(1.0, 0.5 + outside) if bad else min(0.49, outside / self.settings.area / 2),
            bad=bad,
            detail=detail if bad else {},
        )


def share(rows: DeepPlane, low: int, high: int) -> float:
    """Share of the samples from `low` to `high`, both included."""
    return int(cv2.countNonZero(cv2.inRange(rows, low, high))) / rows.size


def gamut_share(picture: Picture, low: int, high: int) -> float | None:
    """Share of the pixels with R, G or B outside `low` to `high`, on the chroma's grid; None for grey pictures."""
    if picture.chroma is None:
        return None
    down, across = (whole // part for whole, part in zip(picture.luma.shape, picture.chroma[0].shape, strict=True))
    luma = picture.luma[:: down * 4, ::across].astype(np.float32)
    neutral = 128 << (picture.depth - 8)
    blue, red = (
        (plane[::4].astype(np.float32) - neutral)[: luma.shape[0], : luma.shape[1]] * (219 / 112)
        for plane in picture.chroma
    )
    luma = luma[: blue.shape[0], : blue.shape[1]]
    kr, kb = SCALES[picture.width > HD_WIDTH]
    r, b = luma + (1 - kr) * red, luma + (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    least, most = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    return float(np.mean((least < low) | (most > high)))
