"""Which runtime runs a model faster on this machine: measured once, then remembered.

Each runtime is timed in a process of its own. The one that is not chosen then costs no memory here, and one that
cannot live in this sandbox (OpenVINO compiles at run time, which MemoryDenyWriteExecute forbids) harms nobody.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from vqa_agent.errors import ModelError
from vqa_agent.infer.manifest import MODELS, ModelInfo, read_manifest
from vqa_agent.infer.runtimes import RUNTIMES, Backend, Choice, installed
from vqa_agent.infer.timing import measure_apart

log = logging.getLogger(__name__)

CACHE = "runtimes.json"

WORTH = 0.3
"""OpenVINO is taken where it needs less than this share of ONNX Runtime's time, as on processors without instructions
for INT8: it takes 65 MB more for each stream, and the networks are a tenth of a stream's CPU."""


@dataclass(slots=True)
class Preference:
    """What this process was told: a runtime, or to find out, and where to remember it."""

    backend: Choice = "auto"
    state_dir: Path | None = None
    times: bool = True
    share: float = 1.0
    """Of a core, for the timing."""


_preference = Preference()
_known: dict[str, Backend] = {}


def prefer(backend: Choice, state_dir: Path | None = None, *, times: bool = True, share: float = 1.0) -> None:
    """Set what "auto" means in this process, and the directory where the finding is remembered.

    A process that must not wait for seconds while its stream goes on has `times` False: what nobody has timed yet runs
    on ONNX Runtime. Where it times, it takes `share` of a core.
    """
    _preference.backend, _preference.state_dir = backend, state_dir
    _preference.times, _preference.share = times, share


def choose(info: ModelInfo, folder: Path) -> Backend:
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
    if (known := remembered(info)) is not None:
        return known
    if not _preference.times:
        return candidates[0]
    key = _key(info, candidates)
    _known[key] = _measured(info, folder, candidates)
    _write_cache(key, _known[key])
    return _known[key]


def find_out(backend: Choice, state_dir: Path, share: float) -> None:
    """Time every model that nobody has timed here: for a thread of a process that watches nothing.

    It takes some six seconds of CPU, `share` of a core at a time.
    """
    prefer(backend, state_dir, share=share)
    for info in read_manifest().values():
        with suppress(ModelError):
            choose(info, MODELS)


def remembered(info: ModelInfo) -> Backend | None:
    """The runtime that was found to be the faster one here before; None where that was not tried."""
    key = _key(info, installed())
    return _known.get(key) or _read_cache().get(key)


def _measured(info: ModelInfo, folder: Path, candidates: list[Backend]) -> Backend:
    times: dict[Backend, float] = {}
    for backend in candidates:
        try:
            times[backend] = measure_apart(info.name, backend, folder, share=_preference.share).least_ms
        except ModelError as error:
            log.warning("%s; it is left out", error)
    log.info("model %s: ms per look: %s", info.name, ", ".join(f"{name} {ms:.2f}" for name, ms in times.items()))
    if "onnxruntime" in times and times.get("openvino", float("inf")) > WORTH * times["onnxruntime"]:
        return "onnxruntime"
    return min(times, key=times.__getitem__, default="onnxruntime")


def _key(info: ModelInfo, candidates: list[Backend]) -> str:
    """What a finding holds for: this file, on this CPU, with these versions, by this rule."""
    return " ".join(
        [info.suited.sha256[:16], _cpu(), f"{WORTH:.0%}", *(f"{name}-{version(name)}" for name in candidates)]
    )


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _cache_file() -> Path:
    """In the agent's state directory, or in this user's cache for a command that has none."""
    home = os.environ.get("HOME", "/nonexistent")
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache") / "vqa-agent"
    return (_preference.state_dir or user_cache) / CACHE


def _read_cache() -> dict[str, Backend]:
    try:
        found = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    names = set(RUNTIMES)
    return {key: name for key, name in found.items() if name in names} if isinstance(found, dict) else {}


def _write_cache(key: str, backend: Backend) -> None:
    """Add a finding; a cache that cannot be written only costs the next start its timing."""
    path = _cache_file()
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({**_read_cache(), key: backend}, indent=1), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        log.info("remembering the faster runtime in %s: %s", path, error.strerror)
        with suppress(OSError):
            beside.unlink()
