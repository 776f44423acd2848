"""Pictures of one colour."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Picture, Plane

HD_WIDTH = 1024
"""Pictures wider than this carry BT.709 colour, others BT.601."""


class SolidColorSettings(Settings):
    area: float = Field(0.90, gt=0.5, le=1, description="Share of the picture that must have the one colour.")
    tolerance: float = Field(0.03, gt=0, le=0.3, description="Distance that is still the colour, share of range.")
    unevenness: float = Field(0.006, gt=0, le=0.1, description="Greatest deviation of the broad luma, share of range.")


@register(
    "solid_color",
    reads="video",
    cost="cheap",
    live=Rule(set_time=5.0, clear_time=1.0),
    file=Rule(set_time=2.0, clear_time=0.5),
)
class SolidColor(Detector[SolidColorSettings]):
    """Sees: a picture of one colour (blue, green, grey ...), as mixers and capture cards show without a signal.

    Formula: with the commonest luma and the median chroma as the colour, at least `area` of the pixels of the reduced
    luma lie within `tolerance` of it, at least `area` of the chroma pixels too, and the picture is even: averaged over
    16 x 9 fields the luma of the matching fields deviates by at most `unevenness`, and nothing else is spread over it.

    Settings: lower `area` to accept larger overlays; raise `unevenness` to accept gradients (a clear sky is one).

    Mistakes: a perfectly even studio wall that fills the picture. Misses: colours with a gradient or strong noise;
    slates with lettering (their stillness is a matter for freeze).

    Source: EBU QC 0016B "constant colour frames" (90 % of the area, the colour reported).

    >>> import numpy as np
    >>> blue = (np.full((45, 80), 240, np.uint8), np.full((45, 80), 110, np.uint8))
    >>> picture = Picture(time=0.0, duration=0.04, luma=np.full((90, 160), 41, np.uint8), chroma=blue)
    >>> [(finding.bad, finding.detail["color"]) for finding in SolidColor(SolidColorSettings()).look(picture)]
    [(True, '#0000ff')]
    """

    def look(self, picture: Picture) -> Iterable[Finding]:
        reach = max(1, round(self.settings.tolerance * picture.levels.span))
        code, share = densest(picture.histogram, reach)
        colour = [code]
        # Most pictures fail here already: their chroma is not even reduced.
        if share >= self.settings.area and picture.small_chroma is not None:
            for plane in picture.small_chroma:
                colour.append(int(np.median(plane)))
                share = min(share, _share(plane, colour[-1], reach))
        bad = share >= self.settings.area and self._is_even(picture, code, reach)
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=share if bad else min(share, 0.49),
            bad=bad,
            detail={"color": to_hex(colour, picture), "area": round(share, 3)} if bad else {},
        )

    def _is_even(self, picture: Picture, code: int, reach: int) -> bool:
        """No gradient over the whole, and what differs is in few places, not spread as lettering is."""
        fields = cv2.resize(picture.small.astype(np.float32), (16, 9), interpolation=cv2.INTER_AREA)
        same = np.abs(fields - code) <= reach
        if np.count_nonzero(same) < self.settings.area * fields.size:
            return False
        limit = self.settings.unevenness * picture.levels.span
        disturbed = np.abs(fields - code) > max(1.0, 3 * limit)
        return float(fields[~disturbed].std()) <= limit if np.count_nonzero(disturbed) <= 14 else False


def densest(histogram: NDArray[np.float64], reach: int) -> tuple[int, float]:
    """The mean code value of the fullest stretch of 2 `reach` + 1 codes, and its share of the pixels."""
    width = 2 * reach + 1
    shares = np.convolve(histogram, np.ones(width), "valid")
    first = int(np.argmax(shares))
    stretch = histogram[first : first + width]
    return round(first + float(np.arange(width) @ stretch) / float(stretch.sum())), float(shares[first])


def _share(plane: Plane, code: int, reach: int) -> float:
    matching = cv2.inRange(plane, code - reach, code + reach)
    return int(cv2.countNonZero(matching)) / plane.size


def to_hex(colour: list[int], picture: Picture) -> str:
    """The colour as #rrggbb, from 8-bit luma and chroma codes."""
    luma = (colour[0] - picture.levels.black) / picture.levels.span
    swing = 224 if picture.levels.black else 255
    blue, red = ((code - 128) / swing for code in colour[1:]) if len(colour) == 3 else (0.0, 0.0)
    kr, kb = (0.2126, 0.0722) if picture.width > HD_WIDTH else (0.299, 0.114)
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, part))):02x}" for part in (r, g, b))
