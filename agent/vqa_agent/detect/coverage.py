"""What the detectors of a stream looked at lately, and which of them are blind."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqa_agent.detect.runner import Account, Suite

WINDOW = 60
"""Notes, one a second, over which is measured."""

BLIND = 30.0
"""Media seconds of material that was there, and not looked at, after which a detector counts as blind."""

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one detector looked at within the last minute.

    `share` of the media seconds that were there (None: nothing was), `looks` per media second, `cost` in CPU seconds
    per media hour, and why it is `blind`; empty: it sees.
    """

    share: float | None
    looks: float = 0.0
    cost: float = 0.0
    blind: str = ""


@dataclass(frozen=True, slots=True)
class _Note:
    """Totals of one detector: media seconds that were there, looks, media seconds looked at, CPU seconds."""

    offered: float
    looks: int
    seen: float
    cpu: float


class CoverageMeter:
    """Compares a suite's totals with those of a minute ago. Call `measure` once a second."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._notes: deque[Mapping[str, _Note]] = deque([self._totals()], maxlen=WINDOW + 1)

    def measure(self) -> dict[str, Coverage]:
        """The coverage of every detector now."""
        self._notes.append(self._totals())
        before, now = self._notes[0], self._notes[-1]
        accounts = self._suite.accounts
        return {name: _coverage(before[name], now[name], self._why_blind(name, accounts[name])) for name in now}

    def _totals(self) -> dict[str, _Note]:
        return {
            name: _Note(self._suite.there_was(name), account.looks, account.media_seconds, account.cpu_seconds)
            for name, account in self._suite.accounts.items()
        }

    def _why_blind(self, name: str, account: Account) -> str:
        if account.aside:
            return f"put aside: {account.last_failure}"
        unseen = self._suite.there_was(name) - account.offered_at_look
        return f"it has not looked for {unseen:.0f} s" if unseen >= BLIND else ""


def _coverage(before: _Note, now: _Note, blind: str) -> Coverage:
    offered = now.offered - before.offered
    if offered <= 0:
        return Coverage(None, blind=blind)
    return Coverage(
        share=round(min(1.0, (now.seen - before.seen) / offered), 4),
        looks=round((now.looks - before.looks) / offered, 2),
        cost=round((now.cpu - before.cpu) / offered * HOUR, 1),
        blind=blind,
    )
