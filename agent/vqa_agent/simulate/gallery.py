"""Pictures of the defects for the manual: what each looks like, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import av
import cv2
import numpy as np

from vqa_agent.simulate.cases import CASES, Case
from vqa_agent.simulate.scenes import RATE, Image

SIZE = (320, 180)
START, END = 1.0, 3.0
"""Seconds from which to which the drawn scene has the defect."""

MOMENTS = (0.8, 1.64, 1.68)
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
    pictures = list(islice(case.video(road(), START, END, severity), round(max(MOMENTS) * RATE) + 1))
    return np.concatenate([_image(pictures[round(moment * RATE)]) for moment in MOMENTS], axis=1)


def road() -> Iterator[Image]:
    """A van on a road before hills, under an evening sky."""
    width, height = SIZE
    sky = np.linspace((70, 110, 190), (250, 190, 130), height * 2 // 3)
    ground = np.concatenate([np.repeat(sky[:, None], width, axis=1), np.full((height - len(sky), width, 3), 92.0)])
    hills = np.array([(x, 95 - 18 * np.sin(x / 37) - 9 * np.sin(x / 13)) for x in range(width)], np.int32)
    still = ground.astype(np.uint8)
    cv2.fillPoly(still, [np.concatenate([hills, [(width, 130), (0, 130)]]).astype(np.int32)], (52, 84, 58))
    cv2.putText(still, "ROUTE 9", (232, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (245, 245, 245), 1, cv2.LINE_AA)
    for number in range(round(END * RATE)):
        image, left = still.copy(), number * 5 - 70
        for mark in range(-number * 6 % 60 - 60, width, 60):
            cv2.rectangle(image, (mark, 160), (mark + 26, 164), (230, 226, 200), -1)
        cv2.rectangle(image, (left, 92), (left + 84, 136), (206, 44, 40), -1)
        cv2.rectangle(image, (left + 56, 98), (left + 78, 114), (170, 210, 230), -1)
        for wheel in (18, 66):
            cv2.circle(image, (left + wheel, 138), 10, (24, 24, 28), -1, cv2.LINE_AA)
        yield image


def _image(picture: Image | av.VideoFrame) -> Image:
    if isinstance(picture, av.VideoFrame):
        return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
    return picture
