"""From the network's answers to events, as the agent's detector and judge do it; and the threshold for that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize.block_corruption.data import ClipLooks
from vqa_agent.block_planes import NAMES, network_input
from vqa_agent.infer.manifest import Tensor
from vqa_agent.infer.runtimes import RUNTIMES, Backend, Session

USUAL = (135, 240)
"""Cells of a usual look: 1080p."""

SPARED = 0.95
"""Share of the clean validation clips that must stay below. Graphics, transitions and drawings make them hard."""

MARGIN = 0.75
"""Logits by which the threshold lies above that, because the clips are minutes, not days."""

LOWEST = 0.5

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
        answers = [session.run([network_input(planes[None])]) for planes in clip.planes]
        blocks = np.stack([np.asarray(blocks)[0, 0].copy() for blocks, _ in answers])
        scored.append(Scored(clip, blocks, np.array([float(picture[0, 0]) for _, picture in answers])))
    return scored


def event_score(values: Scores, count: int, looks: int) -> float:
    """The highest threshold at which `count` of some `looks` successive looks would be bad; 0 for too few looks."""
    if len(values) < count:
        return 0.0
    windows = [np.sort(values[start : start + looks]) for start in range(max(1, len(values) - looks + 1))]
    return float(max(window[-count] for window in windows if len(window) >= count))


def choose_threshold(scored: list[Scored], count: int, looks: int) -> float:
    """Above what nearly all clean clips reach as an event, with a margin; at least one half."""
    reached = [event_score(each.picture[~each.clip.damaged_version], count, looks) for each in scored]
    worst = float(np.clip(np.quantile(reached, SPARED), 1e-6, 1 - 1e-6))
    logit = np.log(worst / (1 - worst)) + MARGIN
    return max(LOWEST, float(1 / (1 + np.exp(-logit))))
