from __future__ import annotations

import pickle

import numpy as np
import pytest

from vqa_agent.history import CONFIRM, FORGET, LOOK_INTERVAL, Normal, Pace
from vqa_agent.measures import Layout, likeness

RNG = np.random.default_rng(3)
HALL, STREET = (Layout(RNG.uniform(20, 220, (18, 32)).astype(np.float32)) for _ in range(2))


def feed(normal: Normal, values: list[float], layout=HALL, start: float = 0.0) -> list[float | None]:
    return [normal.see(start + LOOK_INTERVAL * number, value, layout) for number, value in enumerate(values)]


def dissolve(looks: int) -> list[Layout]:
    return [
        Layout((HALL.luma * (1 - part) + STREET.luma * part).astype(np.float32)) for part in np.linspace(0, 1, looks)
    ]


def test_a_step_within_a_scene_is_dated_to_its_first_look() -> None:
    seen = feed(Normal(1.0), [0.0] * 6 + [2.0] * 6)
    assert seen[:9] == [None] * 9
    assert seen[-1] == pytest.approx(6 * LOOK_INTERVAL)


def test_it_ends_when_half_of_it_is_back() -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 6 + [2.0] * 6)
    assert normal.see(3.0, 0.6, HALL) is not None
    assert normal.see(3.2, 0.4, HALL) is None


def test_the_sign_of_the_jump_says_which_way_is_worse() -> None:
    assert feed(Normal(-1.0), [0.0] * 6 + [2.0] * 6)[-1] is None
    assert feed(Normal(-1.0), [2.0] * 6 + [0.0] * 6)[-1] is not None


def test_the_end_of_a_change_for_the_better_is_no_step() -> None:
    assert set(feed(Normal(1.0), [2.0] * 20 + [0.0] * 20 + [2.0] * 20)) == {None}


def test_what_lasts_shorter_than_the_confirmation_is_no_step() -> None:
    looks = round(CONFIRM / LOOK_INTERVAL)
    assert set(feed(Normal(1.0), [0.0] * 6 + [2.0] * looks + [0.0] * 6)) == {None}


def test_a_slow_change_is_no_step() -> None:
    assert set(feed(Normal(1.0), [0.0] * 6 + list(np.linspace(0, 3, 26)) + [3.0] * 6)) == {None}


def test_another_scene_may_differ() -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 6)
    assert set(feed(normal, [2.0] * 8, STREET, 1.2)) == {None}


@pytest.mark.parametrize("looks", [3, 5, 8])
def test_a_dissolve_to_another_scene_is_no_step(looks: int) -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 6)
    mixed = zip(np.linspace(0, 2, looks), dissolve(looks), strict=True)
    seen = [normal.see(1.2 + LOOK_INTERVAL * number, value, layout) for number, (value, layout) in enumerate(mixed)]
    assert {*seen, *feed(normal, [2.0] * 10, STREET, 1.2 + looks * LOOK_INTERVAL)} == {None}


@pytest.mark.parametrize(("after", "lasts"), [(2.0, True), (0.3, False)], ids=["still wrong", "as usual"])
def test_after_a_cut_the_memory_decides(after: float, lasts: bool) -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 10 + [2.0] * 6)
    assert (normal.see(3.2, after, STREET) is not None) is lasts


def test_a_change_becomes_the_new_normal_in_the_end() -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 6 + [2.0] * 6)
    assert normal.see(1.0 + FORGET, 2.0, HALL) is not None
    assert normal.see(2.4 + FORGET, 2.0, HALL) is None


def test_the_memory_shows_what_is_usual() -> None:
    normal = Normal(1.0)
    feed(normal, [0.1] * 160 + [0.2] * 60)
    memory = normal.memory()
    assert (memory["typical"], memory["least"], memory["most"]) == (0.1, 0.1, 0.2)
    assert memory["pieces"] == 4
    assert memory["changed_since"] is None


def test_an_empty_memory_knows_nothing() -> None:
    assert Normal(1.0).memory() == dict.fromkeys(("typical", "least", "most", "changed_since")) | {"pieces": 0}


def test_a_memory_survives_pickling_in_the_middle_of_a_step() -> None:
    normal = Normal(1.0)
    feed(normal, [0.0] * 6 + [2.0] * 2)
    again = pickle.loads(pickle.dumps(normal))
    assert feed(again, [2.0] * 4, start=1.6) == feed(normal, [2.0] * 4, start=1.6)


@pytest.mark.parametrize(
    ("other", "least", "most"),
    [
        (HALL.luma * 0.5 + 10, 0.99, 1.01),
        (np.roll(HALL.luma, (1, 3), (0, 1)), 0.9, 1.01),
        (STREET.luma, -1.0, 0.5),
        (np.full_like(HALL.luma, 16), 0.0, 0.0),
    ],
    ids=["darker", "moved a little", "another scene", "black"],
)
def test_likeness_of_layouts(other: np.ndarray, least: float, most: float) -> None:
    assert least <= likeness(HALL, Layout(other.astype(np.float32))) <= most


@pytest.mark.parametrize("rate", [24, 25, 29.97, 50, 60])
def test_looks_come_five_times_a_second_at_any_rate(rate: float) -> None:
    pace = Pace()
    assert sum(pace.due(number / rate) for number in range(round(10 * rate))) == 50
