"""The folder of kept samples: private, bounded, the least interesting out first.

A sample is `ID.json` with its picture or sound beside it, and `ID.label` once a person has said what it shows. The id
begins with the uncertainty in thousandths, so that a listing of the folder is enough to make room. Several workers
share the folder without locks: each file is written once, the JSON last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from ulid import ULID

from vqa_agent.errors import AgentError, UsageError

RESERVE = 200_000_000
"""Free bytes that are left to the outbox and the rest of the machine."""

LARGEST_SHARE = 0.25
"""A single sample may take this share of the folder's size."""


class KeptSample(BaseModel):
    """What is known of a sample. `time` is when it was seen, `start` and `end` are media seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: Literal["picture", "sound"]
    stream: str
    detector: str
    time: datetime
    start: float
    end: float
    uncertainty: float
    score: float
    detail: Mapping[str, Any] = {}
    files: tuple[str, ...]
    label: str | None = None


@dataclass(slots=True)
class _Entry:
    """The files of one id, as the folder lists them."""

    id: str
    size: int = 0
    labelled: bool = False


class SampleStore:
    """The samples in `directory`, together at most `max_size` bytes."""

    def __init__(self, directory: Path, max_size: int) -> None:
        self.directory = directory
        self.max_size = max_size

    def add(self, contents: Mapping[str, bytes], **known: Any) -> KeptSample | None:
        """Keep a sample: `contents` by the ending of their files, and what is `known` of it.

        None where there is no room for it: everything kept is more interesting, or the disk is nearly full. Raises
        OSError where it cannot be written; nothing of it is left then.
        """
        name = f"{min(999, round(known['uncertainty'] * 1000)):03d}-{ULID()}"
        sample = KeptSample(id=name, files=tuple(f"{name}.{ending}" for ending in contents), **known)
        text = sample.model_dump_json(exclude={"label"}).encode()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._make_room(name, len(text) + sum(map(len, contents.values()))):
            return None
        try:
            for ending, content in (*contents.items(), ("json", text)):
                self._write(f"{name}.{ending}", content)
        except OSError:
            self._remove(name)
            raise
        return sample

    def samples(self) -> list[KeptSample]:
        """All samples, the least sure first. What cannot be read is left out."""
        found = []
        for path in sorted(self.directory.glob("*.json"), reverse=True):
            with suppress(OSError, ValidationError):
                sample = KeptSample.model_validate_json(path.read_bytes())
                found.append(sample.model_copy(update={"label": self._label_of(sample.id)}))
        return found

    def find(self, text: str) -> KeptSample:
        """The one sample whose id begins or ends with `text`. Raises UsageError where that is none, or several."""
        found = [each for each in self.samples() if each.id.startswith(text) or each.id.endswith(text)]
        if len(found) != 1:
            raise UsageError(
                f"{len(found) or 'no'} samples in {self.directory} have an id that begins or ends with {text!r}; "
                "see vqa-agent samples list"
            )
        return found[0]

    def label(self, sample: KeptSample, label: str) -> None:
        """Write down what a person says it shows; an empty label takes that back. Labelled samples are not dropped."""
        path = self.directory / f"{sample.id}.label"
        try:
            path.unlink(missing_ok=True)
            if label:
                self._write(path.name, label.encode())
        except OSError as error:
            raise AgentError(f"labelling {path}: {error.strerror}; run it as the agent's user") from error

    def _label_of(self, name: str) -> str | None:
        with suppress(OSError):
            return (self.directory / f"{name}.label").read_text(encoding="utf-8")
        return None

    def _make_room(self, name: str, size: int) -> bool:
        """Drop what is less interesting than `name` until `size` bytes fit."""
        if size > LARGEST_SHARE * self.max_size or shutil.disk_usage(self.directory).free < RESERVE + size:
            return False
        entries = self._entries()
        excess = sum(entry.size for entry in entries) + size - self.max_size
        going: list[_Entry] = []
        for entry in entries:
            if excess <= 0 or entry.id >= name:
                break
            if not entry.labelled:
                going.append(entry)
                excess -= entry.size
        if excess > 0:
            return False
        for entry in going:
            self._remove(entry.id)
        return True

    def _entries(self) -> list[_Entry]:
        """What is in the folder, the least interesting first."""
        entries: dict[str, _Entry] = {}
        for file in os.scandir(self.directory):
            name, _, ending = file.name.partition(".")
            entry = entries.setdefault(name, _Entry(name))
            entry.labelled |= ending == "label"
            with suppress(FileNotFoundError):
                entry.size += file.stat().st_size
        return [entries[name] for name in sorted(entries)]

    def _write(self, name: str, content: bytes) -> None:
        descriptor = os.open(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def _remove(self, name: str) -> None:
        for path in self.directory.glob(f"{name}.*"):
            path.unlink(missing_ok=True)
