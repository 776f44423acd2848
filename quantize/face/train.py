"""Make the network `face`: python -m quantize.face.train --media DIR [--out DIR]

Reads the sources, draws the samples (both are kept for the next run), trains, exports, quantises and scores. Takes
about half an hour on one core.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from quantize.cache import FOLDER, Arrays, cached
from quantize.export import export_onnx
from quantize.face.evaluate import score_and_record
from quantize.face.loss import FaceLoss
from quantize.face.network import FaceNetwork
from quantize.face.simulate import MIRRORED, make_samples, network_inputs
from quantize.face.sources import read_sources
from quantize.int8 import Feed, quantize_int8
from quantize.setup import read_config, seed_everything
from vqa_agent.infer import MODELS
from vqa_agent.lipsync.faces import HEIGHT, WIDTH

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the models")
    parser.add_argument("--start", type=Path, help="weights to go on from (face.pt of an earlier run)")
    parser.add_argument("--seed", type=int, help="another seed: other samples, in another order")
    given = parser.parse_args()
    config = read_config(HERE / "config.toml")
    config["seed"] = config["seed"] if given.seed is None else given.seed
    seed_everything(config["seed"])
    samples = training_samples(given.media, config)
    network = train(samples, config, torch.load(given.start)["weights"] if given.start else None)
    torch.save({"config": config, "weights": network.state_dict()}, FOLDER / "face.pt")
    fp32 = FOLDER / "face.fp32.onnx"
    export_onnx(network, {"picture": torch.zeros(1, 3, HEIGHT, WIDTH)}, ["logits", "shapes"], fp32)
    quantize_int8(
        fp32, given.out / "face" / "face.onnx", calibration(samples, config), method=config["quantize"]["method"]
    )
    score_and_record(given.media, config, fp32, given.out)


def training_samples(media: Path, config: Mapping[str, Any]) -> Arrays:
    """The samples that follow from the configuration, drawn once."""

    def build() -> Arrays:
        pictures = read_sources(media, config, held_out=False)
        return make_samples(pictures, config["simulate"], np.random.default_rng(config["seed"]), tqdm)

    names = sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())
    parts = {key: config[key] for key in ("seed", "sources", "split", "simulate")}
    return cached("face", {**parts, "media": names}, build)


def train(samples: Arrays, config: Mapping[str, Any], start: Mapping[str, Tensor] | None = None) -> FaceNetwork:
    """The mean of the weights over the last thousand steps, which is steadier than the weights themselves."""
    settings = config["train"]
    network = FaceNetwork(settings["widths"]).to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(start)
    averaged = copy.deepcopy(network)
    loss = FaceLoss(settings["sizes"], settings["weights"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings["rate"], weight_decay=settings["decay"])
    steps = settings["epochs"] * (len(samples["pixels"]) // settings["batch"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["rate"], total_steps=steps, pct_start=0.1)
    started, total = time.monotonic(), 0.0
    for step, (pictures, faces, doubtful) in enumerate(batches(samples, settings, config["seed"])):
        with torch.autocast("cpu", torch.bfloat16):
            logits, shapes = network(pictures)
        value = loss(logits.float(), shapes.float(), faces, doubtful)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average(averaged, network, min(settings["averaged"], step / (step + 10)))
        total += value.item()
        if step % 100 == 99:
            print(f"step {step + 1}/{steps}  loss {total / 100:.3f}  {time.monotonic() - started:.0f} s", flush=True)
            total = 0.0
    return averaged.to(memory_format=torch.contiguous_format)


@torch.no_grad()
def average(averaged: torch.nn.Module, network: torch.nn.Module, share: float) -> None:
    """Move every weight and every statistic of `averaged` towards `network`'s."""
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - share)
        else:
            mean.copy_(value)


def batches(samples: Arrays, settings: Mapping[str, Any], seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Network inputs, faces and doubtful boxes, newly mirrored and coloured in every epoch."""
    rng = np.random.default_rng(seed)
    count, size = len(samples["pixels"]), settings["batch"]
    for _ in range(settings["epochs"]):
        order = rng.permutation(count)
        for first in range(0, count - size + 1, size):
            chosen = np.sort(order[first : first + size])
            pixels, faces, doubtful = (np.array(samples[key][chosen]) for key in ("pixels", "faces", "doubtful"))
            mirrored = rng.random(size) < 0.5
            pixels[mirrored] = pixels[mirrored, :, ::-1]
            faces[mirrored] = mirror(faces[mirrored])[:, :, MIRRORED]
            doubtful[mirrored] = mirror(doubtful[mirrored])
            pictures = torch.from_numpy(recoloured(network_inputs(pixels), settings["grey"], rng))
            pictures = pictures.contiguous(memory_format=torch.channels_last)
            yield pictures, torch.from_numpy(faces), torch.from_numpy(doubtful)


def mirror(shapes: Any) -> Any:
    """Corners and points left to right; the two corners are brought in order again."""
    shapes = shapes.copy()
    shapes[..., 0] = WIDTH - shapes[..., 0]
    shapes[:, :, :2, 0] = shapes[:, :, 1::-1, 0]
    return shapes


def recoloured(pictures: Any, grey: float, rng: np.random.Generator) -> Any:
    """Contrast, lift and saturation of each picture drawn again; some lose their colour."""
    count = len(pictures)
    gain = np.exp(rng.normal(0, 0.12, (count, 1, 1, 1))).astype(np.float32)
    saturation = rng.uniform(0.4, 1.5, count) * (rng.random(count) >= grey)
    pictures = pictures * gain
    pictures[:, 0] += rng.normal(0, 0.04, (count, 1, 1)).astype(np.float32)
    pictures[:, 1:] *= saturation[:, None, None, None].astype(np.float32)
    return pictures


def calibration(samples: Arrays, config: Mapping[str, Any]) -> Iterator[Feed]:
    """Some samples as they are: with and without faces, bright and dark."""
    for pixels in samples["pixels"][: config["quantize"]["calibration"]]:
        yield {"picture": network_inputs(pixels[None])}


if __name__ == "__main__":
    main()
