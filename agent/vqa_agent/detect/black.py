"""Black pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Picture, Plane

LIT = 0.25
"""Share of nominal range above which a pixel is lit: lettering and lamps are, noise on black is not."""

CORNER = 0.22
"""A logo lies within this share of width and height of one corner."""


class BlackSettings(Settings):
    darkness: float = Field(0.10, gt=0, le=0.5, description="Luma below this share of nominal range is dark.")
    area: float = Field(0.98, gt=0.5, le=1, description="Share of the picture that must be dark.")
    detail: float = Field(0.02, gt=0, le=0.2, description="Greatest deviation of the dark luma, share of range.")
    saturation: float = Field(0.06, gt=0, le=0.5, description="Greatest mean distance of the chroma from neutral.")
    lettering: float = Field(0.002, ge=0, le=0.1, description="Greatest share of lit pixels outside one corner.")


@register(
    "black",
    reads="video",
    cost="cheap",
    live=Rule(set_time=5.0, clear_time=1.0),
    file=Rule(set_time=2.0, clear_time=0.5),
)
class Black(Detector[BlackSettings]):
    """Sees: a picture that is black although the programme should go on.

    Formula: at least `area` of the reduced luma is darker than `darkness` of nominal range (16..235 or 0..255), that
    luma varies by at most `detail` (standard deviation), the chroma lies on average within `saturation` of neutral,
    and at most `lettering` of the pixels outside one corner are lit (above 0.25 of range).

    Settings: raise `darkness` or lower `area` to catch greyer pictures; raise `detail` to take dark scenes for black;
    raise `lettering` to take credits for black. A station logo in one corner does not hide a black.

    Mistakes: a night scene without any lamp, darker than 0.10 and flat to 2 % of the range, is taken for black.
    Misses: black behind lettering or a large logo; a picture that is black in one part only.

    Source: ffmpeg blackdetect (98 % of pixels below 0.10 of range); saturation and lettering tests as asked for by
    users of black-frame detection on tinted and titled scenes.

    >>> import numpy as np
    >>> dark = Picture(time=0.0, duration=0.04, luma=np.full((90, 160), 17, np.uint8))
    >>> [(finding.bad, finding.detail["luma"]) for finding in Black(BlackSettings()).look(dark)]
    [(True, 0.005)]
    """

    def look(self, picture: Picture) -> Iterable[Finding]:
        settings, levels = self.settings, picture.levels
        limit = levels.black + settings.darkness * levels.span
        dark = float(picture.histogram[: int(np.ceil(limit))].sum())
        bad = (
            dark >= settings.area
            and self._is_flat(picture, limit)
            and saturation(picture) <= settings.saturation
            and self._lettering(picture) <= settings.lettering
        )
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=dark if bad else min(dark, 0.49),
            bad=bad,
            detail={"luma": round(picture.mean, 3)},
        )

    def _is_flat(self, picture: Picture, limit: float) -> bool:
        """Whether what is dark hardly varies: a black has no scene in it."""
        codes = np.arange(int(np.ceil(limit)))
        weights = picture.histogram[: len(codes)]
        mean = float(codes @ weights) / float(weights.sum())
        variance = float(((codes - mean) ** 2) @ weights) / float(weights.sum())
        return bool(variance**0.5 <= self.settings.detail * picture.levels.span)

    def _lettering(self, picture: Picture) -> float:
        """Share of the picture that is lit, leaving out the corner with most light."""
        lit = picture.small > picture.levels.black + LIT * picture.levels.span
        total = int(np.count_nonzero(lit))
        return (total - max(_corners(lit))) / lit.size if total else 0.0


def saturation(picture: Picture) -> float:
    """Mean distance of the chroma from neutral, as a share of full swing (0 grey, about 0.3 a saturated picture)."""
    if picture.small_chroma is None:
        return 0.0
    return sum(_distance(plane) for plane in picture.small_chroma) / 2


def _distance(plane: Plane) -> float:
    return float(np.abs(plane.astype(np.int16) - 128).mean()) / 128


def _corners(lit: NDArray[np.bool_]) -> list[int]:
    rows, columns = (max(1, round(CORNER * side)) for side in lit.shape)
    views = (lit[:rows, :columns], lit[:rows, -columns:], lit[-rows:, :columns], lit[-rows:, -columns:])
    return [int(np.count_nonzero(view)) for view in views]
