"""From probabilities to the five classes, and how good that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from quantize.audio_artifacts.sources import CLASSES
from quantize.bounds import by_source
from quantize.cache import Arrays

LABELS = ("none", *CLASSES)
Probabilities = NDArray[np.float32]
Thresholds = Mapping[str, float]


def odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Natural log of the odds."""
    kept = np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


def decide(probabilities: Probabilities, thresholds: Thresholds) -> NDArray[np.intp]:
    """(n,) index into `LABELS`: the defect that exceeds its threshold by most, or none."""
    over = odds(probabilities) - odds(np.array([thresholds[defect] for defect in CLASSES]))
    return np.where(over.max(axis=1) >= 0, over.argmax(axis=1) + 1, 0)


def one_class(truth: NDArray[np.int8]) -> NDArray[np.intp]:
    """(n,) index into `LABELS` of seconds (n, classes) with at most one defect; -1 for those with two or an unknown."""
    present = (truth == 1).sum(axis=1)
    single = np.where(present == 0, 0, truth.argmax(axis=1) + 1)
    return np.where((present > 1) | (truth < 0).any(axis=1), -1, single)


def balanced_accuracy(truth: NDArray[np.intp], label: NDArray[np.intp]) -> float:
    """Mean of the recalls of the five classes; seconds with truth -1 are left out."""
    return float(
        np.mean([np.mean(label[truth == index] == index) for index in range(len(LABELS)) if np.any(truth == index)])
    )


def fit_thresholds(
    probabilities: Probabilities, truth: NDArray[np.int8], usual: float, doubt: float
) -> dict[str, float]:
    """Thresholds that make balanced accuracy greatest, near `usual` unless there is something to gain.

    Being off by one in log-odds must gain `doubt` of the recalls' sum. One threshold after the other, three times over.
    """
    wanted = one_class(truth)
    middle = float(odds(np.array(usual)))
    grid = middle + np.linspace(-3, 3, 49)
    limits = np.full(len(CLASSES), middle)
    over = odds(probabilities)

    def worth(trial: NDArray[np.float64]) -> float:
        margin = over - trial
        label = np.where(margin.max(axis=1) >= 0, margin.argmax(axis=1) + 1, 0)
        recalls = [np.mean(label[wanted == index] == index) for index in range(len(LABELS)) if np.any(wanted == index)]
        return float(sum(recalls) - doubt * np.sum((trial - middle) ** 2))

    for _ in range(3):
        for index in range(len(CLASSES)):
            trials = [np.where(np.arange(len(CLASSES)) == index, value, limits) for value in grid]
            limits[index] = grid[int(np.argmax([worth(trial) for trial in trials]))]
    return {defect: round(float(1 / (1 + np.exp(-limit))), 4) for defect, limit in zip(CLASSES, limits, strict=True)}


@dataclass(frozen=True, slots=True)
class Score:
    """Balanced accuracy over five classes, its 95 % bounds over sources, and the recall of each class."""

    balanced: float
    low: float
    high: float
    recalls: dict[str, float]
    confusion: NDArray[np.float64]

    def __str__(self) -> str:
        recalls = ", ".join(f"{name} {value:.3f}" for name, value in self.recalls.items())
        return f"{self.balanced:.4f} [{self.low:.4f}, {self.high:.4f}] ({recalls})"


def score(data: Arrays, label: NDArray[np.intp]) -> Score:
    """How well `label` (n,) tells the class of the seconds of `data`."""
    truth = one_class(data["truth"])
    kept = truth >= 0
    low, high = by_source(balanced_accuracy, data["source"][kept], truth[kept], label[kept], rounds=200)
    table = np.array([[np.mean(label[truth == row] == column) for column in range(5)] for row in range(5)])
    recalls = {name: float(table[row, row]) for row, name in enumerate(LABELS)}
    return Score(balanced_accuracy(truth[kept], label[kept]), low, high, recalls, table)


def by_kind(data: Arrays, label: NDArray[np.intp]) -> list[tuple[str, int, float, float]]:
    """Variant of a defect, seconds, recall, and recall of the half that is harder by severity."""
    truth = one_class(data["truth"])
    rows = []
    for kind in sorted({str(kind) for kind in data["kind"] if kind and "+" not in str(kind)}):
        chosen = (data["kind"] == kind) & (truth > 0)
        if np.count_nonzero(chosen) < 5:
            continue
        right = label[chosen] == truth[chosen]
        severity = data["severity"][chosen, truth[chosen] - 1]
        hard = severity <= np.median(severity) if kind.startswith("clicks") else severity >= np.median(severity)
        rows.append((kind, len(right), float(right.mean()), float(right[hard].mean())))
    return rows


def by_severity(data: Arrays, label: NDArray[np.intp], parts: int = 4) -> list[tuple[str, float, float, float]]:
    """Defect, severity from, to, and recall there."""
    truth = one_class(data["truth"])
    rows = []
    for index, defect in enumerate(CLASSES):
        chosen = truth == index + 1
        if not chosen.any():
            continue
        severity = data["severity"][chosen, index]
        edges = np.quantile(severity, np.linspace(0, 1, parts + 1))
        for low, high in pairwise(edges):
            inside = (severity >= low) & (severity <= high)
            rows.append((defect, float(low), float(high), float(np.mean(label[chosen][inside] == index + 1))))
    return rows


def most_sure(values: NDArray[np.float64], count: int = 3, looks: int = 5) -> float:
    """The greatest value that `count` of any `looks` successive ones (n,) reach: above it no limit makes an event."""
    if len(values) < count:
        return -np.inf
    padded = np.concatenate([np.full(looks - 1, -np.inf), values])
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, looks), axis=1)
    return float(windows[:, looks - count].max())


@dataclass(frozen=True, slots=True)
class Lasting:
    """Clips with a lasting defect, the share of them that makes an event, and that of the more severe half."""

    clips: int
    found: float
    severe: float


def lasting_found(
    data: Arrays, probabilities: Probabilities, limits: Mapping[str, float], count: int = 3, looks: int = 5
) -> dict[str, Lasting]:
    """For each defect: the clips that have it for `looks` seconds or more, and how many make an event.

    An event are `count` of `looks` seconds with odds of `limits` at least, as the detector's rule for files has it.
    """
    over = odds(probabilities) - [limits[defect] for defect in CLASSES]
    found: dict[str, list[tuple[float, bool]]] = {defect: [] for defect in CLASSES}
    for clip in np.unique(data["clip"]):
        rows = np.flatnonzero(data["clip"] == clip)
        for index, defect in enumerate(CLASSES):
            if np.count_nonzero(data["truth"][rows, index] == 1) >= looks:
                severity = float(data["severity"][rows[0], index]) * (1 if defect == "clicks" else -1)
                found[defect].append((severity, most_sure(over[rows, index], count, looks) >= 0))
    return {defect: _lasting(np.array(each)) for defect, each in found.items()}


def _lasting(found: NDArray[np.float64]) -> Lasting:
    """Of (clips, 2): severity, the greater the worse, and whether it makes an event."""
    if not len(found):
        return Lasting(0, np.nan, np.nan)
    severe = found[:, 0] >= np.median(found[:, 0])
    return Lasting(len(found), float(found[:, 1].mean()), float(found[severe, 1].mean()))
