from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.lipsync.shots import ShotFinder
from vqa_agent.simulate import scenes
from vqa_agent.simulate.scenes import Image


def cuts(images: Iterable[Image]) -> list[int]:
    finder = ShotFinder()
    return [number for number, picture in enumerate(samples.pictures(images)) if finder.watch(picture)]


def shot(name: str, seconds: float = 1.0, seed: int = 0) -> list[Image]:
    return list(scenes.SCENES[name](seconds, samples.SIZE, seed=seed))


@pytest.mark.parametrize("first", ["pan", "studio", "slide"])
@pytest.mark.parametrize("second", ["action", "cartoon", "pan"])
def test_finds_a_cut_where_it_is(first: str, second: str) -> None:
    assert cuts([*shot(first, seed=1), *shot(second, seed=9)]) == [25]


@pytest.mark.parametrize("name", scenes.SCENES)
def test_one_shot_has_no_cut(name: str) -> None:
    assert cuts(shot(name, 3.0)) == []


@pytest.mark.parametrize("light", [255, 0], ids=["white", "black"])
def test_a_flash_is_no_cut(light: int) -> None:
    images = shot("studio", 2.0)
    images[20] = np.full_like(images[20], light)
    images[40] = cv2.addWeighted(images[40], 0.4, np.full_like(images[40], light), 0.6, 0)
    assert cuts(images) == []


def test_a_fade_is_no_cut_but_what_comes_after_it_is() -> None:
    leaving = [cv2.convertScaleAbs(image, alpha=1 - number / 24) for number, image in enumerate(shot("pan"))]
    black = [np.zeros_like(leaving[0])] * 5
    assert cuts([*leaving, *black, *leaving[::-1]]) == []
    assert cuts([*leaving, *black, *shot("action")]) == [30]


def test_cuts_in_quick_succession_are_all_found() -> None:
    parts = [shot(name, 0.4, seed) for seed, name in enumerate(["pan", "slide", "cartoon", "pan", "studio"])]
    assert cuts([image for part in parts for image in part]) == [10, 20, 30, 40]


def mixed(first: list[Image], second: list[Image], count: int) -> list[Image]:
    """`first`, then `count` pictures in which it turns into `second`, then that."""
    between = [
        cv2.addWeighted(leaving, 1 - share, coming, share, 0)
        for share, leaving, coming in zip(np.arange(1, count + 1) / (count + 1), first[-count:], second, strict=False)
    ]
    return [*first[:-count], *between, *second[count:]]


@pytest.mark.parametrize("count", [10, 20, 35])
@pytest.mark.parametrize(("first", "second"), [("studio", "slide"), ("slide", "studio")])
def test_finds_a_dissolve_while_or_shortly_after_it_happens(first: str, second: str, count: int) -> None:
    (found,) = cuts(mixed(shot(first, 3.0, 1), shot(second, 3.0, 9), count))
    assert 75 - count <= found <= 75 + 15


@pytest.mark.parametrize("light", [255, 0], ids=["white", "black"])
@pytest.mark.parametrize("count", [8, 15, 25])
def test_finds_a_fade_through_black_or_white(light: int, count: int) -> None:
    first, second = shot("studio", 3.0, 1), shot("slide", 3.0, 9)
    flat = [np.full_like(first[0], light)] * (count + 5)
    (found,) = cuts(mixed(mixed(first, flat, count), second, count))
    assert 75 <= found <= 75 + 5 + count


def test_a_fade_out_and_in_of_one_shot_is_no_cut() -> None:
    images = shot("studio", 4.0)
    black = [np.zeros_like(images[0])] * 30
    assert cuts(mixed(mixed(images[:50], black, 12), images[50:], 12)) == []


@pytest.mark.parametrize("gain", [1.5, 2.5, 4.0])
@pytest.mark.parametrize("length", [1, 3])
def test_a_photographers_flash_is_no_cut(gain: float, length: int) -> None:
    images = shot("studio", 2.0)
    for number in (20, 35):
        for lit in range(number, number + length):
            images[lit] = cv2.convertScaleAbs(images[lit], alpha=gain, beta=20)
    assert cuts(images) == []


@pytest.mark.parametrize("name", ["studio", "slide", "cartoon"])
def test_a_zoom_is_no_cut(name: str) -> None:
    still = shot(name, 0.1)[0]
    rows, columns = still.shape[:2]
    turns = [cv2.getRotationMatrix2D((columns / 3, rows / 2), 0, 1 + number / 40) for number in range(75)]
    assert cuts([cv2.warpAffine(still, turn, (columns, rows)) for turn in turns]) == []


@pytest.mark.parametrize("speed", [1, 3, 8])
def test_a_pan_is_no_cut(speed: int) -> None:
    wide = np.concatenate([shot(name, 0.1)[0] for name in ("pan", "studio", "cartoon", "pan")], axis=1)
    columns = samples.SIZE[0]
    last = min(100, (wide.shape[1] - columns) // speed)
    assert cuts([np.ascontiguousarray(wide[:, speed * n : speed * n + columns]) for n in range(last)]) == []
