"""What the network is asked for, cell by cell, and how far it is from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vqa_agent.lipsync.faces import cells

NEAR, AROUND = 1.0, 2.0
"""In strides from the middle of a face: cells nearer than this say so; cells between the two may or may not."""

FOCUS = 2.0
"""Exponent of the focal loss (T. Lin et al., Focal Loss for Dense Object Detection, 2017)."""


@dataclass(frozen=True, slots=True)
class Targets:
    """For each of (batch, cells): the number of its face, whether it must say so, whether it need not say anything."""

    face: Tensor
    positive: Tensor
    free: Tensor
    shaped: Tensor


class FaceLoss:
    """Focal loss of the scores, generalised IoU of the boxes, and distance of the points in sizes of the face."""

    def __init__(self, sizes: Mapping[str, tuple[float, float]], weights: Mapping[str, float]) -> None:
        centres, strides = cells()
        self._centres, self._strides = torch.from_numpy(centres), torch.from_numpy(strides)
        ranges = torch.tensor([sizes[str(int(stride))] for stride in strides])
        self._low, self._high = ranges[:, 0], ranges[:, 1]
        self._weights = weights

    def __call__(self, logits: Tensor, shapes: Tensor, faces: Tensor, doubtful: Tensor) -> Tensor:
        """`faces` (batch, most, 7, 2) and `doubtful` (batch, most, 2, 2) in pixels, padded with NaN."""
        targets = self.assign(faces, doubtful)
        count = targets.positive.sum().clamp(min=1)
        score = focal(logits, targets.positive, self._weights["false"])[~targets.free].sum() / count
        batch, cell = targets.shaped.nonzero(as_tuple=True)
        wanted = faces[batch, targets.face[batch, cell]]
        found = self.placed(shapes[batch, cell], cell)
        size = (wanted[:, 1] - wanted[:, 0]).clamp(min=1)
        box = (1 - generalised_iou(found[:, :2], wanted[:, :2])).mean() if len(cell) else score * 0
        apart = (found[:, 2:] - wanted[:, 2:]) / size[:, None]
        points = functional.smooth_l1_loss(apart, torch.zeros_like(apart), beta=0.05) if len(cell) else score * 0
        weights = self._weights
        return weights["score"] * score + weights["box"] * box + weights["points"] * points

    def placed(self, shapes: Tensor, cell: Tensor) -> Tensor:
        """(k, 7, 2): corners and points in pixels of (k, 14) outputs of the cells with these numbers."""
        centres, strides = self._centres[cell], self._strides[cell, None]
        middle = centres + shapes[:, :2] * strides
        half = shapes[:, 2:4].clamp(max=4).exp() * strides / 2
        points = centres[:, None] + shapes[:, 4:].unflatten(1, (5, 2)) * strides[:, None]
        return torch.cat([torch.stack([middle - half, middle + half], 1), points], 1)

    def assign(self, faces: Tensor, doubtful: Tensor) -> Targets:
        """Cells near the middle of a face of their stride's size are positive; those around it, and those in doubtful
        boxes, are left out of the score's loss; all others must say no."""
        corners = faces[:, :, :2]
        middle, size = corners.mean(2), (corners[:, :, 1] - corners[:, :, 0]).prod(-1).sqrt()
        apart = (self._centres[None, :, None] - middle[:, None]).abs().amax(-1) / self._strides[None, :, None]
        fits = (size[:, None] >= self._low[:, None]) & (size[:, None] < self._high[:, None])
        apart = torch.where(fits & apart.isfinite(), apart, torch.inf)
        nearest, face = apart.min(-1)
        positive = nearest <= NEAR
        shaped = nearest <= AROUND
        free = shaped & ~positive
        point = self._centres[None, :, None]
        within = ((point >= doubtful[:, None, :, 0]) & (point <= doubtful[:, None, :, 1])).all(-1).any(-1)
        return Targets(face, positive, (free | within) & ~positive, shaped)


def focal(logits: Tensor, positive: Tensor, false: float = 1.0) -> Tensor:
    """Cross entropy, weighted by how wrong the score is, and `false` times where there is no face."""
    truth = positive.to(logits.dtype)
    wrong = (torch.sigmoid(logits) - truth).abs()
    weight = wrong**FOCUS * (truth + false * (1 - truth))
    return functional.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight


def generalised_iou(one: Tensor, other: Tensor) -> Tensor:
    """(k,) of corners (k, 2, 2): overlap over union, less the empty share of the hull (H. Rezatofighi et al., 2019)."""

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(-1)

    shared = area(torch.maximum(one[:, 0], other[:, 0]), torch.minimum(one[:, 1], other[:, 1]))
    union = area(one[:, 0], one[:, 1]) + area(other[:, 0], other[:, 1]) - shared
    around = area(torch.minimum(one[:, 0], other[:, 0]), torch.maximum(one[:, 1], other[:, 1]))
    return shared / union - (around - union) / around
