"""How surely an alarm must be told: recordings left out in turn, each judged by trees that never heard it.

python -m quantize.audio_artifacts.folds --media DIR [--folds 4]

The recordings of training and of validation together are ten times as many as those that set the thresholds, and hold
hours of clean clips. Prints the recall of each class, plain and behind a codec; by defect the margin at which clean
clips make so many events an hour, and the share of lasting defects found there; and which recordings are mistaken. The
network is left out: it would have to be trained as often.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from quantize.audio_artifacts.forest import grow
from quantize.audio_artifacts.scoring import LABELS, balanced_accuracy, decide, most_sure, odds, one_class
from quantize.audio_artifacts.simulate import CONFIG, dataset
from quantize.audio_artifacts.sources import CLASSES, recordings
from quantize.cache import Arrays
from quantize.setup import read_config

HOURLY = (3.0, 1.0, 0.3)
"""Events an hour of clean clips."""

LASTING = 5
"""Seconds of a defect that should make an event."""

SHOWN = 6


def joined(parts: Mapping[str, Arrays]) -> Arrays:
    """Sets in one, without their pictures; the clips numbered through."""
    kept = [name for name in next(iter(parts.values())) if name != "picture"]
    whole = {name: np.concatenate([part[name] for part in parts.values()]) for name in kept}
    number = np.repeat(np.arange(len(parts)), [len(part["clip"]) for part in parts.values()])
    return whole | {"clip": whole["clip"] + 1_000_000 * number}


def left_out(data: Arrays, settings: Mapping[str, Any], folds: int) -> NDArray[np.float64]:
    """(seconds, classes) odds, each second's by trees grown from the recordings of the other folds."""
    names = np.unique(data["source"])
    fold_of = dict(zip(names, np.random.default_rng(settings["seed"]).permutation(len(names)) % folds, strict=True))
    fold = np.array([fold_of[name] for name in data["source"]])
    found = np.empty(data["truth"].shape)
    for number in range(folds):
        rest = {name: data[name][fold != number] for name in ("measures", "truth")}
        found[fold == number] = grow(rest, settings)(torch.from_numpy(data["measures"][fold == number])).numpy()
        print(f"fold {number + 1} of {folds}", flush=True)
    return found


def tell(data: Arrays, found: NDArray[np.float64], usual: float) -> None:
    """Prints the recall of each class, plain and coded."""
    truth, label = (
        one_class(data["truth"]),
        decide((1 / (1 + np.exp(-found))).astype(np.float32), dict.fromkeys(CLASSES, usual)),
    )
    coded = data["codec"] != ""
    for what, chosen in (("all", np.ones(len(coded), bool)), ("plain", ~coded), ("coded", coded)):
        recalls = (f"{name} {np.mean(label[chosen & (truth == n)] == n):.3f}" for n, name in enumerate(LABELS))
        print(f"{what:6} {balanced_accuracy(truth[chosen], label[chosen]):.4f}", *recalls)


def alarms(data: Arrays, over: NDArray[np.float64]) -> None:
    """Prints margins, recall and mistakes of each defect; `over` (seconds, classes) odds beyond the usual threshold."""
    clean: dict[str, list[tuple[float, str]]] = {defect: [] for defect in CLASSES}
    lasting: dict[str, list[float]] = {defect: [] for defect in CLASSES}
    hours = 0.0
    for rows in np.split(np.arange(len(over)), np.flatnonzero(np.diff(data["clip"])) + 1):
        truth, spotless = data["truth"][rows], not data["kind"][rows[0]]
        hours += spotless * len(rows) / 3600
        for index, defect in enumerate(CLASSES):
            sure = most_sure(over[rows, index])
            if spotless and not truth[:, index].any():
                clean[defect].append((sure, str(data["source"][rows[0]])))
            elif np.count_nonzero(truth[:, index] == 1) >= LASTING:
                lasting[defect].append(sure)
    for defect in CLASSES:
        ranked = sorted(clean[defect], reverse=True)
        at = {hourly: ranked[int(hourly * hours)][0] for hourly in HOURLY}
        shown = (
            f"{hourly:g} an hour at {m:.1f}: {np.mean(np.array(lasting[defect]) > m):.3f}" for hourly, m in at.items()
        )
        print(f"{defect:10} {len(lasting[defect])} clips, {hours:.1f} h clean;", "; ".join(shown))
        print("           ", ", ".join(f"{name} {sure:.1f}" for sure, name in ranked[:SHOWN]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder with sound/ and talking/")
    parser.add_argument("--folds", type=int, default=4, help="parts that the recordings are cut into")
    arguments = parser.parse_args()
    config = read_config(CONFIG)
    every = list(recordings(arguments.media, config))
    data = joined({name: dataset(name, every, config) for name in ("train", "validation")})
    found = left_out(data, config["forest"], arguments.folds)
    usual = config["decision"]["usual"]
    tell(data, found, usual)
    alarms(data, found - odds(np.array(usual)))


if __name__ == "__main__":
    main()
