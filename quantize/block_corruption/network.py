"""The network: planes of cells to a probability for each block and one for the picture.

Plain convolutions with batch norm and ReLU, which lose nothing in INT8. Each block of the map sees some 1200 pixels
around it through dilated layers, and the picture as a whole through the mean of its features: a mosaic is one all over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vqa_agent.block_planes import NAMES, SUMMARIES


def convolution(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """3 x 3 convolution and batch norm."""
    layer = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions beside a short cut, which is all there is at first."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution(width, width, dilation=dilation), nn.ReLU())
        self.second = convolution(width, width, dilation=dilation)
        nn.init.zeros_(self.second[1].weight)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(features + self.second(self.first(features)))


class Edges(nn.Module):
    """(n, 32, h, w) steps at each place of each cell -> (n, stem, h / 2, w / 2), nothing at first.

    What kinds of edges a cell has, then which of them go on in the cells beside it.
    """

    def __init__(self, kinds: int, stem: int) -> None:
        super().__init__()
        one_by_one = nn.Conv2d(len(NAMES) - len(SUMMARIES), kinds, 1, bias=False)
        self.kinds = nn.Sequential(one_by_one, nn.BatchNorm2d(kinds), nn.ReLU())
        self.joined = convolution(kinds, stem, 2)
        nn.init.zeros_(self.joined[1].weight)

    def forward(self, steps: Tensor) -> Tensor:
        return self.joined(self.kinds(steps))


class BlockNetwork(nn.Module):
    """(n, 48, h, w) planes scaled to 0..1 -> (n, 1, h / 4, w / 4) map and (n, 1) decision, as logits."""

    def __init__(self, edges: int, stem: int, width: int, dilations: Sequence[int], evidence: int) -> None:
        super().__init__()
        self.edges = Edges(edges, stem)
        self.stem = nn.Sequential(convolution(len(SUMMARIES), stem, 2), nn.ReLU(), convolution(stem, stem), nn.ReLU())
        self.down = nn.Sequential(convolution(stem, width, 2), nn.ReLU())
        self.context = nn.Linear(width, width)
        self.blocks = nn.Sequential(*(Residual(width, dilation) for dilation in dilations))
        self.map = nn.Conv2d(width, 1, 1)
        self.evidence = nn.Sequential(nn.Conv2d(width, evidence, 1), nn.ReLU())
        self.smooth = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.decision = nn.Sequential(nn.Linear(2 * (evidence + 1), evidence), nn.ReLU(), nn.Linear(evidence, 1))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        summaries, steps = planes[:, : len(SUMMARIES)], planes[:, len(SUMMARIES) :]
        features = self.down(self.stem[1:](self.stem[0](summaries) + self.edges(steps)))
        features = features + self.context(features.mean(dim=(2, 3)))[:, :, None, None]
        features = self.blocks(features)
        blocks = self.map(features)
        seen = torch.cat([torch.sigmoid(blocks), self.evidence(features)], dim=1)
        pooled = torch.cat([self.smooth(seen).amax(dim=(2, 3)), seen.mean(dim=(2, 3))], dim=1)
        return blocks, self.decision(pooled)


class Probabilities(nn.Module):
    """The network as it is exported: probabilities instead of logits."""

    def __init__(self, network: BlockNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        blocks, decision = self.network(planes)
        return torch.sigmoid(blocks), torch.sigmoid(decision)


def build(config: Mapping[str, Any]) -> BlockNetwork:
    """The network that [network] of the configuration describes."""
    return BlockNetwork(**config)


def macs(network: BlockNetwork, rows: int, columns: int) -> int:
    """Multiplications of one look at (rows, columns) cells."""
    total = 0

    def count(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d)
        total += output.numel() * layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        network.eval()(torch.zeros(1, len(NAMES), rows, columns))
    for hook in hooks:
        hook.remove()
    return total
