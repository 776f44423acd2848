"""From the distances of every face in a fragment to one verdict.

Windows without speech or with a still mouth have no vote. The others of a face are pooled, because a mean over time is
worth more than any single window, together with what is right beside them: that a mouth opens and closes when the voice
begins and ends says much. The pooled minimum is the face's offset. How far it is to be believed follows from two things
that chance does not bring together: how far it stands out from what this voice does at all other offsets, and how many
of the windows find it by themselves. Faces that are believed and disagree are no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa_agent.lipsync.follow import SLOT
from vqa_agent.lipsync.similarity import Fit, fit

WINDOW, HOP = 25, 12
"""Slots of a window, and from one window to the next: 1 s and half of it."""

CLUSTER = 2
"""Slots by which offsets may differ and still be the same."""

LEAST_WINDOWS = 3
"""Windows with a vote that a verdict needs: 2 s."""

BESIDE = 12
"""Slots before and after a window with a vote that are pooled with it."""

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
    late: float = 0.0
    """Seconds by which its pictures lie after the middle of their slots."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """`offset` in seconds, positive when the sound is late; None where nothing was measured.

    `reason` is None where the opinion is sure. `confidence` is how far the minimum stands out (see `Fit.prominence`),
    in standard deviations, times the root of the share of the windows that agree.
    """

    offset: float | None
    confidence: float
    reason: Reason | None = None
    windows: int = 0


@dataclass(frozen=True, slots=True)
class _Vote:
    """What one face says: its pooled fit, from how many windows, and the share of them that find the same offset."""

    fit: Fit
    late: float
    windows: int
    agreement: float

    @property
    def confidence(self) -> float:
        return self.fit.prominence * math.sqrt(self.agreement)

    @property
    def offset(self) -> float:
        return self.fit.offset * SLOT - self.late


def decide(
    talkers: Sequence[Talker], confidence: float, before: Sequence[Talker] = (), after: Sequence[Talker] = ()
) -> Opinion:
    """What the talkers say together; less than `confidence` is no verdict.

    Where they alone are not sure, and those of the fragment `before` or `after` by themselves lead to the same offset,
    both count as one: chance seldom finds the same offset twice, and over twice the time it stands out less.
    """
    opinion = _decide(talkers, confidence)
    if opinion.reason is not Reason.LOW_CONFIDENCE:
        return opinion
    for neighbours, first, second in ((before, before, talkers), (after, talkers, after)):
        longer = _decide([_joined(one, other) for one in first for other in second], confidence)
        if longer.reason is None and _same(longer, opinion) and _same(_decide(neighbours, confidence), opinion):
            return longer
    return opinion


def _same(one: Opinion, other: Opinion) -> bool:
    """Whether both lead to one offset."""
    return one.offset is not None and other.offset is not None and abs(one.offset - other.offset) <= CLUSTER * SLOT


def _joined(one: Talker, other: Talker) -> Talker:
    return Talker(
        np.concatenate([one.distances, other.distances]),
        np.concatenate([one.movement, other.movement]),
        np.concatenate([one.speech, other.speech]),
        (one.late + other.late) / 2,
    )


def _decide(talkers: Sequence[Talker], confidence: float) -> Opinion:
    if not talkers:
        return Opinion(None, 0.0, Reason.NO_FACE)
    if not any((_windows(talker.speech) >= SPEECH_SHARE).any() for talker in talkers):
        return Opinion(None, 0.0, Reason.NO_SPEECH)
    votes = [vote for talker in talkers if (vote := _vote(talker)) is not None]
    if not votes:
        return Opinion(None, 0.0, Reason.MOUTH_NOT_SEEN)
    votes.sort(key=lambda vote: -vote.confidence)
    best, *others = votes
    reason = None
    if best.confidence < confidence or not best.fit.believed:
        reason = Reason.LOW_CONFIDENCE
    elif any(vote.confidence >= confidence and _differ(vote, best) for vote in others):
        reason = Reason.DISAGREE
    return Opinion(best.offset, best.confidence, reason, best.windows)


def _differ(one: _Vote, other: _Vote) -> bool:
    return abs(one.offset - other.offset) > CLUSTER * SLOT


def _starts(count: int) -> range:
    return range(0, max(1, count - WINDOW + 1), HOP)


def _windows(values: NDArray[Any]) -> Floats:
    """Means over the windows."""
    return np.array([values[start : start + WINDOW].mean() for start in _starts(len(values))], np.float32)


def _vote(talker: Talker) -> _Vote | None:
    """None where too few windows have a vote."""
    active = (_windows(talker.movement) >= STILL) & (_windows(talker.speech) >= SPEECH_SHARE)
    starts = [start for start, votes in zip(_starts(len(talker.distances)), active, strict=True) if votes]
    used = np.zeros(len(talker.distances), np.bool_)
    for start in starts:
        used[max(0, start - BESIDE) : start + WINDOW + BESIDE] = True
    pooled = fit(talker.distances[used])
    if len(starts) < LEAST_WINDOWS or pooled is None:
        return None
    alone = [fit(talker.distances[start : start + WINDOW]) for start in starts]
    same = [found is not None and abs(found.offset - pooled.offset) <= CLUSTER for found in alone]
    return _Vote(pooled, talker.late, len(starts), float(np.mean(same)))


__all__ = ["Opinion", "Reason", "Talker", "decide"]
