"""Makes the audio artifacts model: simulate, train, quantise, set thresholds, measure.

python -m quantize.audio_artifacts.train --media DIR [--samples DIR_OR_TAR]

The simulated clips are kept (see quantize.cache), training goes on where it was broken off, and a finished network is
measured again without training by quantize.audio_artifacts.evaluate. About three quarters of an hour on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from quantize.audio_artifacts import evaluate, fieldwork
from quantize.audio_artifacts.evaluate import FLOAT, FOREST_ALONE, INPUTS, NAME, NETWORK_ALONE
from quantize.audio_artifacts.forest import Forest, grow
from quantize.audio_artifacts.network import Artifacts, Probabilities
from quantize.audio_artifacts.scoring import balanced_accuracy, decide, one_class
from quantize.audio_artifacts.simulate import CONFIG, dataset
from quantize.audio_artifacts.sources import CLASSES, recordings
from quantize.cache import FOLDER, Arrays, key
from quantize.export import export_onnx
from quantize.int8 import quantize_int8
from quantize.setup import read_config, seed_everything
from vqa_agent.infer import MODELS

QUANTISED = ("Conv", "Gemm", "Relu", "ReduceMean", "ReduceMax", "Concat")
"""Operators of the layers. Rounding raw measures, branchings or the odds of rare things would cost much."""


def train(data: Arrays, validation: Arrays, config: Mapping[str, Any]) -> Artifacts:
    """The network after its last epoch. Checkpoints hold all that is needed to go on."""
    settings = config["train"]
    seed_everything(settings["seed"])
    network = Artifacts(settings)
    network.picture.fit(*_moments(data["picture"].astype(np.float32), (0, 2)))
    network.measures.fit(*_moments(data["measures"], (0,)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings["rate"], weight_decay=settings["decay"])
    steps = settings["epochs"] * (len(data["truth"]) // settings["batch"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["rate"], total_steps=steps, pct_start=0.15)
    checkpoint = FOLDER / f"{NAME}-{key({'config': config, 'seconds': len(data['truth'])})}.pt"
    state = {"network": network, "optimiser": optimiser, "schedule": schedule}
    first = _restore(checkpoint, state)
    progress = tqdm(range(first, settings["epochs"]), desc="training", initial=first, total=settings["epochs"])
    for epoch in progress:
        loss = _epoch(network, data, optimiser, schedule, settings, epoch)
        found = balanced(network, validation)
        progress.set_postfix(loss=f"{loss:.4f}", validation=f"{found:.4f}")
        _save(checkpoint, state, epoch + 1)
    return network.eval()


def _epoch(
    network: Artifacts, data: Arrays, optimiser: Any, schedule: Any, settings: Mapping[str, Any], epoch: int
) -> float:
    network.train()
    losses = []
    for picture, measures, truth in batches(data, settings, epoch):
        known = (truth >= 0).float()
        soft = truth.clamp(min=0) * (1 - 2 * settings["smoothing"]) + settings["smoothing"]
        each = nn.functional.binary_cross_entropy_with_logits(network(picture, measures), soft, reduction="none")
        loss = (each * known).sum() / known.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def batches(data: Arrays, settings: Mapping[str, Any], epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The seconds in a new order, each batch as pictures, measures and truth, with a little noise on the inputs."""
    rng = np.random.default_rng([settings["seed"], epoch])
    order = rng.permutation(len(data["truth"]))
    deviation = torch.from_numpy(data["measures"].std(axis=0))
    for start in range(0, len(order) // settings["batch"] * settings["batch"], settings["batch"]):
        chosen = np.sort(order[start : start + settings["batch"]])
        picture = torch.from_numpy(data["picture"][chosen].astype(np.float32))[:, :, None]
        measures = torch.from_numpy(data["measures"][chosen])
        picture = picture + 10 * settings["noise"] * torch.randn_like(picture)
        measures = measures + settings["noise"] * deviation * torch.randn_like(measures)
        yield picture, measures, torch.from_numpy(data["truth"][chosen].astype(np.float32))


def balanced(network: Artifacts, data: Arrays) -> float:
    """Balanced accuracy over five classes with every threshold at one half."""
    network.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(data["truth"]), 512):
            part = slice(start, start + 512)
            picture = torch.from_numpy(data["picture"][part].astype(np.float32))[:, :, None]
            found.append(torch.sigmoid(network(picture, torch.from_numpy(data["measures"][part]))).numpy())
    return balanced_accuracy(one_class(data["truth"]), decide(np.concatenate(found), dict.fromkeys(CLASSES, 0.5)))


def _moments(values: NDArray[np.float32], axes: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return values.mean(axis=axes, dtype=np.float64), values.std(axis=axes, dtype=np.float64)


def _save(path: Path, state: Mapping[str, Any], epochs: int) -> None:
    part = path.with_suffix(".part")
    torch.save({name: each.state_dict() for name, each in state.items()} | {"epochs": epochs}, part)
    part.rename(path)


def _restore(path: Path, state: Mapping[str, Any]) -> int:
    """Epochs that are already done."""
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    for name, each in state.items():
        each.load_state_dict(saved[name])
    return int(saved["epochs"])


def export(network: Artifacts, forest: Forest, data: Arrays, config: Mapping[str, Any]) -> None:
    """The float files, the INT8 file and its twin."""
    shapes = {name: torch.zeros(shape) for name, shape in INPUTS.items()}
    for path, share in ((FLOAT, config["decision"]["share"]), (NETWORK_ALONE, 1.0), (FOREST_ALONE, 0.0)):
        export_onnx(Probabilities(network, forest, share), shapes, ["probabilities"], path)
    rng = np.random.default_rng(config["train"]["seed"])
    chosen = np.sort(rng.choice(len(data["truth"]), config["decision"]["calibration"], replace=False))
    feeds = [
        {"picture": data["picture"][[row]].astype(np.float32)[:, :, None], "measures": data["measures"][[row]]}
        for row in chosen
    ]
    quantize_int8(FLOAT, MODELS / NAME / f"{NAME}.onnx", feeds, op_types=QUANTISED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder with sound/ and talking/")
    parser.add_argument("--samples", type=Path, help="labelled sounds that vqa-agent samples export wrote")
    arguments = parser.parse_args()
    config = read_config(CONFIG)
    every = list(recordings(arguments.media, config))
    sets = {name: dataset(name, every, config) for name in ("train", "validation")}
    if arguments.samples is not None:
        sets["train"] = fieldwork.joined(sets["train"], arguments.samples)
    network = train(sets["train"], sets["validation"], config)
    export(network, grow(sets["train"], config["forest"]), sets["train"], config)
    evaluate.run(arguments.media, every, config)


if __name__ == "__main__":
    main()
