"""How long one look takes, and what a loaded model weighs. Run as a program, for a process without anything else:

python -m vqa_agent.infer.timing MODEL BACKEND [FOLDER] [RUNS]
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

import numpy as np
import psutil
from numpy.typing import NDArray

from vqa_agent.infer.manifest import MODELS, ModelInfo
from vqa_agent.infer.model import Model, open_model
from vqa_agent.infer.runtimes import Backend

RUNS = 15


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and least milliseconds of a look, and what opening and looking added to the resident memory."""

    ms: float
    least_ms: float
    megabytes: float


def example(info: ModelInfo, seed: int = 0) -> list[NDArray[np.float32]]:
    """Inputs of a usual look's shapes: normal noise, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(tensor.shape, dtype=np.float32) for tensor in info.inputs]


def time_model(model: Model, runs: int = RUNS) -> list[float]:
    """Milliseconds of each of `runs` looks, after two that warm up."""
    inputs = example(model.info)
    times = []
    for number in range(runs + 2):
        started = perf_counter()
        model.run(*inputs)
        if number >= 2:
            times.append((perf_counter() - started) * 1e3)
    return times


def measure(name: str, backend: Backend, folder: Path = MODELS, runs: int = RUNS) -> Timing:
    """Open and time a model in this process."""
    before = psutil.Process().memory_info().rss
    times = time_model(open_model(name, backend, folder), runs)
    grown = psutil.Process().memory_info().rss - before
    return Timing(round(statistics.median(times), 3), round(min(times), 3), round(grown / 1e6, 1))


def main(arguments: list[str]) -> None:
    name, backend, *rest = arguments
    folder = Path(rest[0]) if rest else MODELS
    runs = int(rest[1]) if len(rest) > 1 else RUNS
    print(json.dumps(asdict(measure(name, cast(Backend, backend), folder, runs))))


if __name__ == "__main__":
    main(sys.argv[1:])
