"""Pictures of the defects for the manual: what each looks like, drawn."""

from __future__ import annotations

from itertools import islice

import av
import numpy as np

from vqa_agent.simulate import scenes
from vqa_agent.simulate.cases import CASES, Case
from vqa_agent.simulate.scenes import RATE, Image

SIZE = (320, 180)
START, END = 1.0, 3.0
"""Seconds from which to which the drawn scene has the defect."""

MOMENTS = (0.8, 1.52, 1.6)
"""Seconds of the scene that are shown side by side: one before the defect, two in it."""

GROSS, MIDDLE = 2, 1
SHOWN_GROSS = ("blockiness", "tearing", "combing", "banding", "noise", "flash")
"""Defects that are hardly seen at this size unless they are gross."""


def gallery() -> dict[str, Image]:
    """A strip of three pictures, (180, 960, 3) RGB, for each defect of the picture, by the defect's name."""
    return {case.defect: strip(case) for case in CASES if case.video is not None}


def strip(case: Case) -> Image:
    """The moments of one defect, side by side."""
    assert case.video is not None
    severity = GROSS if case.defect in SHOWN_GROSS else MIDDLE
    clean = scenes.action(END, SIZE, noise=0.0)
    pictures = list(islice(case.video(clean, START, END, severity), round(max(MOMENTS) * RATE) + 1))
    return np.concatenate([_image(pictures[round(moment * RATE)]) for moment in MOMENTS], axis=1)


def _image(picture: Image | av.VideoFrame) -> Image:
    if isinstance(picture, av.VideoFrame):
        return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    return picture
