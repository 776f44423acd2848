from __future__ import annotations

import av
import numpy as np
import pytest

from vqa_agent.capture.picture import PictureMaker
from vqa_agent.media import FULL, LIMITED

WIDTH, HEIGHT = 62, 34
YUV = [
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv411p", "nv12", "nv21", "nv16", "gray",
    "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv420p9le", "p010le", "gray10le", "gray16le", "yuva420p",
]  # fmt: skip
OTHERS = ["rgb24", "bgra", "gbrp", "yuyv422", "uyvy422", "rgb565le", "yuv420p10be"]


def frame_in(name: str) -> av.VideoFrame:
    ramp = np.linspace(20, 230, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    image = np.stack([ramp, ramp[::-1], np.full_like(ramp, 120)], axis=2).astype(np.uint8)
    source = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return source if name == "rgb24" else source.reformat(format=name)


def make(frame: av.VideoFrame):
    return PictureMaker().make(frame, 1.0, 0.04)


@pytest.mark.parametrize("name", YUV)
def test_shows_luma_and_chroma_as_coded_without_converting(name: str) -> None:
    frame = frame_in(name)
    picture = make(frame)
    assert picture.luma.shape == (HEIGHT, WIDTH)
    assert picture.frame is frame
    reference = frame.reformat(format="gray" if name == "gray" else "yuv444p16le")
    wanted = np.frombuffer(bytes(reference.planes[0]), np.uint8 if name == "gray" else np.uint16)
    stride = reference.planes[0].line_size // wanted.itemsize
    wanted = wanted.reshape(HEIGHT, stride)[:, :WIDTH].astype(float) / 2 ** (wanted.itemsize * 8)
    if picture.levels == LIMITED or name == "yuvj420p":
        assert np.abs(picture.luma / 2.0**picture.depth - wanted).max() < 0.07
    assert (picture.chroma is None) == name.startswith("gray")


@pytest.mark.parametrize("name", OTHERS)
def test_converts_what_has_no_luma_plane(name: str) -> None:
    picture = make(frame_in(name))
    assert picture.luma.shape == (HEIGHT, WIDTH)
    assert picture.luma.max() > 100


@pytest.mark.parametrize(
    ("name", "levels"), [("yuv420p", LIMITED), ("yuvj420p", FULL), ("rgb24", FULL), ("yuv420p10le", LIMITED)]
)
def test_knows_the_range(name: str, levels) -> None:
    assert make(frame_in(name)).levels == levels


@pytest.mark.parametrize("name", ["nv12", "nv21"])
def test_chroma_of_semi_planar_formats_is_told_apart(name: str) -> None:
    planar, semi = make(frame_in("yuv420p")), make(frame_in(name))
    for one, other in zip(planar.chroma, semi.chroma, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (7, 1), (16, 2)])
def test_tiny_and_odd_sizes_have_their_reductions(size: tuple[int, int]) -> None:
    frame = av.VideoFrame(*size, "yuv420p")
    picture = make(frame)
    assert picture.small.size > 0
    assert picture.small_chroma is not None
    assert picture.histogram.sum() == pytest.approx(1.0)
    assert picture.row_profile.size
    assert picture.column_profile.size


def test_ten_bits_reduce_to_the_same_code_values_as_eight() -> None:
    eight, ten = make(frame_in("yuv420p")), make(frame_in("yuv420p10le"))
    assert np.abs(eight.small.astype(int) - ten.small.astype(int)).max() <= 2


def test_pictures_know_the_one_before_and_no_more() -> None:
    maker = PictureMaker()
    first, second, third = (maker.make(frame_in("yuv420p"), number * 0.04, 0.04) for number in range(3))
    assert third.previous is second
    assert second.previous is None
    assert (first.index, third.index) == (0, 2)
    assert third.difference == 0.0
    assert third.repeats_previous


def test_a_picture_of_another_size_has_no_predecessor() -> None:
    maker = PictureMaker()
    maker.make(frame_in("yuv420p"), 0.0, 0.04)
    assert maker.make(av.VideoFrame(32, 32, "yuv420p"), 0.04, 0.04).previous is None
