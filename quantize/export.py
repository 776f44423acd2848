"""A PyTorch module to ONNX, with a free batch axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OPSET = 18


def export_onnx(
    module: Any, inputs: Mapping[str, Any], outputs: Sequence[str], out: Path, batches: Mapping[str, str] | None = None
) -> Path:
    """Write `module`, in evaluation mode, as it maps the example tensors `inputs`, by name, to `outputs`.

    The first axis of each input is free, and of one length for all but those that `batches` gives another name: two
    networks in one file need not agree. Returns `out`.
    """
    import torch

    out.parent.mkdir(parents=True, exist_ok=True)
    names = {name: (batches or {}).get(name, "batch") for name in inputs}
    free = {name: torch.export.Dim(name) for name in set(names.values())}
    torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        str(out),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=[{0: free[names[name]]} for name in inputs],
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    return out
