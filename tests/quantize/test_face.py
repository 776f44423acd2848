"""The workshop of the face network: samples carry right labels, the loss asks for what the agent decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [quantize] is not installed")

from quantize.face.evaluate import View, compare, summary  # noqa: E402
from quantize.face.loss import FaceLoss, generalised_iou  # noqa: E402
from quantize.face.network import FaceNetwork  # noqa: E402
from quantize.face.simulate import MIRRORED, hull, inside, make_samples, motion, moved  # noqa: E402
from quantize.face.sources import HERE, Labelled, is_held_out  # noqa: E402
from quantize.face.train import mirror, recoloured  # noqa: E402
from quantize.setup import read_config  # noqa: E402
from vqa_agent.lipsync.faces import HEIGHT, WIDTH, cells, decode, merge  # noqa: E402

CONFIG = read_config(HERE / "config.toml")
SPOTS = ((60, 60, 255), (255, 60, 60), (60, 255, 60), (255, 255, 60), (60, 255, 255))
"""A colour (BGR) for each of the five points."""


def marked() -> Labelled:
    """A grey oval with a coloured spot on each point: labels that can be read back from the pixels."""
    pixels = np.full((200, 200, 3), 90, np.uint8)
    face = np.array([(60, 50), (140, 160), (80, 85), (120, 85), (100, 110), (85, 135), (115, 135)], np.float32)
    for (x, y), colour in zip(face[2:].astype(int), SPOTS, strict=True):
        pixels[y - 4 : y + 5, x - 4 : x + 5] = colour
    return Labelled("talking/drawn.mkv", pixels, face[None])


def empty() -> Labelled:
    return Labelled("stills/other_0001.jpg", np.full((120, 200, 3), 40, np.uint8), np.zeros((0, 7, 2), np.float32))


def loss() -> FaceLoss:
    return FaceLoss(CONFIG["train"]["sizes"], CONFIG["train"]["weights"])


def padded(*faces: Any) -> Any:
    out = np.full((1, 16, 7, 2), np.nan, np.float32)
    for number, face in enumerate(faces):
        out[0, number] = face
    return torch.from_numpy(out)


NOTHING = torch.full((1, 16, 2, 2), torch.nan)


def test_samples_have_faces_within_reach_and_are_the_same_for_a_seed() -> None:
    settings = {**CONFIG["simulate"], "samples": 40}
    first, again = (make_samples([marked(), empty()], settings, np.random.default_rng(1)) for _ in range(2))
    assert (first["pixels"] == again["pixels"]).all()
    faces = first["faces"][np.isfinite(first["faces"][..., 0, 0])]
    heights = faces[:, 1, 1] - faces[:, 0, 1]
    assert len(faces) > 40
    assert (heights >= settings["smallest"]).all()
    assert (heights < 1.5 * settings["tallest"]).all()
    without = np.isnan(first["faces"][:, 0, 0, 0]).mean()
    assert 0.1 < without < 0.5


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_move_with_the_pixels(mirrored: bool) -> None:
    import cv2

    picture = marked()
    matrix = motion(picture.faces[0, :2].mean(axis=0), np.array([160, 96]), 1.1, np.random.default_rng(2), mirrored)
    pixels = cv2.warpAffine(picture.pixels, matrix, (WIDTH, HEIGHT))
    face = moved(picture.faces[0], matrix, mirrored)
    colours = [SPOTS[number - 2] for number in (MIRRORED[2:] if mirrored else range(2, 7))]
    for (x, y), colour in zip(face[2:].round().astype(int), colours, strict=True):
        assert pixels[y, x].tolist() == pytest.approx(colour, abs=12)
    assert (face[0] < face[1]).all()
    assert face[2, 0] < face[3, 0]


def test_a_turned_box_is_that_of_the_oval_in_it() -> None:
    box = np.array([(0, 0), (40, 60)], np.float32)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
    assert np.ptp(hull(box, quarter), axis=0) == pytest.approx([60, 40])


def test_share_of_a_box_under_a_mask() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:, :10] = 1
    assert inside(np.array([(0, 0), (20, 20)], np.float32), mask) == pytest.approx(0.5)
    assert inside(np.array([(-10, 0), (10, 20)], np.float32), mask) == pytest.approx(0.5)


def test_mirroring_twice_changes_nothing() -> None:
    face = padded(marked().faces[0]).numpy()[0, :1][None]
    once = mirror(face)[:, :, MIRRORED]
    assert once[0, 0, 0, 0] == WIDTH - 140
    assert once[0, 0, 2, 0] < once[0, 0, 3, 0]
    assert mirror(once)[:, :, MIRRORED] == pytest.approx(face)


def test_grey_samples_have_no_chroma() -> None:
    pictures = np.random.default_rng(0).normal(0, 0.2, (8, 3, 4, 4)).astype(np.float32)
    assert not recoloured(pictures, 1.0, np.random.default_rng(0))[:, 1:].any()


def test_whole_persons_are_held_out() -> None:
    split = CONFIG["split"]
    assert is_held_out("talking/hill", split)
    assert not is_held_out("talking/p31", split)
    assert is_held_out("portraits/s44", split)
    assert not is_held_out("portraits/s14", split)


@pytest.mark.parametrize("height", [16, 40, 100, 180])
def test_what_the_loss_asks_for_is_what_the_agent_decodes(height: int) -> None:
    """Outputs with the least loss for a face decode to that face."""
    scale = height / 110
    face = (marked().faces[0] - (100, 105)) * scale + (150, 90)
    faces, asked = padded(face), loss()
    targets = asked.assign(faces, NOTHING)
    cell = targets.positive[0].nonzero()[:, 0]
    assert 1 <= len(cell) <= 8
    centres, strides = (torch.from_numpy(each) for each in cells())
    wanted = torch.from_numpy(face.astype(np.float32))
    shapes = torch.zeros(1, len(strides), 14)
    for each in targets.shaped[0].nonzero()[:, 0]:
        shapes[0, each, :2] = (wanted[:2].mean(0) - centres[each]) / strides[each]
        shapes[0, each, 2:4] = ((wanted[1] - wanted[0]) / strides[each]).log()
        shapes[0, each, 4:] = ((wanted[2:] - centres[each]) / strides[each]).ravel()
    logits = torch.where(targets.positive, 12.0, -12.0)
    assert asked(logits, shapes, faces, NOTHING) < 1e-3
    assert asked(-logits, shapes, faces, NOTHING) > 1
    _, boxes, points = merge(*decode(logits[0].numpy(), shapes[0].numpy(), 0.5))
    assert boxes == pytest.approx(np.concatenate([face[0], face[1] - face[0]])[None], abs=0.01)
    assert points[0] == pytest.approx(face[2:], abs=0.01)


def test_doubtful_places_and_the_surroundings_of_a_face_are_free() -> None:
    asked, face = loss(), (marked().faces[0] - (100, 105)) * 0.3 + (60, 60)
    doubtful = NOTHING.clone()
    doubtful[0, 0] = torch.tensor([(200.0, 100.0), (260.0, 160.0)])
    targets = asked.assign(padded(face), doubtful)
    logits = torch.where(targets.positive | targets.free, 12.0, -12.0)
    assert targets.free[0, 12 + 40 * 15 + 15]
    assert not (targets.free & targets.positive).any()
    shapes = torch.zeros(1, len(cells()[1]), 14)
    silent = torch.where(targets.positive, 12.0, -12.0)
    assert asked(logits, shapes, padded(face), doubtful) == asked(silent, shapes, padded(face), doubtful)


def test_generalised_iou_of_equal_touching_and_distant_boxes() -> None:
    box = torch.tensor([[(0.0, 0.0), (10.0, 10.0)]])
    assert generalised_iou(box, box).item() == pytest.approx(1)
    assert generalised_iou(box, box + torch.tensor([10.0, 0.0])).item() == pytest.approx(0)
    assert generalised_iou(box, box + torch.tensor([90.0, 0.0])).item() == pytest.approx(-0.8)


def test_the_network_learns_one_sample() -> None:
    torch.manual_seed(0)
    network, asked = FaceNetwork([4, 8, 8, 8, 8]), loss()
    faces = padded((marked().faces[0] - (100, 105)) * 0.8 + (150, 90))
    pictures = torch.randn(1, 3, HEIGHT, WIDTH)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(12):
        value = asked(*network(pictures), faces, NOTHING)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.7 * losses[0]


def test_counting_matches_found_and_there() -> None:
    face = (marked().faces[0] - (100, 105)) * 0.8 + (150, 90)
    centres, strides = cells()
    logits, shapes = np.full((1, len(strides)), -9, np.float32), np.zeros((1, len(strides), 14), np.float32)
    for cell, middle in ((500, face[:2].mean(axis=0)), (20, np.array([30.0, 30.0])), (900, np.array([280.0, 150.0]))):
        logits[0, cell] = 3
        shapes[0, cell, :2] = (middle - centres[cell]) / strides[cell]
        shapes[0, cell, 2:4] = np.log((face[1] - face[0]) / strides[cell])
        shapes[0, cell, 4:] = ((face[2:] - centres[cell]) / strides[cell]).ravel()
    doubtful = np.array([(250, 120), (310, 180)], np.float32)
    view = View("talking/x", np.zeros((HEIGHT, WIDTH, 3), np.uint8), [face.astype(np.float32)], [doubtful])
    count = compare(lambda _: [logits, shapes], view, 0.5)
    assert (count.there, count.found, count.false) == (1, 1, 1)
    assert count.point_errors == pytest.approx([0], abs=1e-3)
    scores = summary([count])
    assert (scores["recall"], scores["precision"]) == (1.0, 0.5)
