"""How sure a score is: a bootstrap over whole sources, because the segments of one recording are no new evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def by_source(
    statistic: Callable[..., float],
    sources: NDArray[Any],
    *arrays: NDArray[Any],
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The `level` interval of statistic(*arrays), drawing whole sources with replacement.

    `sources` and the arrays have one entry (first axis) per segment. Draws for which the statistic is not defined
    (NaN) are left out.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(sources == each) for each in np.unique(sources)]
    values = []
    for _ in range(rounds):
        chosen = np.concatenate([groups[number] for number in rng.integers(len(groups), size=len(groups))])
        values.append(statistic(*(array[chosen] for array in arrays)))
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
