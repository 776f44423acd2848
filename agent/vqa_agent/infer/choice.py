"""Which runtime runs a model faster on this machine: measured once, then remembered.

Each runtime is timed in a process of its own. The one that is not chosen then costs no memory here, and one that
cannot live in this sandbox (OpenVINO compiles at run time, which MemoryDenyWriteExecute forbids) harms nobody.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from vqa_agent.errors import ModelError
from vqa_agent.infer.manifest import ModelFile, ModelInfo
from vqa_agent.infer.runtimes import Backend, installed

log = logging.getLogger(__name__)

CACHE = "runtimes.json"

WORTH = 0.9
"""OpenVINO is taken where it needs less than this share of ONNX Runtime's time: it takes more memory."""

PATIENCE = 10.0
"""Seconds that timing one runtime may take."""


@dataclass(slots=True)
class Preference:
    """What this process was told: a runtime, or to find out, and where to remember it."""

    backend: Backend | Literal["auto"] = "auto"
    state_dir: Path | None = None


_preference = Preference()
_known: dict[str, Backend] = {}


def prefer(backend: Backend | Literal["auto"], state_dir: Path | None = None) -> None:
    """Set what "auto" means in this process, and the directory where the finding is remembered."""
    _preference.backend, _preference.state_dir = backend, state_dir


def choose(info: ModelInfo, file: ModelFile, folder: Path) -> Backend:
    """The runtime for a model on this machine. Raises ModelError where there is none."""
    if _preference.backend != "auto":
        return _preference.backend
    candidates = installed()
    if not candidates:
        raise ModelError(
            f"opening model {info.name!r}: neither ONNX Runtime nor OpenVINO is installed; pip install onnxruntime"
        )
    if len(candidates) == 1:
        return candidates[0]
    key = _key(file, candidates)
    remembered = _known.get(key) or _read_cache().get(key)
    _known[key] = remembered if remembered in candidates else _measured(info, file, folder, candidates)
    _write_cache(key, _known[key])
    return _known[key]


def _measured(info: ModelInfo, file: ModelFile, folder: Path, candidates: list[Backend]) -> Backend:
    times = {name: time for name in candidates if (time := time_apart(info.name, name, folder)) is not None}
    log.info("model %s: ms per look %s", info.name, ", ".join(f"{name} {ms:.2f}" for name, ms in times.items()))
    if "onnxruntime" in times and times.get("openvino", float("inf")) > WORTH * times["onnxruntime"]:
        return "onnxruntime"
    return min(times, key=times.__getitem__, default="onnxruntime")


def time_apart(name: str, backend: Backend, folder: Path) -> float | None:
    """Least milliseconds of a look of a model in a process of its own; None where that process fails."""
    command = [sys.executable, "-m", "vqa_agent.infer.timing", name, backend, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
        )
        return float(json.loads(ended.stdout)["least_ms"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        log.warning("model %s cannot be timed with %s (%s); it is left out", name, backend, type(error).__name__)
        return None


def _key(file: ModelFile, candidates: list[Backend]) -> str:
    """What a finding holds for: this file, on this CPU, with these versions."""
    return " ".join([file.sha256[:16], _cpu(), *(f"{name}-{version(name)}" for name in candidates)])


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read_cache() -> dict[str, Backend]:
    if _preference.state_dir is None:
        return {}
    try:
        found = json.loads((_preference.state_dir / CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_cache(key: str, backend: Backend) -> None:
    """Add a finding; a cache that cannot be written only costs the next start its timing."""
    if _preference.state_dir is None or (found := _read_cache()).get(key) == backend:
        return
    path = _preference.state_dir / CACHE
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(json.dumps({**found, key: backend}, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        log.warning("remembering the faster runtime in %s: %s", path, error.strerror)
        with suppress(OSError):
            beside.unlink()
