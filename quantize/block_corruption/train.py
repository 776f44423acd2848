"""Train block_corruption on simulated clips, quantise it, choose its threshold, and write models/block_corruption.

    python -m quantize.block_corruption.train --media DIR [--data DIR] [--samples EXPORT] [--minutes 60]
        [--start CHECKPOINT]

Makes the clips that are missing first (see simulate). A checkpoint is written after each epoch, with the configuration
in it; a run that was stopped goes on from there. `--minutes` is the time for training: the learning rate falls to
nothing at its end or after the last epoch, whichever comes first. `--start` begins with the weights of an earlier
network; layers that it lacks begin as new ones do.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from quantize.block_corruption import simulate as simulation
from quantize.block_corruption import whole
from quantize.block_corruption.data import (
    NAME,
    ClipLooks,
    assemble_ahead,
    plan_batches,
    read_field,
    read_split,
    thinned,
)
from quantize.block_corruption.decide import USUAL, choose_threshold, score
from quantize.block_corruption.network import BlockNetwork, Probabilities, build
from quantize.block_corruption.simulate import CONFIG
from quantize.block_corruption.truth import DOUBTFUL
from quantize.cache import FOLDER
from quantize.export import OPSET
from quantize.int8 import node_names, quantize_int8
from quantize.manifest import record
from quantize.setup import read_config, seed_everything
from vqa_agent.block_planes import NAMES, network_input
from vqa_agent.detect.block_corruption import BlockCorruption
from vqa_agent.detect.interface import Profile
from vqa_agent.infer import MODELS

FIRST = "/network/stem.0/"
"""How the name of the layer begins that meets the summaries."""


def loss_of(network: BlockNetwork, planes: Tensor, blocks: Tensor, pictures: Tensor, config: dict[str, Any]) -> Tensor:
    """Cross entropy of the blocks and of the picture, doubtful ones left out; damaged blocks weigh more."""
    with torch.autocast("cpu", torch.bfloat16, enabled=config["bfloat16"]):
        found, decision = (logits.float() for logits in network(planes))
    known = blocks != DOUBTFUL
    weights = torch.where(blocks == 1, config["positive_weight"], 1.0) * known
    entropy = nn.functional.binary_cross_entropy_with_logits(found[:, 0], (blocks == 1).float(), reduction="none")
    map_loss = (entropy * weights).sum() / weights.sum().clamp(min=1)
    sure = pictures != DOUBTFUL
    whole = nn.functional.binary_cross_entropy_with_logits(decision[:, 0], (pictures == 1).float(), reduction="none")
    return map_loss + config["decision_weight"] * (whole * sure).sum() / sure.sum().clamp(min=1)


def train(
    network: BlockNetwork, clips: list[ClipLooks], config: dict[str, Any], checkpoint: Path, minutes: float
) -> None:
    """Run the epochs that are left, with one cycle of the learning rate over the epochs or the minutes."""
    settings = config["training"]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    done, spent = _resume(network, optimiser, checkpoint)
    for epoch in range(done, settings["epochs"]):
        rng = np.random.default_rng([config["seed"], epoch])
        plans = plan_batches(clips, settings["batch"], rng)
        network.train()
        losses, started = [], time.monotonic()
        batches = assemble_ahead(plans, settings["largest"], rng)
        for number, batch in enumerate(tqdm(batches, f"epoch {epoch + 1}", len(plans), mininterval=10)):
            now = spent + time.monotonic() - started
            share = max((epoch + number / len(plans)) / settings["epochs"], now / (60 * minutes))
            for group in optimiser.param_groups:
                group["lr"] = settings["learning_rate"] * _rate(share)
            losses.append(_step(network, optimiser, batch, settings))
            if now > 60 * minutes:
                break
        spent += time.monotonic() - started
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {spent / 60:.1f} minutes", flush=True)
        _save(network, optimiser, config, checkpoint, epoch + 1, spent)
        if spent >= 60 * minutes:
            return


def _step(network: BlockNetwork, optimiser: Any, batch: Any, settings: dict[str, Any]) -> float:
    planes, blocks, pictures = (torch.from_numpy(array) for array in batch)
    loss = loss_of(network, planes.to(memory_format=torch.channels_last), blocks, pictures, settings)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _rate(share: float) -> float:
    """Share of the learning rate at this share of the training: up in the first twentieth, then down as a cosine."""
    return min(1.0, share / 0.05 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, share)))


def _resume(network: BlockNetwork, optimiser: Any, checkpoint: Path) -> tuple[int, float]:
    """Epochs that are done and seconds that they took."""
    if not checkpoint.exists():
        return 0, 0.0
    state = torch.load(checkpoint, weights_only=True)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["epoch"]), float(state["seconds"])


def _save(
    network: BlockNetwork, optimiser: Any, config: dict[str, Any], checkpoint: Path, epoch: int, spent: float
) -> None:
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch, "seconds": spent}
    beside = checkpoint.with_suffix(".part")
    torch.save({**state, "config": config}, beside)
    beside.rename(checkpoint)


def export(network: BlockNetwork, out: Path) -> None:
    """Write the network in float, with free sizes."""
    free = {0: "batch", 2: "rows", 3: "columns"}
    torch.onnx.export(
        Probabilities(network).eval(),
        (torch.zeros(1, len(NAMES), *USUAL),),
        str(out),
        input_names=["planes"],
        output_names=["blocks", "picture"],
        dynamic_axes={"planes": free, "blocks": free, "picture": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )


def first_layer(fp32: Path) -> list[str]:
    """The layer that stays in float: to round what it gives, of either sign, is most of what INT8 costs in accuracy."""
    return [name for name in node_names(fp32) if name.startswith(FIRST)]


def calibration(clips: list[ClipLooks], count: int, rng: np.random.Generator) -> list[dict[str, NDArray[np.float32]]]:
    """Inputs that show the ranges: damaged and clean looks of many clips, cut to a common size."""
    rows, columns = 36, 64
    feeds = []
    for clip in (clips[int(place)] for place in rng.integers(len(clips), size=count)):
        planes = clip.planes[int(rng.integers(len(clip.planes)))]
        padded = np.pad(
            planes, ((0, 0), (0, max(0, rows - planes.shape[1])), (0, max(0, columns - planes.shape[2]))), "edge"
        )
        feeds.append({"planes": network_input(padded[None, :, :rows, :columns])})
    return feeds


def make(
    media: Annotated[Path, typer.Option(help="The folder of media.")],
    data: Annotated[Path, typer.Option(help="The simulated clips.")] = FOLDER / NAME,
    samples: Annotated[Path | None, typer.Option(help="Labelled pictures from the field, exported.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Where training goes on from; in DATA by default.")] = None,
    start: Annotated[Path | None, typer.Option(help="Checkpoint of an earlier network to begin with.")] = None,
    minutes: Annotated[float, typer.Option(help="Time for training.")] = 60.0,
    models: Annotated[Path, typer.Option(help="Where the model goes.")] = MODELS,
    simulate: Annotated[bool, typer.Option(help="Make missing clips first.")] = True,
) -> None:
    """Make the model."""
    config = read_config(CONFIG)
    rng = seed_everything(config["seed"])
    if simulate:
        for split in (*simulation.TRAINING, "validation", "clean_validation"):
            simulation.make(media, data, split)
        for split in ("train", "validation"):
            whole.make(media, data, config["sources"], split)
    clips = [
        *(clip for split in simulation.TRAINING for clip in read_split(data, split)),
        *thinned(read_split(data, whole.TRAIN), config["data"]["whole_looks"]),
        *(read_field(samples) if samples else ()),
    ]
    network = build(config["network"]).to(memory_format=torch.channels_last)
    if start:
        network.load_state_dict(torch.load(start, weights_only=True)["network"], strict=False)
    train(network, clips, config, checkpoint or data / "checkpoint.pt", minutes)
    fp32 = data / f"{NAME}.onnx"
    export(network, fp32)
    out = models / NAME / f"{NAME}.onnx"
    feeds = calibration(clips, config["training"]["calibration"], rng)
    quantize_int8(fp32, out, feeds, first_layer(fp32), method="percentile", op_types=("Conv", "Relu"))
    hard = [*read_split(data, "validation"), *read_split(data, "clean_validation")]
    recordings = [*read_split(data, whole.TRAIN), *read_split(data, whole.VALIDATION)]
    rule = BlockCorruption.rules[Profile.FILE]
    assert rule.count is not None
    assert rule.looks is not None
    threshold = choose_threshold(score(out, hard), score(out, recordings), rule.count, rule.looks)
    names = ", ".join(sorted({clip.origin["source"].split("/")[0] for clip in clips}))
    record(
        NAME,
        inputs={"planes": (1, len(NAMES), *USUAL)},
        outputs=["blocks", "picture"],
        classes=["damaged"],
        thresholds={"picture": round(threshold, 4)},
        data=f"{len(clips)} simulated clips made from {names}" + (", begun with the network before" if start else ""),
        folder=models,
    )
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, threshold {threshold:.3f}; now run quantize.{NAME}.evaluate")


if __name__ == "__main__":
    typer.run(make)
