"""The network `face`: plain convolutions, a pyramid of three strides, one row of outputs for each cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SHAPE = 14
"""Outputs of a cell beside its score: middle and logarithm of the size of the box, five points."""

EXPECTED = 0.01
"""The score that an untrained cell gives: with one half, the many empty cells would drown the first steps."""


def layer(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Head(nn.Module):
    """One stride's cells: (batch, cells) logits and (batch, cells, 14) shapes, row by row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tower = layer(width, width)
        self.score = nn.Conv2d(width, 1, 1)
        self.shape = nn.Conv2d(width, SHAPE, 1)
        nn.init.constant_(self.score.bias, -torch.logit(torch.tensor(1 - EXPECTED)).item())

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = self.tower(features)
        return self.score(features).flatten(1), self.shape(features).flatten(2).transpose(1, 2)


class FaceNetwork(nn.Module):
    """(batch, 3, 192, 320) to (batch, 1260) logits and (batch, 1260, 14) shapes; `widths` at strides 2 to 32."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, last = widths
        self.stem = nn.Sequential(layer(3, half, 2), layer(half, quarter, 2), layer(quarter, quarter))
        self.fine = nn.Sequential(layer(quarter, eighth, 2), layer(eighth, eighth), layer(eighth, eighth))
        self.middle = nn.Sequential(
            layer(eighth, sixteenth, 2), layer(sixteenth, sixteenth), layer(sixteenth, sixteenth)
        )
        self.coarse = nn.Sequential(layer(sixteenth, last, 2), layer(last, last), layer(last, last))
        self.from_coarse = layer(last, eighth, size=1)
        self.from_middle = layer(sixteenth, eighth, size=1)
        self.from_fine = layer(eighth, eighth, size=1)
        self.twice = nn.Upsample(scale_factor=2, mode="nearest")
        self.heads = nn.ModuleList(Head(eighth) for _ in range(3))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.stem(pictures))
        middle = self.middle(fine)
        coarse = self.from_coarse(self.coarse(middle))
        middle = self.from_middle(middle) + self.twice(coarse)
        fine = self.from_fine(fine) + self.twice(middle)
        found = [head(level) for head, level in zip(self.heads, (fine, middle, coarse), strict=True)]
        return torch.cat([logits for logits, _ in found], 1), torch.cat([shapes for _, shapes in found], 1)
