"""What every training begins with: its configuration, and a seed for everything that draws numbers."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import numpy as np


def read_config(path: Path) -> dict[str, Any]:
    """The hyper-parameters of one model, from its config.toml."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def seed_everything(seed: int, threads: int = 1) -> np.random.Generator:
    """Seed Python, NumPy and PyTorch, and run PyTorch on `threads` threads; returns a generator of the same seed."""
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(threads)
    return np.random.default_rng(seed)
