"""A float network to the INT8 files that are shipped: static QDQ, signed weights and activations, scales per channel.

The last layer before each output, and what joins or pools its inputs, stays in float: it costs next to nothing there,
and rounding it moves every score. A twin with 7-bit weights is made beside it: without an 8-bit dot product (AVX2
alone), x86 adds products in 16 bits, and 8-bit weights overflow them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from vqa_agent.infer.runtimes import import_runtime

import_runtime("onnxruntime")
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: E402

Feed = dict[str, NDArray[np.float32]]

WEIGHTED = {"Conv", "Gemm", "MatMul", "ConvTranspose"}
POOLING = {"AveragePool", "Concat", "Flatten", "GlobalAveragePool", "ReduceMax", "ReduceMean", "Reshape", "Sigmoid"}

METHODS = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "percentile": (CalibrationMethod.Percentile, {"CalibPercentile": 99.99}),
    "entropy": (CalibrationMethod.Entropy, {}),
}
"""How ranges are taken from the calibration data: all of it, all but the rarest values, or the most alike histogram."""


class _Feeds(CalibrationDataReader):
    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def quantize_int8(
    fp32: Path,
    out: Path,
    calibration: Iterable[Feed],
    keep_fp32: Collection[str] = (),
    *,
    method: Literal["minmax", "percentile", "entropy"] = "minmax",
    keep_heads: bool = True,
    op_types: Collection[str] = (),
) -> Path:
    """Write the INT8 form of the ONNX file `fp32` to `out`, and its twin beside it. Returns the twin's path.

    `calibration` gives inputs by name, such as the network sees on clean and on defective material. `keep_fp32` names
    further nodes that stay in float (see `node_names`); where `op_types` are given, all other operators do. Raises
    ValueError for names that are not there.
    """
    feeds = list(calibration)
    if not feeds:
        raise ValueError(f"quantising {fp32}: there are no calibration data")
    twin = out.with_name(f"{out.stem}.reduced.onnx")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Symbolic shapes need sympy and help transformers only.
        quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
        kept = _kept(onnx.load(prepared), keep_fp32, keep_heads)
        for path, reduce_range in ((out, False), (twin, True)):
            _quantize(prepared, path, feeds, kept, method, reduce_range, op_types)
    return twin


def _quantize(
    prepared: Path,
    out: Path,
    feeds: list[Feed],
    kept: list[str],
    method: str,
    reduce_range: bool,
    op_types: Collection[str],
) -> None:
    calibrate_method, options = METHODS[method]
    quantize_static(
        str(prepared),
        str(out),
        _Feeds(feeds),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
        op_types_to_quantize=list(op_types) or None,
        calibrate_method=calibrate_method,
        extra_options=options,
    )
    model = onnx.load(out)
    _let_shortcuts_be_float(model.graph)
    onnx.save(model, out)


def _let_shortcuts_be_float(graph: Any) -> None:
    """Let what is added, pooled or joined read the float tensor itself where a layer reads its rounded form.

    On x86, ONNX Runtime runs a layer in INT8 only if nothing else reads the rounded tensors beside it: shortcuts around
    layers would leave every second one in float.
    """
    maker = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for rounded in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        (tensor,) = rounded.output
        layers = [node for node in readers.get(tensor, []) if node.op_type in WEIGHTED]
        if not layers or rounded.input[0] not in maker:
            continue
        source = maker[rounded.input[0]].input[0]
        if source in maker and maker[source].op_type in WEIGHTED:
            continue
        for node in readers[tensor]:
            if node.op_type not in WEIGHTED:
                node.input[:] = [source if name == tensor else name for name in node.input]


def node_names(path: Path) -> list[str]:
    """The names of the layers with weights, as `keep_fp32` takes them."""
    return [node.name for node in onnx.load(path).graph.node if node.op_type in WEIGHTED]


def _kept(model: Any, names: Collection[str], heads: bool) -> list[str]:
    there = {node.name for node in model.graph.node}
    if missing := sorted(set(names) - there):
        raise ValueError(f"keep_fp32 names nodes that are not there: {', '.join(missing)}")
    return sorted({*names, *(_heads(model.graph) if heads else ())})


def _heads(graph: Any) -> Iterator[str]:
    """The last layer with weights before each output, what comes after it, and what pools or joins its inputs."""
    maker = {output: node for node in graph.node for output in node.output}
    waiting, seen = [(output.name, False) for output in graph.output], set()
    while waiting:
        tensor, past_head = waiting.pop()
        node = maker.get(tensor)
        if node is None or node.name in seen or (past_head and node.op_type not in POOLING):
            continue
        seen.add(node.name)
        yield node.name
        waiting += [(name, past_head or node.op_type in WEIGHTED) for name in node.input]
