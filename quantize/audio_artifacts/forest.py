"""Boosted trees on the measures, as a part of the network's graph: they know steps, the perceptron slopes.

Trees are walked level by level by gathering from tables, with operators that both runtimes have. They stay in float:
there is nothing to multiply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import Tensor, nn

from quantize.audio_artifacts.sources import CLASSES
from quantize.cache import Arrays


class Forest(nn.Module):
    """(batch, MEASURES) to (batch, classes) odds.

    `feature`, `limit`, `left`, `right` and `value` have one entry per node of all trees; a leaf leads to itself.
    `roots` are the nodes where the trees begin, as many for each class.
    """

    def __init__(self, tables: Mapping[str, NDArray[Any]], base: NDArray[np.float64], depth: int) -> None:
        super().__init__()
        for name in ("feature", "left", "right", "roots"):
            self.register_buffer(name, torch.as_tensor(tables[name].astype(np.int32)))
        for name in ("limit", "value"):
            self.register_buffer(name, torch.as_tensor(tables[name].astype(np.float32)))
        self.register_buffer("base", torch.as_tensor(base.astype(np.float32)))
        self.depth = depth

    def forward(self, measures: Tensor) -> Tensor:
        node = self.roots.long().expand(measures.shape[0], -1)
        for _ in range(self.depth):
            value = torch.gather(measures, 1, self.feature[node].long())
            node = torch.where(value <= self.limit[node], self.left[node], self.right[node]).long()
        each = self.value[node].reshape(measures.shape[0], len(CLASSES), -1)
        out: Tensor = each.sum(dim=2) + self.base
        return out


def grow(data: Arrays, settings: Mapping[str, Any]) -> Forest:
    """A forest for every defect, from the seconds of which that is known."""
    return joined([_trees(data, index, settings) for index in range(len(CLASSES))])


def _trees(data: Arrays, index: int, settings: Mapping[str, Any]) -> HistGradientBoostingClassifier:
    known = data["truth"][:, index] >= 0
    trees = HistGradientBoostingClassifier(
        max_iter=settings["trees"],
        learning_rate=settings["shrinkage"],
        max_leaf_nodes=settings["leaves"],
        max_depth=settings["depth"],
        min_samples_leaf=settings["least"],
        max_features=settings["features"],
        l2_regularization=settings["ridge"],
        early_stopping=False,
        random_state=settings["seed"],
    )
    return trees.fit(data["measures"][known], data["truth"][known, index])


def joined(forests: list[HistGradientBoostingClassifier]) -> Forest:
    """The trees of all classes in one set of tables. scikit-learn keeps them in private attributes only."""
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("feature", "limit", "left", "right", "value")}
    roots, start, depth = [], 0, 0
    for forest in forests:
        for (tree,) in forest._predictors:
            nodes, numbers = tree.nodes, np.arange(len(tree.nodes))
            leaf = nodes["is_leaf"].astype(bool)
            columns["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
            columns["limit"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
            columns["left"].append(start + np.where(leaf, numbers, nodes["left"]))
            columns["right"].append(start + np.where(leaf, numbers, nodes["right"]))
            columns["value"].append(np.where(leaf, nodes["value"], 0.0))
            roots.append(start)
            start += len(nodes)
            depth = max(depth, int(nodes["depth"].max()))
    base = np.array([float(np.ravel(forest._baseline_prediction)[0]) for forest in forests])
    tables = {name: np.concatenate(parts) for name, parts in columns.items()} | {"roots": np.array(roots)}
    return Forest(tables, base, depth)
