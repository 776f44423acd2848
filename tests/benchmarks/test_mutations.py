"""What people and machines write is taken, or refused in our own words."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from benchmarks import mutations
from vqa_agent.errors import ConfigError


def test_damaged_text_is_taken_or_refused_with_clear_lines() -> None:
    found = mutations.run_all(count=60, seed=8)
    assert {kind: outcome.failures for kind, outcome in found.items() if outcome.failures} == {}
    assert all(outcome.refused for outcome in found.values())
    assert found["model files"].taken == 0
    assert all(outcome.taken for kind, outcome in found.items() if kind != "model files")


def _raise(error: Exception) -> Callable[[bytes], str]:
    def reader(data: bytes) -> str:
        raise error

    return reader


@pytest.mark.parametrize(
    ("reader", "told"),
    [
        (_raise(KeyError("x")), "number 0: KeyError"),
        (lambda data: "Traceback (most recent call last):", "number 0: not one clear line"),
        (lambda data: "x" * 3000, "number 0: not one clear line"),
    ],
)
def test_what_escapes_or_is_unclear_is_a_failure(reader: mutations.Reader, told: str) -> None:
    outcome = mutations.run([b"x = 1\n"], mutations.change_text, reader, 1, 1)
    assert outcome.failures[0].startswith(told)


def test_a_refusal_is_what_the_agent_says() -> None:
    def refuse() -> None:
        raise ConfigError("the file: the key: why")

    assert mutations._refusal(refuse) == "the file: the key: why"


def test_changes_are_the_same_for_a_seed() -> None:
    first, again = (
        [mutations.change_text(mutations.CONFIGURATION.encode(), random.Random(seed)) for seed in range(20)]
        for _ in range(2)
    )
    assert first == again
    assert len(set(first)) > 15
