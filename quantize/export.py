"""A PyTorch module to ONNX, with a free batch axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OPSET = 18


def export_onnx(module: Any, inputs: Mapping[str, Any], outputs: Sequence[str], out: Path) -> Path:
    """Write `module`, in evaluation mode, as it maps the example tensors `inputs`, by name, to `outputs`.

    The first axis of each input is free. Returns `out`.
    """
    import torch

    out.parent.mkdir(parents=True, exist_ok=True)
    batch = {name: {0: "batch"} for name in (*inputs, *outputs)}
    torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        str(out),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes=batch,
        opset_version=OPSET,
        dynamo=False,
    )
    return out
