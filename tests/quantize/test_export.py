"""PyTorch to ONNX to INT8, and the agent runs it. Needs the extra [quantize]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quantize.export import export_onnx
from quantize.int8 import quantize_int8
from quantize.manifest import record
from vqa_agent.infer import RUNTIMES, open_model

torch = pytest.importorskip("torch", reason="the extra [quantize] is not installed")


def test_a_module_goes_all_the_way_to_both_runtimes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nn = torch.nn
    body = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8)]
    module = nn.Sequential(*body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), nn.Sigmoid())
    example = {"luma": torch.randn(2, 1, 32, 32)}
    fp32 = export_onnx(module, example, ["scores"], tmp_path / "net.fp32.onnx")
    feeds = [{"luma": np.random.default_rng(n).standard_normal((4, 1, 32, 32), dtype=np.float32)} for n in range(8)]
    quantize_int8(fp32, tmp_path / "net" / "net.onnx", feeds)
    record("net", inputs={"luma": (4, 1, 32, 32)}, outputs=["scores"], folder=tmp_path)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(feeds[0]["luma"])).numpy()
    for backend in RUNTIMES:
        model = open_model("net", backend, tmp_path)
        np.testing.assert_allclose(model.run(feeds[0]["luma"])[0], expected, atol=0.02)
        assert model.run(feeds[0]["luma"][:1])[0].shape == (1, 3)
