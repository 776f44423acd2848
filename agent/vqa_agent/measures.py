"""Measures of a picture that more than one detector needs, each computed at most once a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Picture, shared


@shared
def block_means(picture: Picture) -> NDArray[np.float32]:
    """Mean luma of blocks of 8 x 8 of `small`, in code values; smaller pictures have fewer and smaller blocks."""
    blocks: NDArray[np.float32] = picture.small.astype(np.float32)
    for _ in range(3):
        rows, columns = blocks.shape[0] // 2, blocks.shape[1] // 2
        if min(rows, columns) < 4:
            break
        even = blocks[: rows * 2, : columns * 2]
        blocks = np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)
    return blocks
