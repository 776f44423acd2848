"""Sounds that agents in the field kept and a person labelled, as more seconds to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from quantize.audio_artifacts.sources import CLASSES
from quantize.cache import Arrays
from quantize.samples import read_samples
from vqa_agent.hearing import Listener, measures

DETECTOR = "audio_artifacts"


def joined(data: Arrays, place: Path) -> Arrays:
    """`data` and the labelled seconds of the export at `place`.

    A label is "none", or one or more defects; it holds for every second of its sound.
    """
    rows = list(_rows(place))
    if not rows:
        raise ValueError(f"{place} holds no labelled sounds of {DETECTOR}")
    return {name: np.concatenate([data[name], np.array([row[name] for row in rows])]) for name in data}


def _rows(place: Path) -> Iterator[dict[str, Any]]:
    for number, sample in enumerate(read_samples(place, DETECTOR)):
        if not sample.labels or sample.kind != "sound":
            continue
        if unknown := set(sample.labels) - {"none", *CLASSES}:
            raise ValueError(f"sample {sample.id}: {', '.join(sorted(unknown))} is none of none, {', '.join(CLASSES)}")
        truth = np.array([defect in sample.labels for defect in CLASSES], np.int8)
        rate = int(sample.detail["rate"])
        listener = Listener(rate)
        for channel in sample.data:
            whole = channel[: len(channel) // rate * rate].reshape(-1, rate)
            heard = [listener.listen(second) for second in whole]
            for index, second in enumerate(heard):
                if second is not None:
                    yield {
                        "picture": second.picture.astype(np.float16),
                        "measures": measures(heard, index),
                        "truth": truth,
                        "severity": np.full(len(CLASSES), np.nan, np.float32),
                        "clip": -1 - number,
                        "second": index,
                        "source": f"field/{sample.source}",
                        "kind": "",
                        "codec": "",
                        "rate": rate,
                    }
