from __future__ import annotations

import numpy as np
import pytest

from tests.lipsync.people import face, filmed, portrait
from vqa_agent.lipsync.follow import LONGEST_WAIT, Mouth, MouthFollower, slot_of
from vqa_agent.media import Picture


def follow(pictures, find=lambda picture: [face()]) -> MouthFollower:
    follower = MouthFollower(find)
    for picture in pictures:
        follower.watch(picture)
    follower.settle()
    return follower


@pytest.mark.parametrize("rate", [25, 30, 50, 24000 / 1001])
def test_twenty_five_slots_a_second_at_any_rate(rate: float) -> None:
    (mouth,) = follow(filmed(4.0, rate)).mouths.values()
    first, film = mouth.film()
    assert (first, len(film)) == (0, 100)
    assert abs(np.mean(mouth.late)) < 0.02


def test_the_picture_of_a_slot_is_the_one_shown_in_it() -> None:
    opening = {slot: 0.1 + 0.6 * (slot % 7 == 0) for slot in range(60)}
    (mouth,) = follow(filmed(2.0, 50, lambda time: opening[int((time + 0.01) / 0.04)])).mouths.values()
    _, film = mouth.film()
    darkness = np.array([(cut < 100).mean() for cut in film])
    assert set(np.flatnonzero(darkness > darkness.mean() + darkness.std())) == set(range(0, 50, 7))


def test_looks_for_faces_five_times_a_second() -> None:
    looked: list[float] = []
    follow(filmed(4.0), lambda picture: looked.append(picture.time) or [face()])
    assert len(looked) == 20


def test_keeps_few_pictures() -> None:
    follower = MouthFollower(lambda picture: [face()])
    for picture in filmed(2.0, 60):
        follower.watch(picture)
        assert len(follower._waiting) < LONGEST_WAIT


def test_a_cut_ends_every_track() -> None:
    def scenes():
        for number, picture in enumerate(filmed(4.0)):
            luma = picture.luma
            if number >= 50:
                luma = np.where(np.indices(luma.shape).sum(axis=0) % 200 < 100, 250 - luma // 4, luma // 4)
            yield Picture(time=picture.time, duration=0.04, luma=luma.astype(np.uint8))

    mouths = follow(scenes()).mouths
    assert [(mouth.slots[0], mouth.slots[-1]) for mouth in mouths.values()] == [(0, 49), (50, 99)]


def test_a_face_is_followed_from_where_it_is_found_on() -> None:
    mouths = follow(filmed(2.0), lambda picture: [face()] if picture.time > 0.79 else []).mouths
    assert [mouth.slots[0] for mouth in mouths.values()] == [20]


def test_holes_repeat_what_was_before_them() -> None:
    cuts = [np.full((2, 2), number, np.uint8) for number in range(3)]
    first, film = Mouth(1, [4, 5, 8], cuts).film()
    assert first == 4
    assert film[:, 0, 0].tolist() == [0, 1, 1, 1, 2]


def test_a_slot_holds_the_middle_of_a_picture() -> None:
    luma = portrait()
    assert slot_of(Picture(time=0.08, duration=0.04, luma=luma)) == 2
    assert slot_of(Picture(time=0.065, duration=1 / 30, luma=luma)) == 2
