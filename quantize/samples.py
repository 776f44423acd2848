"""Reads what `vqa-agent samples export` wrote (docs/samples.md): labelled pictures and sounds from the field."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

INDEX = "samples.jsonl"


@dataclass(frozen=True)
class FieldSample:
    """One sample with its label.

    `data` is a picture's luma, (height, width) in its own code values, or (channels, n) sound in float32. `previous`
    is the luma before it, where that was kept. `labels` are the words that a person gave; none means not labelled.
    `source` tells recordings apart, for splits: samples of one stream belong on one side.
    """

    id: str
    kind: str
    detector: str
    source: str
    labels: tuple[str, ...]
    data: NDArray[Any]
    previous: NDArray[Any] | None
    detail: dict[str, Any]


def read_samples(place: Path, detector: str = "") -> Iterator[FieldSample]:
    """The samples of an exported folder or tar file, those of one detector alone where it is named.

    Raises FileNotFoundError where `place` holds no export, ValueError for a file that cannot be decoded.
    """
    with ExitStack() as stack:
        folder = place
        if place.is_file():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with tarfile.open(place) as archive:
                archive.extractall(folder, filter="data")
        index = next(iter(sorted([*folder.glob(INDEX), *folder.glob(f"*/{INDEX}")])), None)
        if index is None:
            raise FileNotFoundError(f"{place} holds no {INDEX}: make one with vqa-agent samples export")
        for line in index.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            if not detector or values["detector"] == detector:
                yield _sample(index.parent, values)


def _sample(folder: Path, values: dict[str, Any]) -> FieldSample:
    files = [folder / Path(name).name for name in values["files"]]
    read = _sound if values["kind"] == "sound" else _picture
    words = (values["label"] or "").split(",")
    return FieldSample(
        id=values["id"],
        kind=values["kind"],
        detector=values["detector"],
        source=values["stream"],
        labels=tuple(word.strip() for word in words if word.strip()),
        data=read(files[0]),
        previous=read(files[1]) if len(files) > 1 else None,
        detail=values["detail"],
    )


def _picture(path: Path) -> NDArray[Any]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path} is not a picture")
    return np.asarray(image)


def _sound(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        channels = stream.channels
        blocks = [frame.to_ndarray().reshape(-1, channels) for frame in container.decode(stream)]
    return np.ascontiguousarray(np.concatenate(blocks).T, dtype=np.float32)
