"""What a stream costs on each rung."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqa_agent.sample.ladder import LADDER
from vqa_agent.sample.prices import Prices, read_prices, write_prices


def test_a_move_corrects_the_rung_and_those_beyond() -> None:
    prices = Prices()
    before = list(prices.shares)
    prices.learn(2, 0.7, 4, 0.7)
    assert prices.price(4, 2, 1.0) > before[4] / before[2]
    assert prices.shares[5] / prices.shares[4] == pytest.approx(before[5] / before[4])
    assert prices.shares[:2] == before[:2]


def test_the_order_of_the_rungs_is_kept_whatever_is_measured() -> None:
    prices = Prices()
    for measured in (9.0, 0.001, 4.0, 0.02):
        prices.learn(0, 0.5, 3, measured)
        prices.learn(5, 0.5, 3, measured)
        assert prices.shares == sorted(prices.shares, reverse=True)
        assert len(prices.shares) == len(LADDER)


def test_repeated_moves_converge_to_what_is_so() -> None:
    prices = Prices()
    for _ in range(6):
        prices.learn(0, 1.0, 5, 0.5)
        prices.learn(5, 0.5, 0, 1.0)
    assert prices.price(5, 0, 1.0) == pytest.approx(0.5, rel=0.05)


def test_what_was_learnt_is_kept_in_a_file(tmp_path: Path) -> None:
    prices = Prices()
    prices.learn(0, 1.0, 3, 0.8)
    prices.note(3, 0.8)
    write_prices(tmp_path / "costs.json", {"main": prices})
    found = read_prices(tmp_path / "costs.json")["main"]
    assert found.shares == pytest.approx(prices.shares, abs=1e-4)
    assert found.full == prices.full
    assert [file.name for file in tmp_path.iterdir()] == ["costs.json"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"main": 1}', '{"main": {"shares": [1, 2], "full": 1}}', '{"main": {"shares": null, "full": 1}}'],
)
def test_a_file_of_another_ladder_or_none_is_nothing_known(tmp_path: Path, text: str) -> None:
    path = tmp_path / "costs.json"
    assert read_prices(path) == {}
    path.write_text(text)
    assert read_prices(path) == {}
