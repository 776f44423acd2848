"""What a stream costs on each rung: typical at first, then learnt from every move, and kept across restarts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vqa_agent.sample.ladder import LADDER

BELIEF = 0.7
"""Weight of what was just measured against what was believed before."""

LEAST_RATE = 0.01
"""Cores below which a ratio of two measurements says nothing."""

GREATEST_STEP = 4.0
"""A single move is not believed to have changed the cost by more than this, times what was expected."""


@dataclass(slots=True)
class Prices:
    """Costs of one stream. `shares` relate the rungs to each other, falling; `full` is the first rung's in cores.

    The relation is a matter of the codec and the box and is learnt slowly; `full` follows the material.
    """

    shares: list[float] = field(default_factory=lambda: [level.share for level in LADDER])
    full: float | None = None

    def price(self, level: int, here: int, rate: float) -> float:
        """Cores on `level` of a stream that takes `rate` cores on rung `here`."""
        return rate * self.shares[level] / self.shares[here]

    def note(self, here: int, rate: float) -> None:
        """The stream takes `rate` cores on rung `here` just now."""
        self.full = rate / self.shares[here]

    def learn(self, before: int, rate_before: float, after: int, rate_after: float) -> None:
        """A move changed the cost: correct this rung, and those beyond it by as much, for their order is known."""
        if min(rate_before, rate_after) < LEAST_RATE:
            return
        expected = self.price(after, before, rate_before)
        wrong_by = min(GREATEST_STEP, max(1 / GREATEST_STEP, rate_after / expected))
        factor = 1.0 + BELIEF * (wrong_by - 1.0)
        beyond = range(after, len(LADDER)) if after > before else range(after + 1)
        for rung in beyond:
            self.shares[rung] *= factor
        self._put_in_order(after)

    def _put_in_order(self, fixed: int) -> None:
        for rung in range(fixed - 1, -1, -1):
            self.shares[rung] = max(self.shares[rung], self.shares[rung + 1])
        for rung in range(fixed + 1, len(LADDER)):
            self.shares[rung] = min(self.shares[rung], self.shares[rung - 1])


def read_prices(path: Path) -> dict[str, Prices]:
    """What earlier runs have learnt, by stream; empty where there is nothing that fits this ladder."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _prices(values["shares"], values["full"]) for name, values in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _prices(shares: Sequence[float], full: float | None) -> Prices:
    known = [float(share) for share in shares]
    if len(known) != len(LADDER) or not all(share > 0 for share in known) or known != sorted(known, reverse=True):
        raise ValueError("not of this ladder")
    return Prices(known, None if full is None else float(full))


def write_prices(path: Path, prices: Mapping[str, Prices]) -> None:
    """Replace the file. Raises OSError."""
    values = {
        name: {"shares": [round(share, 4) for share in each.shares], "full": each.full} for name, each in prices.items()
    }
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(json.dumps(values, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
