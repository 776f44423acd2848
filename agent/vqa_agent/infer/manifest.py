"""Which models there are, and whether their files are the ones that were made.

`models/manifest.toml` has one table per model, written by the workshop (`quantize.manifest`) and read here.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vqa_agent.errors import ModelError, not_known

_PACKAGE = Path(__file__).parent.parent
_INSTALLED, _CHECKOUT = _PACKAGE / "models", _PACKAGE.parent.parent / "models"

MODELS = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
"""The folder of the models: inside the installed package, or at the top of a checkout."""

MANIFEST = "manifest.toml"

DOT_PRODUCT = {"avx512_vnni", "avx_vnni", "asimddp"}
"""CPU flags of the 8-bit dot product, on x86 and on Arm."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tensor(Part):
    """One input; `shape` is that of one usual look, a first axis of other length makes a batch of it."""

    name: str
    shape: tuple[int, ...]


class ModelFile(Part):
    """A file in the model's folder."""

    file: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


class ModelInfo(Part):
    """A model's entry in the manifest. `reduced` is its twin with 7-bit weights, for CPUs without a dot product."""

    name: str
    date: date
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = {}
    data: str = ""
    scores: Mapping[str, Any] = {}
    full: ModelFile
    reduced: ModelFile | None = None

    @property
    def suited(self) -> ModelFile:
        """The file for this machine's CPU."""
        return self.full if self.reduced is None or has_dot_product() else self.reduced

    @property
    def files(self) -> tuple[ModelFile, ...]:
        return (self.full,) if self.reduced is None else (self.full, self.reduced)


def read_manifest(folder: Path = MODELS) -> dict[str, ModelInfo]:
    """Every model of `folder`, by name; none where there is no manifest. Raises ModelError for a damaged one."""
    path = folder / MANIFEST
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: ModelInfo.model_validate({"name": name, **entry}) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValidationError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"reading the list of models {path}: {reason}; install the agent again") from error


def model_info(name: str, folder: Path = MODELS) -> ModelInfo:
    """The entry of one model. Raises ModelError for an unknown one."""
    known = read_manifest(folder)
    if name not in known:
        raise ModelError(f"opening model {name!r}: it is not in {folder / MANIFEST}; {not_known(name, sorted(known))}")
    return known[name]


def read_verified(info: ModelInfo, file: ModelFile, folder: Path = MODELS) -> bytes:
    """The content of a model's file. Raises ModelError where it is missing or not the one that was made."""
    path = folder / info.name / file.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"reading model {path}: {error.strerror}; install the agent again") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ModelError(f"reading model {path}: its SHA-256 is not the one in {MANIFEST}; install the agent again")
    return content


@cache
def has_dot_product() -> bool:
    """Whether this CPU multiplies 8-bit numbers without overflow in 16 bits. Yes, where that cannot be told."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return True
    flags = {word for line in lines if line.startswith(("flags", "Features")) for word in line.split()}
    return not flags or bool(DOT_PRODUCT & flags)
