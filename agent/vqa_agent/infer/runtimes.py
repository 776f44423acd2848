"""ONNX Runtime and OpenVINO: each is imported when a model is opened with it, not before.

Both run on one thread: the agent's budget is shares of a core, and its parallelism is one process per stream.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vqa_agent.infer.manifest import Tensor
from vqa_agent.memory import give_back

Backend: TypeAlias = Literal["onnxruntime", "openvino"]
Choice: TypeAlias = Literal["auto", "onnxruntime", "openvino"]
Array: TypeAlias = NDArray[np.float32]


class Session(Protocol):
    """A loaded network: arrays in the order of its inputs to arrays in the order of its outputs."""

    def run(self, inputs: Sequence[Array]) -> list[Array]: ...


class OnnxRuntimeSession:
    """ONNX Runtime without its memory pattern, which costs memory and saves no time here; its arena costs neither."""

    def __init__(self, content: bytes, inputs: Sequence[Tensor]) -> None:
        onnxruntime = import_runtime("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._names = [tensor.name for tensor in inputs]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        outputs: list[Array] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return outputs


class OpenVinoSession:
    """OpenVINO, compiled for the shapes of a usual look; other shapes are compiled once, dynamic, when they come."""

    CONFIG: dict[str, Any] = {  # noqa: RUF012
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }

    def __init__(self, content: bytes, inputs: Sequence[Tensor]) -> None:
        openvino = import_runtime("openvino")
        self._core = openvino.Core()
        self._model = self._core.read_model(content)
        self._names = [tensor.name for tensor in inputs]
        self._shapes = [tensor.shape for tensor in inputs]
        usual = self._model.clone()
        usual.reshape(dict(zip(self._names, map(list, self._shapes), strict=True)))
        self._usual = self._request(usual)
        self._dynamic: Any = None
        give_back()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        request = self._usual
        if [each.shape for each in inputs] != self._shapes:
            self._dynamic = request = self._dynamic or self._request(self._model)
        found = request.infer(dict(zip(self._names, inputs, strict=True)), share_inputs=True)
        return [found[number] for number in range(len(found))]

    def _request(self, model: Any) -> Any:
        return self._core.compile_model(model, "CPU", self.CONFIG).create_infer_request()


def import_runtime(name: Backend) -> Any:
    """Import a runtime without its telemetry. By default both report their use: OpenVINO to Google Analytics, from a
    process that its import forks, and ONNX Runtime to Microsoft, from a thread, with a device id kept in ~/.cache.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module(name)


RUNTIMES: dict[Backend, type[OnnxRuntimeSession] | type[OpenVinoSession]] = {
    "onnxruntime": OnnxRuntimeSession,
    "openvino": OpenVinoSession,
}


def installed() -> list[Backend]:
    """The runtimes that can be imported here."""
    return [name for name in RUNTIMES if find_spec(name) is not None]
