"""Decoded video frames to `Picture`s, without copying where the pixel format allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange

from vqa_agent.capture.doubt import Doubt
from vqa_agent.media import FULL, LIMITED, DeepPlane, Levels, Picture

RED_FIRST = ("nv21", "nv42")
"""Semi-planar formats whose chroma pairs begin with Cr."""

FULL_RANGE_FORMATS = ("yuvj", "rgb", "bgr", "gbr", "argb", "abgr", "rgba", "bgra", "pal8", "mono")


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """How luma and chroma lie in a frame of one pixel format."""

    depth: int
    shift: int
    """Bits by which samples are stored too high (p010 keeps 10 bits in the top of 16)."""
    chroma: str
    """planar, interleaved, or none."""


@lru_cache
def layout_of(name: str) -> PlaneLayout | None:
    """How to view frames of pixel format `name`; None where luma is not a plane of its own."""
    if name.startswith(("p010", "p012", "p016", "p210", "p410")):
        depth = int(name[2:4])
        return PlaneLayout(depth, 16 - depth, "interleaved")
    if not name.startswith(("yuv", "nv", "gray")) or name.endswith("be") or name.startswith(("yuyv", "grayf")):
        return None
    if name.startswith(("nv12", "nv21", "nv16", "nv24", "nv42")):
        return PlaneLayout(8, 0, "interleaved")
    if name.startswith("nv"):
        return PlaneLayout(10, 6, "interleaved")
    depth = av.VideoFormat(name).components[0].bits
    return PlaneLayout(depth, 0, "none" if name.startswith("gray") else "planar")


class PictureMaker:
    """Turns the frames of one track into `Picture`s, each knowing the one before."""

    def __init__(self) -> None:
        self.doubt = Doubt()
        self._previous: Picture | None = None
        self._index = 0

    def forget(self) -> None:
        """There was an interruption: the next picture has no predecessor."""
        self._previous = None

    def make(self, frame: av.VideoFrame, time: float, duration: float, follows: bool = True) -> Picture:
        """`follows`: nothing was left out since the picture before; else their indices are not consecutive."""
        self._index += 0 if follows else 1
        levels = levels_of(frame)
        layout = layout_of(frame.format.name)
        if layout is None:
            # Packed, RGB and big-endian formats have no luma plane to look at: convert them once.
            frame = frame.reformat(format="yuv444p", dst_color_range="JPEG" if levels == FULL else "MPEG")
            layout = PlaneLayout(8, 0, "planar")
        luma = view(frame, 0, layout)
        previous = self._previous
        if previous is not None and previous.luma.shape != luma.shape:
            previous = None
        key, corrupt = bool(frame.key_frame), bool(frame.is_corrupt)
        picture = Picture(
            time=time,
            duration=duration,
            luma=luma,
            chroma=chroma_views(frame, layout),
            depth=layout.depth,
            levels=levels,
            previous=previous,
            index=self._index,
            key=key,
            interlaced=bool(frame.interlaced_frame),
            corrupt=corrupt,
            doubtful=self.doubt.covers(frame.time, key, corrupt),
            frame=frame,
        )
        self._previous = picture
        self._index += 1
        return picture


def levels_of(frame: av.VideoFrame) -> Levels:
    """Full or limited range, as the stream says; RGB and the yuvj formats are full."""
    if frame.format.name.startswith(FULL_RANGE_FORMATS) or frame.color_range == ColorRange.JPEG:
        return FULL
    return LIMITED


def view(frame: av.VideoFrame, number: int, layout: PlaneLayout) -> DeepPlane:
    """(height, width) view of plane `number`; samples that are stored too high are shifted, which copies."""
    plane = frame.planes[number]
    wide = layout.depth > 8
    rows = _rows(plane, wide)
    if number and layout.chroma == "interleaved":
        return rows
    samples = rows[:, : plane.width]
    return np.right_shift(samples, layout.shift) if layout.shift else samples


def chroma_views(frame: av.VideoFrame, layout: PlaneLayout) -> tuple[DeepPlane, DeepPlane] | None:
    if layout.chroma == "none":
        return None
    if layout.chroma == "planar":
        return view(frame, 1, layout), view(frame, 2, layout)
    both = view(frame, 1, layout)
    width = frame.planes[1].width
    pair = both[:, : 2 * width] if both.shape[1] >= 2 * width else both
    if layout.shift:
        pair = np.right_shift(pair, layout.shift)
    first, second = pair[:, 0::2], pair[:, 1::2]
    return (second, first) if frame.format.name in RED_FIRST else (first, second)


def _rows(plane: VideoPlane, wide: bool) -> DeepPlane:
    size = abs(plane.line_size)
    data = np.frombuffer(memoryview(plane), np.uint8, count=size * plane.height)
    samples: DeepPlane = data.view(np.uint16) if wide else data
    return samples.reshape(plane.height, -1)
