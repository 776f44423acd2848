"""From the distances of every face in a fragment to one verdict: windows vote, the largest cluster decides.

Windows without speech or with a still mouth have no vote, nor have those whose best offset lies at the edge of the
search: the true one is then outside. What is left is pooled, because a mean over time is worth more than any single
window; the offset is that of the pooled windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.follow import SLOT
from vqa_agent.lipsync.similarity import REACH, Fit, fit

WINDOW, HOP = 25, 12
"""Slots of a window, and from one window to the next: 1 s and half of it."""

CLUSTER = 2
"""Slots around a cluster's middle within which offsets count as the same."""

LEAST_VOTES = 3
"""Windows that a cluster needs."""

SPEECH_SHARE = 0.3
"""Least share of a window in which the voice is heard."""

STILL = 0.02
"""Mean movement of the mouth (see `mouth.movement`) below which nobody speaks with it."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Reason(StrEnum):
    """Why nobody can tell."""

    NO_FACE = "no face"
    NO_SPEECH = "no speech"
    MOUTH_NOT_SEEN = "mouth not seen"
    DISAGREE = "tracks disagree"
    LOW_CONFIDENCE = "low confidence"
    TOO_FEW_PICTURES = "too few pictures"


@dataclass(frozen=True, slots=True)
class Talker:
    """What one face offers: rows of distances (n, offsets), movement (n,) of the mouth, speech (n,) in its slots."""

    distances: Floats
    movement: Floats
    speech: Bools
    face_height: float = 0.0
    late: float = 0.0
    """Seconds by which its pictures lie after the middle of their slots."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """`offset` in seconds, positive when the sound is late; None where nothing was measured.

    `reason` is None where the opinion is sure. `confidence` is the one of the pooled windows (see `Fit`).
    """

    offset: float | None
    confidence: float
    reason: Reason | None = None
    windows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Vote:
    talker: int
    rows: Floats
    fit: Fit


def decide(talkers: Sequence[Talker], confidence: float) -> Opinion:
    """What the talkers say together; less than `confidence` is no opinion."""
    if not talkers:
        return Opinion(None, 0.0, Reason.NO_FACE)
    speaking = [_windows(talker.speech) for talker in talkers]
    if not any((share >= SPEECH_SHARE).any() for share in speaking):
        return Opinion(None, 0.0, Reason.NO_SPEECH)
    votes = [vote for number, talker in enumerate(talkers) for vote in _votes(number, talker)]
    if len(votes) < LEAST_VOTES:
        return Opinion(None, 0.0, Reason.MOUTH_NOT_SEEN)
    clusters = _clusters(votes)
    best, weight = clusters[0]
    pooled = fit(np.concatenate([vote.rows for vote in best]))
    if pooled is None or pooled.at_edge:
        return Opinion(None, 0.0, Reason.LOW_CONFIDENCE, len(best))
    late = float(np.mean([talkers[vote.talker].late for vote in best]))
    offset = pooled.offset * SLOT - late
    opinion = Opinion(offset, pooled.confidence, None, len(best))
    if len(best) < LEAST_VOTES or pooled.confidence < confidence:
        return Opinion(offset, pooled.confidence, Reason.LOW_CONFIDENCE, len(best))
    if len(clusters) > 1 and clusters[1][1] > 0.5 * weight:
        return Opinion(offset, pooled.confidence, Reason.DISAGREE, len(best))
    return opinion


def _starts(count: int) -> range:
    return range(0, max(1, count - WINDOW + 1), HOP)


def _windows(values: NDArray[np.generic]) -> Floats:
    """Means over the windows."""
    return np.array([values[start : start + WINDOW].mean() for start in _starts(len(values))], np.float32)


def _votes(number: int, talker: Talker) -> list[_Vote]:
    moving, speaking = _windows(talker.movement), _windows(talker.speech)
    votes = []
    for window, start in enumerate(_starts(len(talker.distances))):
        if moving[window] < STILL or speaking[window] < SPEECH_SHARE:
            continue
        rows = talker.distances[start : start + WINDOW]
        found = fit(rows)
        if found is not None and not found.at_edge:
            votes.append(_Vote(number, rows, found))
    return votes


def _clusters(votes: Sequence[_Vote]) -> list[tuple[list[_Vote], float]]:
    """Votes that agree within `CLUSTER`, with the sum of their confidence; the heaviest cluster first."""
    left, clusters = list(votes), []
    while left:
        groups = [[vote for vote in left if abs(vote.fit.offset - middle.fit.offset) <= CLUSTER] for middle in left]
        best = max(groups, key=lambda group: sum(vote.fit.confidence for vote in group))
        clusters.append((best, sum(vote.fit.confidence for vote in best)))
        left = [vote for vote in left if vote not in best]
    return sorted(clusters, key=lambda cluster: -cluster[1])


__all__ = ["REACH", "Opinion", "Reason", "Talker", "decide"]
