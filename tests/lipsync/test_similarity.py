from __future__ import annotations

import numpy as np
import pytest

from vqa_agent.lipsync.similarity import BELIEVED, SEARCH, distances, fit


def embeddings(count: int, offset: int = 0, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mouths (count, d), and voices around them that are the same `offset` slots later, with `noise`."""
    rng = np.random.default_rng(seed)
    world = rng.normal(size=(count + 6 * SEARCH, 32)).astype(np.float32)
    mouths = world[3 * SEARCH : 3 * SEARCH + count]
    voices = world[2 * SEARCH - offset : 4 * SEARCH + count - offset]
    voices = voices + noise * rng.normal(size=voices.shape).astype(np.float32)
    return tuple(each / np.linalg.norm(each, axis=1, keepdims=True) for each in (mouths, voices))


@pytest.mark.parametrize("offset", [-20, -3, 0, 1, 17])
def test_a_late_voice_gives_a_positive_offset(offset: int) -> None:
    found = fit(distances(*embeddings(100, offset)))
    assert found.offset == pytest.approx(offset, abs=0.1)
    assert found.milliseconds == pytest.approx(40 * offset, abs=4)
    assert found.depth > 0.5


def test_noise_costs_prominence() -> None:
    sure, unsure, none = (fit(distances(*embeddings(100, 4, noise))) for noise in (0.0, 2.0, 50.0))
    assert sure.prominence > unsure.prominence > none.prominence
    assert unsure.offset == pytest.approx(4, abs=0.3)
    assert none.prominence < 4


def test_between_two_slots_the_parabola_decides() -> None:
    curve = 1 - 0.5 * np.exp(-(((np.arange(2 * SEARCH + 1) - SEARCH - 3.3) / 2) ** 2))
    found = fit(np.repeat(curve[None].astype(np.float32), 30, axis=0))
    assert found.offset == pytest.approx(3.3, abs=0.05)


def test_what_lies_too_far_away_is_not_believed() -> None:
    assert not fit(distances(*embeddings(100, BELIEVED + 2))).believed
    assert fit(distances(*embeddings(100, BELIEVED - 1))).believed


def test_offsets_without_a_voice_do_not_count() -> None:
    mouths, voices = embeddings(100, 5)
    voices[:SEARCH] = np.nan
    assert fit(distances(mouths, voices)).offset == pytest.approx(5, abs=0.1)
    assert fit(distances(mouths, np.full_like(voices, np.nan))) is None


def test_a_chance_of_few_rows_counts_for_less() -> None:
    table = np.full((60, 2 * SEARCH + 1), 1.0, np.float32)
    table[:, SEARCH] = 0.8
    table[:, SEARCH + 20] = 0.75
    table[:25, SEARCH + 20] = np.nan
    assert fit(table).offset == 0
    table[:25, SEARCH + 20] = 0.75
    assert fit(table).offset == 20


def test_too_few_rows_say_nothing() -> None:
    assert fit(distances(*embeddings(9))) is None


def test_what_all_mouths_or_all_voices_have_in_common_says_nothing() -> None:
    mouths, voices = embeddings(100, 4, noise=1.0)
    one = np.eye(1, mouths.shape[1], dtype=np.float32)
    assert distances(mouths + 3 * one, voices + 5 * one) == pytest.approx(distances(mouths, voices), abs=1e-4)
