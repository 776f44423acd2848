"""The finder's arithmetic on made-up outputs of the network; real faces where the recordings are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vqa_agent.capture.picture import PictureMaker
from vqa_agent.lipsync import faces
from vqa_agent.lipsync.faces import (
    HEIGHT,
    STRIDES,
    WIDTH,
    FaceFinder,
    cells,
    decode,
    extent,
    merge,
    network_input,
    overlaps,
)
from vqa_agent.media import FULL, LIMITED, Levels, Picture

Array = NDArray[np.float32]
MEDIA = Path(os.environ.get("VQA_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
SEEN_NEVER = ("talking/hill.mkv", "talking/restaurant.mkv", "talking/vasa_3.mkv", "talking/lyl.mkv")
"""Talkers who were held out from training."""

needs_media = pytest.mark.skipif(not MEDIA.is_dir(), reason="the recordings are not here")


def picture(height: int = 1080, width: int = 1920, value: int = 126, levels: Levels = LIMITED) -> Picture:
    luma = np.full((height, width), value, np.uint8)
    neutral = np.full((height // 2, width // 2), 128, np.uint8)
    return Picture(time=0.0, duration=0.04, luma=luma, chroma=(neutral, neutral), levels=levels)


def outputs(*wanted: tuple[int, float, tuple[float, float, float, float]]) -> tuple[Array, Array]:
    """The network's outputs for faces given as number of the cell, logit, and box in pixels; points at its corners."""
    centres, strides = cells()
    logits, shapes = np.full(len(strides), -9, np.float32), np.zeros((len(strides), 14), np.float32)
    for cell, logit, (x, y, width, height) in wanted:
        logits[cell] = logit
        middle = np.array([x + width / 2, y + height / 2])
        points = np.array([(x, y), (x + width, y), middle, (x, y + height), (x + width, y + height)])
        shapes[cell, :2] = (middle - centres[cell]) / strides[cell]
        shapes[cell, 2:4] = np.log(np.array([width, height]) / strides[cell])
        shapes[cell, 4:] = ((points - centres[cell]) / strides[cell]).ravel()
    return logits, shapes


def test_cells_cover_the_input_row_by_row_at_every_stride() -> None:
    centres, strides = cells()
    assert len(strides) == sum(HEIGHT // stride * WIDTH // stride for stride in STRIDES)
    assert centres[0].tolist() == [4, 4]
    assert centres[1].tolist() == [12, 4]
    assert centres[-1].tolist() == [WIDTH - 16, HEIGHT - 16]


@pytest.mark.parametrize("cell", [0, 700, 1000, 1259])
def test_decoding_gives_back_box_points_and_score(cell: int) -> None:
    scores, boxes, points = decode(*outputs((cell, 2.0, (30, 40, 50, 60))), 0.5)
    assert scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert boxes[0] == pytest.approx([30, 40, 50, 60], abs=1e-3)
    assert points[0, 4] == pytest.approx([80, 100], abs=1e-3)


def test_cells_below_the_threshold_are_left_out() -> None:
    made = outputs((3, 0.1, (0, 0, 20, 20)), (300, -0.1, (100, 100, 20, 20)))
    assert len(decode(*made, 0.5)[0]) == 1
    assert len(decode(*made, 0.45)[0]) == 2


def test_overlapping_boxes_are_one_face_the_surest_first() -> None:
    made = outputs(
        (3, 0.5, (0, 0, 20, 20)), (4, 3.0, (100, 50, 40, 40)), (5, 3.0, (104, 50, 40, 40)), (6, 1.0, (124, 50, 40, 40))
    )
    scores, boxes, points = merge(*decode(*made, 0.5))
    assert scores.tolist() == sorted(scores, reverse=True)
    assert boxes[0] == pytest.approx([102, 50, 40, 40], abs=1e-3)
    assert points[0, 2] == pytest.approx([122, 70], abs=1e-3)
    assert [round(float(box[0])) for box in boxes] == [102, 124, 0]


def test_nothing_found_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_with(monkeypatch, picture()) == []


SIZES = {(1080, 1920): (320, 180), (576, 720): (240, 192), (512, 512): (192, 192), (1920, 1080): (108, 192)}


@pytest.mark.parametrize(("size", "filled"), SIZES.items())
def test_fractions_of_the_picture_survive_the_letterbox(
    size: tuple[int, int], filled: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = size
    assert extent(width, height).tolist() == list(filled)
    columns, rows = filled
    box = (columns * 0.25, rows * 0.5, columns * 0.5, rows * 0.25)
    (face,) = find_with(monkeypatch, picture(height, width), (10, 4.0, box))
    assert face.box == pytest.approx((0.25, 0.5, 0.5, 0.25), abs=1e-4)
    assert face.points[4] == pytest.approx([0.75, 0.75], abs=1e-4)


@pytest.mark.parametrize(("levels", "black", "white"), [(LIMITED, 16, 235), (FULL, 0, 255)])
def test_black_and_white_are_the_same_in_either_range(levels: Levels, black: int, white: int) -> None:
    for value, expected in ((black, -0.5), (white, 0.5)):
        inputs = network_input(picture(value=value, levels=levels))
        assert inputs.shape == (1, 3, HEIGHT, WIDTH)
        assert inputs[0, 0, :180] == pytest.approx(expected, abs=1e-5)
        assert not inputs[0, 1:].any()
        assert not inputs[0, :, 180:].any()


def test_grey_material_has_no_chroma() -> None:
    grey = Picture(time=0.0, duration=0.04, luma=np.full((90, 160), 200, np.uint8), chroma=None)
    assert not network_input(grey)[0, 1:].any()


def find_with(monkeypatch: pytest.MonkeyPatch, shown: Picture, *wanted: Any) -> list[faces.Face]:
    """What the finder makes of these outputs of the network."""

    class Network:
        class info:  # noqa: N801
            thresholds = {"score": 0.5}  # noqa: RUF012

        def run(self, inputs: Array) -> list[Array]:
            assert inputs.shape == (1, 3, HEIGHT, WIDTH)
            return [each[None] for each in outputs(*wanted)]

    monkeypatch.setattr(faces, "open_model", lambda *_: Network())
    return FaceFinder().find(shown)


@pytest.mark.media
@needs_media
@pytest.mark.parametrize("name", SEEN_NEVER)
def test_unseen_talkers_are_found_with_their_mouths(name: str) -> None:
    shown, known = first_picture(MEDIA / name), labels(name)
    found = FaceFinder("onnxruntime").find(shown)
    assert len(found) == len(known)
    for face in found:
        (truth,) = (each for each in known if overlap(each["box"], face.box) > 0.5)
        mouth = np.array([truth["mouth_left"], truth["mouth_right"]])
        assert np.abs(face.points[3:] - mouth).max() < 0.15 * max(truth["box"][2:])


@pytest.mark.media
@needs_media
def test_there_is_no_face_in_unseen_pictures_of_other_things() -> None:
    finder = FaceFinder("onnxruntime")
    stills = [path for path in sorted((MEDIA / "stills").glob("other_*.jpg")) if int(path.stem[-4:]) % 4 == 3]
    assert len(stills) > 15
    assert sum(len(finder.find(of_pixels(cv2.imread(str(path))))) for path in stills) == 0


def overlap(one: Any, other: Any) -> float:
    return float(overlaps(np.array(one, np.float32), np.array([other], np.float32))[0])


def first_picture(path: Path) -> Picture:
    with av.open(str(path)) as container:
        return PictureMaker().make(next(container.decode(video=0)), 0.0, 0.04)


def of_pixels(pixels: Any) -> Picture:
    """A picture of BGR pixels."""
    return PictureMaker().make(av.VideoFrame.from_ndarray(pixels, format="bgr24"), 0.0, 0.04)


def labels(name: str) -> list[dict[str, Any]]:
    """The teacher's faces in the first picture of a recording."""
    with gzip.open(MEDIA / "labels" / "faces_talking.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = (json.loads(line) for line in lines if name in line)
        found: list[dict[str, Any]] = next(rows)["faces"]
    return found
