"""Small networks made in the test: two convolutions and a head, float, then quantised and entered in a manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize.int8 import quantize_int8
from quantize.manifest import record
from vqa_agent.infer import ModelInfo

SHAPE = (2, 3, 32, 32)
"""Of a usual look: two tiles."""

CLASSES = ("clean", "damaged")


def float_network(path: Path, seed: int = 0) -> Path:
    """(batch, 3, height, width) `tile` and (batch, 1) `context` to (batch, 2) `scores` and (batch, 1) `sum`."""
    rng = np.random.default_rng(seed)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(
            (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32), name
        )

    nodes = [
        helper.make_node("Conv", ["tile", "w1"], ["c1"], "stem", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "body", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("Concat", ["flat", "context"], ["joined"], "join", axis=1),
        helper.make_node("Gemm", ["joined", "w3"], ["scores"], "head", transB=1),
        helper.make_node("ReduceSum", ["scores", "axes"], ["sum"], "total"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("tile", TensorProto.FLOAT, ["batch", *SHAPE[1:]]),
            helper.make_tensor_value_info("context", TensorProto.FLOAT, ["batch", 1]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", 1]),
        ],
        [
            weights("w1", 16, 3, 3, 3),
            weights("w2", 16, 16, 3, 3),
            weights("w3", 2, 17),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def feeds(count: int = 8, seed: int = 1) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "tile": rng.standard_normal(SHAPE, dtype=np.float32),
            "context": rng.uniform(-1, 1, (SHAPE[0], 1)).astype(np.float32),
        }
        for _ in range(count)
    ]


def install(folder: Path, name: str = "small", seed: int = 0) -> ModelInfo:
    """Make, quantise and enter a network in `folder`."""
    fp32 = float_network(folder / f"{name}.fp32.onnx", seed)
    quantize_int8(fp32, folder / name / f"{name}.onnx", feeds())
    return record(
        name,
        inputs={"tile": SHAPE, "context": (SHAPE[0], 1)},
        outputs=("scores", "sum"),
        classes=CLASSES,
        thresholds={"damaged": 0.5},
        data="Noise.",
        scores={"auc": 0.99, "by_class": {"clean": 1.0}},
        folder=folder,
    )
