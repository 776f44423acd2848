"""The network: a narrow stack of convolutions along time beside a small perceptron on the measures.

Convolution, batch normalisation and ReLU only, and no layer wider than 96: made for INT8.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from quantize.audio_artifacts.forest import Forest
from quantize.audio_artifacts.sources import CLASSES
from vqa_agent.hearing import MEASURES, ROWS


class Artifacts(nn.Module):
    """(batch, ROWS, 1, FRAMES) and (batch, MEASURES) to (batch, classes) logits, one per defect."""

    def __init__(self, settings: dict[str, float]) -> None:
        super().__init__()
        width, hidden = int(settings["width"]), int(settings["hidden"])
        self.picture = Standard((1, ROWS, 1, 1))
        self.measures = Standard((1, MEASURES))
        self.tower = nn.Sequential(
            *_layer(ROWS, width, 3, 1),
            *_layer(width, width, 3, 2),
            *_layer(width, width, 3, 2),
            *_layer(width, width, 3, 1),
        )
        self.tower_dropout = nn.Dropout(settings["tower_dropout"])
        self.perceptron = nn.Sequential(
            nn.Dropout(settings["measure_dropout"]),
            nn.Linear(MEASURES, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Dropout(settings["dropout"]),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        )  # fmt: skip
        self.joint = nn.Sequential(
            nn.Linear(2 * width + hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(settings["dropout"])
        )
        self.head = nn.Linear(hidden, len(CLASSES))

    def forward(self, picture: Tensor, measures: Tensor) -> Tensor:
        seen = self.tower(self.picture(picture))
        seen = torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1)
        told = self.perceptron(self.measures(measures))
        out: Tensor = self.head(self.joint(torch.cat([self.tower_dropout(seen), told], dim=1)))
        return out


class Probabilities(nn.Module):
    """What is exported: the network, normalisation folded into the layers before it, and the forest; their mean odds,
    `share` of them the network's, as probabilities.
    """

    def __init__(self, network: Artifacts, forest: Forest, share: float) -> None:
        super().__init__()
        self.forest = forest
        self.share = share
        self.network = copy.deepcopy(network).eval()
        for name in ("perceptron", "joint"):
            setattr(self.network, name, _folded(getattr(self.network, name)))

    def forward(self, picture: Tensor, measures: Tensor) -> Tensor:
        odds: Tensor = self.share * self.network(picture, measures) + (1 - self.share) * self.forest(measures)
        return torch.sigmoid(odds)


class Standard(nn.Module):
    """Input minus its mean over its deviation in training, limited to four deviations so that INT8 can hold it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def fit(self, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> None:
        self.mean.copy_(torch.as_tensor(mean, dtype=torch.float32).reshape(self.mean.shape))
        self.scale.copy_(torch.as_tensor(1 / np.maximum(deviation, 1e-3)).reshape(self.scale.shape))

    def forward(self, values: Tensor) -> Tensor:
        return torch.clamp((values - self.mean) * self.scale, -4.0, 4.0)


def _folded(layers: nn.Sequential) -> nn.Sequential:
    """`layers` without dropout, each linear layer with the normalisation after it in one."""
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            kept[-1] = fuse_linear_bn_eval(kept[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            kept.append(layer)
    return nn.Sequential(*kept)


def _layer(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, (1, size), (1, stride), (0, size // 2), bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
