"""Prepared data, made once: the same configuration reads it back in seconds.

Each array is a .npy file, so that sets larger than the memory are mapped, not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

FOLDER = Path(os.environ.get("VQA_CACHE", Path(__file__).parent.parent / ".cache" / "quantize"))
"""Where prepared data are kept, unless VQA_CACHE says otherwise. May be deleted at any time."""


def key(config: Mapping[str, Any]) -> str:
    """A short name for a configuration, the same in every run.

    >>> key({"a": 1, "b": 2}) == key({"b": 2, "a": 1}) != key({"a": 1, "b": 3})
    True
    """
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached(name: str, config: Mapping[str, Any], build: Callable[[], Arrays], folder: Path = FOLDER) -> Arrays:
    """The arrays of `build()`, from disk where the same `name` and `config` were built before. Read-only.

    `config` must hold everything that the arrays follow from: parameters, the seed, the files' names and sizes, and a
    version that rises when the code changes.
    """
    place = folder / f"{name}-{key(config)}"
    if not place.is_dir():
        _write(place, config, build())
    return {file.stem: np.load(file, mmap_mode="r") for file in sorted(place.glob("*.npy"))}


def _write(place: Path, config: Mapping[str, Any], arrays: Arrays) -> None:
    """Write everything beside, then rename: an interrupted run leaves nothing that looks complete."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array)
        (beside / "config.json").write_text(json.dumps(config, sort_keys=True, indent=1, default=str), encoding="utf-8")
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
