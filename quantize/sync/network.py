"""The two towers: plain convolutions with batch norm and ReLU, so that INT8 loses little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from vqa_agent.lipsync.embed import AFTER, BEFORE
from vqa_agent.lipsync.mouth import HEIGHT, WIDTH
from vqa_agent.lipsync.voice import BANDS


class Tower(nn.Sequential):
    """Convolutions of 3x3, as (channels, stride down, stride across), then one over all that is left of the plane.

    The last layer's output is an embedding, not yet of length 1: the agent brings it there in float.
    """

    def __init__(self, channels: int, size: tuple[int, int], layers: Sequence[Sequence[int]], dimension: int) -> None:
        parts: list[nn.Module] = []
        rows, columns = size
        for width, down, across in layers:
            parts += [nn.Conv2d(channels, width, 3, (down, across), 1, bias=False), nn.BatchNorm2d(width)]
            parts += [nn.ReLU(True)]
            channels, rows, columns = width, -(-rows // down), -(-columns // across)
        wide = 2 * dimension
        parts += [nn.Dropout2d(0.1), nn.Conv2d(channels, wide, (rows, columns), bias=False), nn.BatchNorm2d(wide)]
        parts += [nn.ReLU(True), nn.Conv2d(wide, dimension, 1), nn.Flatten()]
        super().__init__(*parts)


class Towers(nn.Module):
    """Both, and the scale of their likeness. Gives embeddings of length 1.

    The mouth's maps (n, stack, HEIGHT, WIDTH), the voice's (n, 1, BANDS, rows of a window) to (n, dimension).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.mouth = Tower(config["stack"], (HEIGHT, WIDTH), config["mouth"], config["dimension"])
        self.voice = Tower(1, (BANDS, BEFORE + AFTER), config["voice"], config["dimension"])
        self.scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, stacks: torch.Tensor, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return functional.normalize(self.mouth(stacks)), functional.normalize(self.voice(windows))


def loss_of(towers: Towers, stacks: torch.Tensor, windows: torch.Tensor, length: int, neighbour: float) -> torch.Tensor:
    """InfoNCE both ways over all places of all sequences of a batch; places side by side share the target.

    Sequences of `length` follow one another. Every other place of the same sequence is a wrong offset, every place of
    the others a wrong speaker.
    """
    mouths, voices = towers(stacks, windows)
    likeness = mouths @ voices.T * towers.scale.exp().clamp(max=60)
    count = len(likeness)
    place = torch.arange(count)
    apart = (place[:, None] - place).abs()
    beside = (apart == 1) & (place[:, None] // length == place // length)
    target = torch.eye(count) + neighbour * beside
    forth = functional.cross_entropy(likeness, target / target.sum(1, keepdim=True))
    back = functional.cross_entropy(likeness.T, target / target.sum(1, keepdim=True))
    return (forth + back) / 2
