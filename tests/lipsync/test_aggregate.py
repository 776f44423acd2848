from __future__ import annotations

import numpy as np
import pytest

from tests.lipsync.test_similarity import embeddings
from vqa_agent.lipsync.aggregate import Reason, Talker, decide
from vqa_agent.lipsync.similarity import BELIEVED, distances

CONFIDENCE = 4.5


def talker(offset: int = 0, noise: float = 0.5, moving: bool = True, speaking: bool = True, seed: int = 0) -> Talker:
    table = distances(*embeddings(100, offset, noise, seed))
    return Talker(table, np.full(100, 0.2 * moving, np.float32), np.full(100, speaking))


@pytest.mark.parametrize("offset", [-10, 0, 6])
def test_one_talker_decides(offset: int) -> None:
    opinion = decide([talker(offset)], CONFIDENCE)
    assert opinion.reason is None
    assert opinion.offset == pytest.approx(0.04 * offset, abs=0.01)
    assert opinion.windows >= 6


def test_a_listener_beside_the_talker_does_not_disturb() -> None:
    opinion = decide([talker(noise=50.0, seed=5), talker(5)], CONFIDENCE)
    assert (opinion.reason, round(opinion.offset, 2)) == (None, 0.2)


def test_late_pictures_are_taken_into_account() -> None:
    base = talker(5)
    late = Talker(base.distances, base.movement, base.speech, late=0.015)
    assert decide([late], CONFIDENCE).offset == pytest.approx(decide([base], CONFIDENCE).offset - 0.015)


@pytest.mark.parametrize(
    ("talkers", "reason"),
    [
        ([], Reason.NO_FACE),
        ([talker(speaking=False)], Reason.NO_SPEECH),
        ([talker(moving=False)], Reason.MOUTH_NOT_SEEN),
        ([talker(noise=50.0)], Reason.LOW_CONFIDENCE),
        ([talker(8), talker(-8, seed=1)], Reason.DISAGREE),
        ([talker(BELIEVED + 2)], Reason.LOW_CONFIDENCE),
    ],
    ids=["no face", "no speech", "still", "noise", "two of one strength", "beyond the search"],
)
def test_says_why_it_cannot_tell(talkers: list[Talker], reason: Reason) -> None:
    opinion = decide(talkers, CONFIDENCE)
    assert opinion.reason is reason


def test_only_the_windows_with_speech_vote() -> None:
    mixed = np.concatenate([talker(4).distances[:75], talker(-12, seed=3).distances[:25]])
    speech = np.arange(100) < 75
    opinion = decide([Talker(mixed, np.full(100, 0.2, np.float32), speech)], CONFIDENCE)
    assert opinion.offset == pytest.approx(0.16, abs=0.01)


def test_two_unsure_fragments_that_agree_are_sure_together() -> None:
    one, other = talker(4, noise=2.0, seed=1), talker(4, noise=2.0, seed=2)
    alone = decide([other], 0.0)
    together = decide([other], 0.0, [one])
    assert together == alone
    least = alone.confidence * 1.05
    assert decide([other], least).reason is Reason.LOW_CONFIDENCE
    assert decide([other], least, [talker(4, noise=0.5, seed=1)]).reason is None
    assert decide([other], least, after=[talker(4, noise=0.5, seed=1)]).reason is None
    assert decide([other], least, [talker(-9, noise=0.5, seed=1)]).reason is Reason.LOW_CONFIDENCE


def test_the_same_in_more_windows_is_surer() -> None:
    long = talker(4)
    short = Talker(long.distances[:50], long.movement[:50], long.speech[:50])
    assert decide([short], 0.0).confidence < 0.8 * decide([long], 0.0).confidence


def test_the_beginning_of_a_voice_counts_beside_the_windows_that_have_it() -> None:
    whole = talker(4)
    speech = np.arange(100) >= 50
    late = Talker(whole.distances, whole.movement, speech)
    silent = whole.distances.copy()
    silent[:50] = 1.0
    assert decide([late], 0.0).confidence > decide([Talker(silent, whole.movement, speech)], 0.0).confidence


def test_less_than_two_seconds_are_too_little() -> None:
    long = talker(4)
    short = Talker(long.distances[:40], long.movement[:40], long.speech[:40])
    assert decide([short], 0.0).reason is Reason.MOUTH_NOT_SEEN
