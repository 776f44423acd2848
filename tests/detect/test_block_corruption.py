from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.simulate import scenes

pytest.importorskip("onnxruntime")


def damaged(images, start: float, end: float, seed: int = 3, share: float = 0.15, rate: int = 25):
    """Blocks of 16 pixels brought from elsewhere, in a band of the picture, anew in each picture."""
    rng = np.random.default_rng(seed)
    for number, image in enumerate(images):
        if start <= number / rate < end:
            image = image.copy()
            for row, column in np.argwhere(rng.random((5, image.shape[1] // 16)) < 3 * share):
                y, x = 16 * (int(row) + 4), 16 * int(column)
                dy, dx = rng.integers(0, image.shape[0] - 16), rng.integers(0, image.shape[1] - 16)
                image[y : y + 16, x : x + 16] = image[dy : dy + 16, dx : dx + 16]
        yield image


def defective():
    return samples.pictures(damaged(scenes.action(5.0, samples.SIZE), 1.0, 4.0))
