from __future__ import annotations

import numpy as np
import pytest

from tests.lipsync.people import SIZE, face, portrait
from vqa_agent.lipsync.mouth import HEIGHT, WIDTH, cut_mouth, frame_of, movement, normalise
from vqa_agent.media import Picture


def cut(at, opening: float = 0.5, scale: int = 1, depth: int = 8) -> np.ndarray:
    luma = portrait(opening, at)
    luma = np.kron(luma, np.ones((scale, scale), np.uint8))
    if depth > 8:
        luma = luma.astype(np.uint16) << (depth - 8)
    return cut_mouth(Picture(time=0, duration=0.04, luma=luma, depth=depth), at.points)


def dark(image: np.ndarray) -> tuple[float, float]:
    """Centre (row, column) of what is dark: the mouth."""
    rows, columns = np.nonzero(image < 100)
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize("turn", [-0.5, 0.0, 0.3])
@pytest.mark.parametrize("eyes", [30, 60, 110])
def test_the_mouth_is_in_one_place_whatever_the_face_does(turn: float, eyes: float) -> None:
    usual = cut(face(320, 180, 60))
    image = cut(face(300, 190, eyes, turn))
    assert image.shape == (HEIGHT, WIDTH)
    assert dark(image) == pytest.approx(dark(usual), abs=1.5)
    assert dark(image)[1] == pytest.approx((WIDTH - 1) / 2, abs=1.0)
    assert np.abs(image.astype(int) - usual).mean() < 14


def test_the_same_at_any_resolution_and_depth() -> None:
    usual = cut(face())
    assert np.abs(cut(face(), scale=4).astype(int) - usual).mean() < 6
    assert np.abs(cut(face(), depth=10).astype(int) - usual).max() <= 1


def test_a_mouth_beyond_the_edge_is_still_cut() -> None:
    assert cut(face(2, 2)).shape == (HEIGHT, WIDTH)
    assert cut(face(-400, -400)).shape == (HEIGHT, WIDTH)


def test_a_larger_shape_shows_more_at_the_same_scale() -> None:
    at = face()
    picture = Picture(time=0, duration=0.04, luma=portrait(0.5, at))
    large = cut_mouth(picture, at.points, (HEIGHT + 24, WIDTH + 32))
    assert np.abs(large[12:-12, 16:-16].astype(int) - cut_mouth(picture, at.points)).max() <= 2


def test_frame_follows_the_points() -> None:
    centre, size, turn = frame_of(face(320, 180, 80, 0.2).points, *SIZE)
    assert size == pytest.approx(80, rel=0.2)
    assert turn == pytest.approx(0.2, abs=0.02)
    assert centre[1] > 180


def test_movement_is_that_of_the_lips() -> None:
    still = np.stack([cut(face(), 0.2)] * 10)
    moving = np.stack([cut(face(), 0.2 + 0.4 * (number % 2)) for number in range(10)])
    assert movement(still).max() == 0
    assert movement(moving).mean() > 0.1


def test_light_falls_out_of_what_the_network_sees() -> None:
    film = np.stack([cut(face(), number / 10) for number in range(8)])
    dimmed = (film * 0.5 + 20).astype(np.uint8)
    assert normalise(dimmed) == pytest.approx(normalise(film), abs=0.05)
