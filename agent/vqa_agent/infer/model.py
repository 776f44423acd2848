"""A model as detectors use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqa_agent.errors import ModelError, one_line
from vqa_agent.infer.choice import choose
from vqa_agent.infer.manifest import MODELS, ModelInfo, model_info, read_verified
from vqa_agent.infer.runtimes import RUNTIMES, Backend, Choice


class Model:
    """A network, loaded and verified.

    It pickles as its name: whoever receives it opens it anew.
    """

    def __init__(self, info: ModelInfo, content: bytes, backend: Backend, folder: Path) -> None:
        self.info = info
        self.backend = backend
        self._folder = folder
        try:
            self._session = RUNTIMES[backend](content, info.inputs)
        except ImportError as error:
            raise ModelError(
                f"opening model {info.name!r}: the runtime {backend} is not usable ({one_line(error)}); "
                f"install it (pip install {backend})"
            ) from error
        except Exception as error:
            raise ModelError(f"opening model {info.name!r} with {backend}: {one_line(error)}") from error

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The outputs for arrays in the order of the network's inputs. The first axis may hold a batch."""
        return self._session.run([np.ascontiguousarray(each, np.float32) for each in inputs])

    def __reduce__(self) -> tuple[Any, ...]:
        return open_model, (self.info.name, self.backend, self._folder)


def open_model(name: str, backend: Choice = "auto", folder: Path = MODELS) -> Model:
    """Load the model `name`, in the form that suits this CPU.

    "auto" takes the runtime that was found to be the faster one here (see `choice`). Raises ModelError for an unknown
    model, a file that is missing or damaged, or a runtime that is.
    """
    info = model_info(name, folder)
    content = read_verified(info, info.suited, folder)
    return Model(info, content, choose(info, folder) if backend == "auto" else backend, folder)


def uncertainty(score: float, threshold: float) -> float:
    """How near a score in 0..1 is to the threshold: 1 on it, 0 at either end.

    >>> uncertainty(0.8, 0.8), uncertainty(1.0, 0.8), uncertainty(0.4, 0.8)
    (1.0, 0.0, 0.5)
    """
    room = 1.0 - threshold if score > threshold else threshold
    return max(0.0, 1.0 - abs(score - threshold) / room) if room > 0 else 0.0
