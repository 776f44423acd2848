"""What was made, into models/manifest.toml. The agent reads it (`vqa_agent.infer.manifest`)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vqa_agent.infer.manifest import MANIFEST, MODELS, ModelFile, ModelInfo, Tensor, read_manifest

HEAD = "# What the models are. Written by quantize.manifest; the agent refuses a file whose SHA-256 differs.\n"


def record(
    name: str,
    *,
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    classes: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    data: str = "",
    scores: Mapping[str, Any] | None = None,
    folder: Path = MODELS,
) -> ModelInfo:
    """Enter `folder`/name/name.onnx, and its twin where there is one, in the manifest, in place of an older entry.

    `inputs` are the shapes of one usual look, in the order of the network's inputs; `data` says in a sentence what it
    was trained on; `scores` are numbers by name, or tables of them.
    """
    twin = folder / name / f"{name}.reduced.onnx"
    info = ModelInfo(
        name=name,
        date=datetime.now(UTC).date(),
        inputs=tuple(Tensor(name=key, shape=tuple(shape)) for key, shape in inputs.items()),
        outputs=tuple(outputs),
        classes=tuple(classes),
        thresholds=thresholds or {},
        data=data,
        scores=scores or {},
        full=_file(folder / name / f"{name}.onnx"),
        reduced=_file(twin) if twin.exists() else None,
    )
    entries = {**read_manifest(folder), name: info}
    text = HEAD + "".join(_entry(entries[each]) for each in sorted(entries))
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return info


def _file(path: Path) -> ModelFile:
    content = path.read_bytes()
    return ModelFile(file=path.name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _entry(info: ModelInfo) -> str:
    values = info.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    return f"\n[{info.name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items() if value)


def _toml(value: Any) -> str:
    """A value in TOML: JSON's numbers, strings and lists are TOML's, its objects are not."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
