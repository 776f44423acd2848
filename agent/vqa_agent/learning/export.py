"""Kept samples as a folder or a tar file: the media files and their index, `samples.jsonl` (docs/samples.md)."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from vqa_agent.errors import AgentError
from vqa_agent.learning.store import KeptSample

INDEX = "samples.jsonl"


def export_samples(directory: Path, samples: Iterable[KeptSample], to: Path) -> None:
    """Copy `samples` of `directory` to `to`, readable by this user alone. Raises AgentError where that cannot be."""
    try:
        if to.exists():
            raise FileExistsError(None, "it exists")
        if to.suffix != ".tar":
            to.mkdir(mode=0o700)
            _fill(to, directory, samples)
            return
        with tempfile.TemporaryDirectory(dir=to.parent) as folder:
            _fill(Path(folder), directory, samples)
            descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(folder, arcname=to.stem)
    except OSError as error:
        raise AgentError(f"exporting samples to {to}: {error.strerror}; name a new folder or .tar file") from error


def _fill(folder: Path, directory: Path, samples: Iterable[KeptSample]) -> None:
    lines = []
    for sample in samples:
        for name in sample.files:
            shutil.copy2(directory / name, folder / name)
        lines.append(sample.model_dump_json() + "\n")
    index = folder / INDEX
    index.touch(mode=0o600)
    index.write_text("".join(lines), encoding="utf-8")
