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
