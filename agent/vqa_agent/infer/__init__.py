"""The INT8 networks: found, verified, and run by ONNX Runtime or OpenVINO behind one small interface.

    from vqa_agent.infer import open_model

    model = open_model("audio_artifacts")
    (scores,) = model.run(spectra)

Opening costs tens of milliseconds and memory: a detector opens its model at its first look, in the process that looks.
"""

from vqa_agent.infer.choice import find_out, prefer
from vqa_agent.infer.manifest import MODELS, ModelInfo, read_manifest
from vqa_agent.infer.model import Model, open_model, uncertainty
from vqa_agent.infer.runtimes import RUNTIMES, Backend

__all__ = [
    "MODELS",
    "RUNTIMES",
    "Backend",
    "Model",
    "ModelInfo",
    "find_out",
    "open_model",
    "prefer",
    "read_manifest",
    "uncertainty",
]
