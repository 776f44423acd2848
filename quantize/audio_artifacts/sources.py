"""The clean recordings, each in one split: train, validation or test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import av
import numpy as np

from quantize.audio_artifacts import negatives
from vqa_agent.capture.sound import to_float
from vqa_agent.media import Samples

CLASSES = ("hum", "hiss", "distortion", "clicks")
SPLITS = ("train", "validation", "test")
FOLDERS = {"sound/speech": "speech", "sound/music": "music", "sound/environment": "environment", "talking": "talking"}
SHORTEST = 0.8
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`wave` (n,) at `rate`; `own` are the defects that it has by itself, of which nothing may be concluded."""

    name: str
    split: str
    rate: int
    wave: Samples
    own: tuple[str, ...] = ()
    weight: float = 1.0

    @property
    def seconds(self) -> float:
        return len(self.wave) / self.rate


def recordings(media: Path, config: Mapping[str, Any], folders: Mapping[str, str] = FOLDERS) -> Iterator[Recording]:
    """The recordings under `media` and the made ones (see `negatives`), in a fixed order."""
    for folder, kind in folders.items():
        for path in sorted((media / folder).rglob("*")):
            read = _read(path) if path.is_file() else None
            if read is not None and len(read[1]) >= SHORTEST * read[0]:
                name = f"{kind}/{path.relative_to(media / folder).with_suffix('')}"
                yield _recording(name, *read, config["sources"])
    for name, wave in negatives.every().items():
        yield _recording(f"negatives/{name}", negatives.RATE, wave, config["sources"])


def _recording(name: str, rate: int, wave: Samples, sources: Mapping[str, Any]) -> Recording:
    """A recording called "kind/name", in the split, with the defects and the weight that `sources` give it."""
    splits = [split for split in ("test", "validation") if matches(name, sources[split])]
    own = tuple(defect for defect in CLASSES if matches(name, sources["own"][defect]))
    weights = [weight for pattern, weight in sources["weight"].items() if matches(name, [pattern])]
    return Recording(name, (*splits, "train")[0], rate, wave, own, (*weights, 1.0)[0])


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _read(path: Path) -> tuple[int, Samples] | None:
    """Sample rate and first channel of a file; None where it has no sound."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
            pieces = [to_float(frame)[0] for frame in container.decode(container.streams.audio[0])]
            return container.streams.audio[0].rate, np.concatenate(pieces)
    except (av.error.FFmpegError, ValueError):
        return None
