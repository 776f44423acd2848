"""Blocks of the picture that are damaged: lost, displaced, of one colour, left over from other pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.block_planes import MAP_CELLS, SMALLEST, between_bars, block_planes, network_input
from vqa_agent.detect.interface import Detector, Finding, Region, Rule, Settings, register
from vqa_agent.infer import Model, open_model, uncertainty
from vqa_agent.media import Picture, Plane

MODEL = "block_corruption"

STRUCTURE = 3.0
"""Deviation of luma, in code values, below which a picture is one flat field: nothing was seen like it in training."""

DAMAGED = 0.5
"""Probability from which a block counts to the region."""

SUPPORT = 0.5
"""Share of what the threshold is above one half that is waived where something of the picture was lost on the way."""

SURER = 1.5
"""Logits above the threshold for which a look counts as one look more; never as all that are needed, because a moving
effect, such as a picture that grows within another, makes a single look as sure."""

Network = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]
"""From (1, 48, rows, columns) planes to (1, 1, rows / 4, columns / 4) blocks and (1, 1) picture."""


class BlockCorruptionSettings(Settings):
    threshold: float | None = Field(
        None, gt=0, lt=1, description="Probability of damage that counts; the model's own where it is not set."
    )


@register(
    MODEL,
    reads="video",
    cost="neural",
    live=Rule(set_time=5.0, clear_time=5.0, count=3, looks=5),
    file=Rule(set_time=2.0, clear_time=1.0, count=2, looks=5),
)
class BlockCorruption(Detector[BlockCorruptionSettings]):
    """Sees: blocks that are damaged: lost and badly concealed, displaced, flat, green or grey, left over from other
    pictures. It needs no error of the transport, so it finds damage that was encoded again upstream.

    Formula: 48 planes with a value per 8 x 8 pixels (means, activity, steps on the coder's grid, off it and at each
    place of the cell, and the same of the change since the picture before) go through a small residual network, which
    gives a probability for each block of 32 pixels and one for the picture. Black bars on opposite sides are left out.
    A look is bad when the picture's reaches `threshold`; 3 of 5 looks open an event live, 2 of 5 in a file. A look
    whose log-odds lie 1.5 above those of the threshold counts as two live, so that it needs one other. Where data of
    pictures were lost, half of what the threshold is above one half is waived until the next whole key picture, for 5 s
    at most.
    The region holds all blocks above one half.

    Settings: raise `threshold` towards 1 where a channel's graphics are taken for damage. The model's own threshold
    is in models/manifest.toml.

    Mistakes: new kinds of mosaics, pixel art and transitions in tiles. Misses: damage in a single picture, since two
    looks are needed; copies of the picture before where little moves, which nobody sees either; pictures narrower or
    lower than 64 pixels.

    Source: a map of block probabilities with a learned decision in place of an area rule; trained on lost packets,
    flipped bits, removed and overwritten bytes in H.264, HEVC and MPEG-2, and on drawn damage, see
    models/block_corruption/card.md.

    >>> picture = Picture(time=0.0, duration=0.04, luma=np.full((180, 320), 90, np.uint8))
    >>> [finding.bad for finding in BlockCorruption(BlockCorruptionSettings()).look(picture)]
    [False]
    """

    _model: Model | None = None

    def look(self, picture: Picture) -> Iterable[Finding]:
        if min(picture.width, picture.height) < SMALLEST:
            return
        if float(picture.small.std()) < STRUCTURE:
            yield Finding(self.name, picture.time, picture.end, 0.0, bad=False)
            return
        blocks, probability = self._probabilities(picture)
        threshold = self._threshold(picture.doubtful)
        bad = probability >= threshold
        yield Finding(
            detector=self.name,
            start=picture.time,
            end=picture.end,
            score=probability,
            bad=bad,
            region=damaged_region(blocks) if bad else None,
            detail={
                "area": round(float((blocks > DAMAGED).mean()), 4),
                "count": min(worth(probability, threshold), self._most()),
            }
            if bad
            else {},
            uncertainty=uncertainty(probability, threshold),
        )

    def _probabilities(self, picture: Picture) -> tuple[NDArray[np.float32], float]:
        """(height / 32, width / 32) probability of damage of each block, 0 in black bars, and that of the picture."""
        if self._model is None:
            self._model = open_model(MODEL)
        return probabilities(self._model.run, block_planes(picture), picture.levels.black)

    def _most(self) -> int:
        """As how many looks one counts at most."""
        return max(1, (self.settings.rule(self.rules[self.profile]).count or 1) - 1)

    def _threshold(self, doubtful: bool) -> float:
        assert self._model is not None
        threshold = self.settings.threshold or self._model.info.thresholds["picture"]
        return threshold - SUPPORT * max(0.0, threshold - 0.5) if doubtful else threshold


def probabilities(network: Network, planes: Plane, black: int = 16) -> tuple[NDArray[np.float32], float]:
    """(height / 32, width / 32) probability of damage of each block, 0 in black bars, and that of the picture."""
    active = between_bars(planes, black)
    rows, columns = (slice(MAP_CELLS * part.start, MAP_CELLS * part.stop) for part in active)
    inside, decision = network(network_input(planes[None, :, rows, columns]))
    blocks = np.zeros([-(-side // MAP_CELLS) for side in planes.shape[1:]], np.float32)
    blocks[active] = inside[0, 0]
    return blocks, float(decision[0, 0])


def worth(probability: float, threshold: float) -> int:
    """As how many looks one with this probability counts; 0 below the threshold.

    >>> [worth(probability, 0.95) for probability in (0.9, 0.95, 0.98, 0.99, 0.998)]
    [0, 1, 1, 2, 3]
    """
    surely = 1 - 1e-6
    above = log_odds(min(probability, surely)) - log_odds(min(threshold, surely))
    return 1 + int(above / SURER) if probability >= threshold else 0


def log_odds(probability: float) -> float:
    return log(probability / (1 - probability))


def damaged_region(blocks: NDArray[np.float32]) -> Region:
    """The box around all blocks above one half, or around the worst, in fractions of the picture.

    >>> damaged_region(np.array([[0.1, 0.9, 0.8, 0.1]], np.float32))
    (0.25, 0.0, 0.5, 1.0)
    """
    rows, columns = np.nonzero(blocks >= min(DAMAGED, float(blocks.max())))
    height, width = blocks.shape
    left, top = int(columns.min()), int(rows.min())
    return left / width, top / height, (int(columns.max()) + 1 - left) / width, (int(rows.max()) + 1 - top) / height
