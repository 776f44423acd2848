"""A float network becomes INT8 files that both runtimes run, and that give nearly the same answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from quantize.int8 import METHODS, node_names, quantize_int8
from tests.infer.networks import SHAPE, feeds, float_network
from vqa_agent.infer.runtimes import import_runtime


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return float_network(tmp_path_factory.mktemp("fp32") / "small.fp32.onnx")


def answers(path: Path) -> np.ndarray:
    session = import_runtime("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, feed)[0] for feed in feeds(8, seed=9)])


def stored_weights(path: Path) -> dict[str, np.ndarray]:
    model = onnx.load(path)
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


@pytest.mark.parametrize("method", list(METHODS))
def test_int8_answers_nearly_as_float_does(fp32: Path, tmp_path: Path, method: str) -> None:
    twin = quantize_int8(fp32, tmp_path / "small.onnx", feeds(), method=method)  # type: ignore[arg-type]
    expected = answers(fp32)
    for path, allowed in ((tmp_path / "small.onnx", 0.01), (twin, 0.02)):
        assert 0 < np.abs(answers(path) - expected).max() < allowed


def test_weights_are_signed_per_channel_and_small(fp32: Path, tmp_path: Path) -> None:
    twin = quantize_int8(fp32, tmp_path / "small.onnx", feeds())
    assert twin == tmp_path / "small.reduced.onnx"
    for path, greatest in ((tmp_path / "small.onnx", 127), (twin, 64)):
        weights = stored_weights(path)
        (body,) = (value for value in weights.values() if value.shape == (16, 16, 3, 3))
        assert body.dtype == np.int8
        assert greatest // 2 < np.abs(body.astype(int)).max() <= greatest
        assert any(value.shape == (16,) and value.dtype == np.float32 for value in weights.values())


def test_the_head_stays_in_float_unless_told_otherwise(fp32: Path, tmp_path: Path) -> None:
    quantize_int8(fp32, tmp_path / "head.onnx", feeds())
    quantize_int8(fp32, tmp_path / "all.onnx", feeds(), keep_heads=False)
    kept = {path: weight_types(tmp_path / path) for path in ("head.onnx", "all.onnx")}
    assert kept["head.onnx"][np.dtype(np.float32), (2, 17)] == 1
    assert kept["all.onnx"][np.dtype(np.int8), (2, 17)] == 1


def test_what_feeds_the_head_is_not_rounded_but_the_layer_before_is(fp32: Path, tmp_path: Path) -> None:
    quantize_int8(fp32, tmp_path / "small.onnx", feeds())
    nodes = onnx.load(tmp_path / "small.onnx").graph.node
    rounded = {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"}
    assert rounded == {"tile", "r1", "r2"}


def test_named_layers_stay_in_float(fp32: Path, tmp_path: Path) -> None:
    assert node_names(fp32) == ["stem", "body", "head"]
    quantize_int8(fp32, tmp_path / "small.onnx", feeds(), keep_fp32=["stem"])
    types = weight_types(tmp_path / "small.onnx")
    assert types[np.dtype(np.float32), (16, 3, 3, 3)] == 1
    assert types[np.dtype(np.int8), (16, 16, 3, 3)] == 1


def weight_types(path: Path) -> Counter[tuple[np.dtype, tuple[int, ...]]]:
    return Counter((value.dtype, value.shape) for value in stored_weights(path).values())


def residual(path: Path) -> Path:
    """Two residual blocks: what each is given goes around it as well."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "tile"
    for block in ("a", "b"):
        for layer, source in (("1", last), ("2", f"{block}1r")):
            name = block + layer
            weights.append(numpy_helper.from_array(rng.normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32), f"{name}w"))
            nodes.append(helper.make_node("Conv", [source, f"{name}w"], [name], name, pads=[1, 1, 1, 1]))
            nodes += [helper.make_node("Relu", [name], [f"{name}r"])] if layer == "1" else []
        nodes.append(helper.make_node("Add", [last, f"{block}2"], [f"{block}s"]))
        nodes.append(helper.make_node("Relu", [f"{block}s"], [block]))
        last = block
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
    given, told = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("tile", SHAPE), ("mean", [SHAPE[0], 3, 1, 1]))
    )
    graph = helper.make_graph(nodes, "residual", [given], [told], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_every_layer_between_shortcuts_runs_in_int8(tmp_path: Path) -> None:
    calibration = [{"tile": feed["tile"]} for feed in feeds()]
    quantize_int8(residual(tmp_path / "float.onnx"), tmp_path / "small.onnx", calibration, keep_heads=False)
    runtime = import_runtime("onnxruntime")
    options = runtime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "run.onnx"), 3
    runtime.InferenceSession(tmp_path / "small.onnx", options, providers=["CPUExecutionProvider"])
    run = Counter(node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node)
    assert (run["QLinearConv"], run["Conv"]) == (4, 0)


def test_a_layer_that_is_not_there_is_named(fp32: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_fp32 names nodes that are not there: none-such"):
        quantize_int8(fp32, tmp_path / "small.onnx", feeds(), keep_fp32=["none-such"])


def test_no_calibration_data_is_refused(fp32: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no calibration data"):
        quantize_int8(fp32, tmp_path / "small.onnx", iter(()))
