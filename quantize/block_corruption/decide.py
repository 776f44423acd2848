"""From the network's answers to events, as the agent's detector and judge do it; and the threshold for that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize.block_corruption.data import ClipLooks
from vqa_agent.block_planes import NAMES
from vqa_agent.detect.block_corruption import SURER, probabilities
from vqa_agent.infer.manifest import Tensor
from vqa_agent.infer.runtimes import RUNTIMES, Backend, Session

USUAL = (135, 240)
"""Cells of a usual look: 1080p."""

SPARED = 0.95
"""Share of the clean clips that must stay below. Graphics, transitions and drawings make them hard; of whole recordings
as they are, all must."""

MARGIN = 1.75
"""Logits by which the threshold lies above that, because the clips are minutes, not days, and because some looks at
most of the recordings were trained on: those of other sources reach up to one and a half higher."""

LOWEST = 0.5

LASTING = (3, 5)
"""Damaged looks, of successive ones, from which a clip counts as damaged: what the live rule needs at the least."""

VOTES = 2
"""Looks as which one counts at the most: one less than the live rule needs."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A clip with the network's answers to its looks: (n, rows, columns) and (n,)."""

    clip: ClipLooks
    blocks: NDArray[np.float32]
    picture: Scores

    @property
    def area(self) -> Scores:
        """Share of the blocks above one half: the baseline decides by it."""
        return np.asarray((self.blocks > 0.5).mean(axis=(1, 2)))


def open_session(model: Path, backend: Backend) -> Session:
    """An ONNX file of this network on one of the runtimes."""
    return RUNTIMES[backend](model.read_bytes(), [Tensor(name="planes", shape=(1, len(NAMES), *USUAL))])


def score(model: Path, clips: list[ClipLooks], backend: Backend = "onnxruntime") -> list[Scored]:
    """The answers of an ONNX file to every look."""
    session = open_session(model, backend)
    scored = []
    for clip in clips:
        answers = [probabilities(lambda planes: session.run([planes]), planes) for planes in clip.planes]
        scored.append(Scored(clip, np.stack([blocks for blocks, _ in answers]), np.array([p for _, p in answers])))
    return scored


def votes(picture: Scores) -> Scores:
    """(n, 2) the highest thresholds at which each look counts as one and as two, as the detector counts them."""
    sure = np.clip(picture, 1e-6, 1 - 1e-6)[:, None]
    odds = sure / (1 - sure) * np.exp(-SURER * np.arange(VOTES))
    return np.asarray(odds / (1 + odds))


def event_score(values: Scores, count: int, looks: int) -> float:
    """The highest threshold at which some `looks` successive looks would count as `count` bad ones; 0 for too few.

    `values` are (n,) scores or (n, votes): what each look counts as may be more than one, but never all of them.
    """
    if values.ndim > 1:
        values = values[:, : max(1, count - 1)]
    windows = [np.sort(values[start : start + looks], None) for start in range(max(1, len(values) - looks + 1))]
    return float(max((window[-count] for window in windows if len(window) >= count), default=0.0))


def choose_threshold(hard: list[Scored], recordings: list[Scored], count: int, looks: int) -> float:
    """Above what nearly all hard clean clips and all recordings reach as an event of plain looks, with a margin; at
    least one half. A look that counts as more lies above it by twice as much."""
    reached, usual = (
        [event_score(each.picture[~each.clip.damaged_version], count, looks) for each in scored]
        for scored in (hard, recordings)
    )
    worst = float(np.clip(max(np.quantile(reached, SPARED), *usual), 1e-6, 1 - 1e-6))
    logit = np.log(worst / (1 - worst)) + MARGIN
    return max(LOWEST, float(1 / (1 + np.exp(-logit))))
