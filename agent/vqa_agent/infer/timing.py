"""How long one look takes, and what a loaded model weighs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import psutil
from numpy.typing import NDArray

from vqa_agent.errors import ModelError, one_line
from vqa_agent.infer.manifest import MODELS, ModelInfo
from vqa_agent.infer.runtimes import Backend

if TYPE_CHECKING:
    from vqa_agent.infer.model import Model

RUNS, WARM_UP = 15, 2

PATIENCE = 10.0
"""Seconds that opening and timing one model may take on a core of its own."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and least milliseconds of CPU of a look, and megabytes that runtime and model add to resident memory."""

    ms: float
    least_ms: float
    megabytes: float


def example(info: ModelInfo, seed: int = 0) -> list[NDArray[np.float32]]:
    """Inputs in the shapes of a usual look: normal noise, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(tensor.shape, dtype=np.float32) for tensor in info.inputs]


def measure(open_it: Callable[[], Model], runs: int = RUNS) -> Timing:
    """Open a model in this process and time it."""
    before = psutil.Process().memory_info().rss
    model = open_it()
    inputs = example(model.info)
    times = [_look(model, inputs) for _ in range(WARM_UP + runs)][WARM_UP:]
    grown = psutil.Process().memory_info().rss - before
    return Timing(round(statistics.median(times), 3), round(min(times), 3), round(grown / 1e6, 1))


def _look(model: Model, inputs: list[NDArray[np.float32]]) -> float:
    """Milliseconds of CPU, on all threads, so that a busy machine changes little."""
    started = process_time()
    model.run(*inputs)
    return (process_time() - started) * 1e3


def measure_apart(name: str, backend: Backend, folder: Path = MODELS, runs: int = RUNS, share: float = 1.0) -> Timing:
    """The same in a process of its own, which has nothing else in it, and takes `share` of a core.

    Raises ModelError where that process fails.
    """
    command = [sys.executable, "-m", "vqa_agent.infer", name, backend, str(folder), str(runs), str(share)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    doing = f"timing model {name!r} with {backend}"
    try:
        ended = subprocess.run(
            command,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE / share,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"{doing}: {one_line(error)}") from error
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"])[-1]
        raise ModelError(f"{doing}: {one_line(last)}")
    return Timing(**json.loads(ended.stdout))
