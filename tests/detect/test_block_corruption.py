from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.detect import clips, samples
from vqa_agent.block_planes import MAP_CELLS, between_bars, block_planes
from vqa_agent.detect import Finding, Profile
from vqa_agent.detect.block_corruption import BlockCorruption, BlockCorruptionSettings, damaged_region
from vqa_agent.media import Picture
from vqa_agent.simulate import motion, scenes, spatial
from vqa_agent.simulate.scenes import Image

pytest.importorskip("onnxruntime")

BAND = slice(4, 9)
"""Rows of blocks of 16 pixels that are hit."""


def damaged(
    images: Iterable[Image], start: float, end: float, kind: str = "displaced", seed: int = 3
) -> Iterator[Image]:
    """From `start` to `end` some of the blocks of 16 pixels in a band are wrong, others in each picture."""
    rng = np.random.default_rng(seed)
    for number, image in enumerate(images):
        if start <= number / 25 < end:
            image = image.copy()
            hit = rng.random((BAND.stop - BAND.start, image.shape[1] // 16)) < 0.4
            for row, column in np.argwhere(hit):
                y, x = 16 * (int(row) + BAND.start), 16 * int(column)
                dy, dx = (int(value) for value in rng.integers(0, image.shape[0] - 16, 2))
                wrong = {"displaced": image[dy : dy + 16, dx : dx + 16], "green": (0, 135, 0), "flat": image[y, x]}
                image[y : y + 16, x : x + 16] = wrong[kind]
        yield image


def defective() -> Iterator[Picture]:
    return samples.pictures(damaged(clips.clip("action", 5.0), 1.0, 4.0))


@pytest.mark.parametrize("kind", ["displaced", "green", "flat"])
@pytest.mark.parametrize("profile", list(Profile))
def test_finds_damage_with_its_limits(kind: str, profile: Profile) -> None:
    (event,) = clips.found("block_corruption", damaged(clips.clip("action"), 2.0, 5.0, kind), profile)
    assert event.start == pytest.approx(2.0, abs=0.45)
    assert event.end == pytest.approx(5.0, abs=0.45)


@pytest.mark.parametrize("codec", clips.CODECS)
def test_finds_damage_that_was_encoded_again(codec: str, tmp_path: Path) -> None:
    images = damaged(clips.clip("action", 5.0), 1.0, 4.0)
    assert len(clips.found_behind(codec, "block_corruption", images, tmp_path)) == 1


def test_says_where(tmp_path: Path) -> None:
    (event,) = clips.found("block_corruption", damaged(clips.clip("action", 5.0), 1.0, 4.0))
    assert event.region is not None
    _, top, _, height = event.region
    assert top == pytest.approx(64 / 180, abs=0.2)
    assert top + height == pytest.approx(144 / 180, abs=0.25)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("content", scenes.SCENES)
def test_clean_scenes_are_clean(content: str, profile: Profile) -> None:
    assert clips.found("block_corruption", clips.clip(content), profile) == []


@pytest.mark.parametrize("codec", clips.CODECS)
def test_clean_coding_is_clean(codec: str, tmp_path: Path) -> None:
    assert clips.found_behind(codec, "block_corruption", clips.clip("action", 4.0), tmp_path) == []


@pytest.mark.parametrize("bars", [{"top": 0.2}, {"top": 0.133}, {"side": 0.125}, {"top": 0.2, "side": 0.2}], ids=str)
def test_the_edges_of_bars_are_no_damage(bars: dict[str, float], tmp_path: Path) -> None:
    boxed = motion.letterbox(clips.clip("action", 4.0), 0.0, 4.0, **bars)
    assert clips.found_behind("libx264", "block_corruption", boxed, tmp_path) == []


def test_damage_between_bars_is_found_where_it_is() -> None:
    boxed = motion.letterbox(damaged(clips.clip("action", 5.0), 1.0, 4.0), 0.0, 5.0, top=0.2, squeeze=False)
    (event,) = clips.found("block_corruption", boxed)
    assert event.region is not None
    _, top, _, height = event.region
    assert top >= 0.2
    assert top + height <= 0.8


@pytest.mark.parametrize(("size", "rows"), [((64, 64), (0, 2)), ((360, 640), (2, 9)), ((1080, 1920), (6, 28))])
def test_bars_are_left_out_in_whole_blocks(size: tuple[int, int], rows: tuple[int, int]) -> None:
    luma = np.full(size, 120, np.uint8)
    bar = round(0.17 * size[0])
    luma[:bar] = luma[-bar:] = 16
    planes = block_planes(Picture(time=0.0, duration=0.04, luma=luma))
    width = planes.shape[2]
    found = between_bars(planes, 16)
    assert found == (slice(*rows), slice(0, -(-width // MAP_CELLS)))


@pytest.mark.parametrize("letterbox", [0, 48])
def test_what_is_black_at_one_side_alone_is_not_left_out(letterbox: int) -> None:
    luma = np.random.default_rng(0).integers(60, 200, (360, 640), dtype=np.uint8)
    luma[240:] = luma[:letterbox] = 16
    rows, columns = between_bars(block_planes(Picture(time=0.0, duration=0.04, luma=luma)), 16)
    assert columns == slice(0, 20)
    assert rows.stop >= 9
    assert rows.start == (2 if letterbox else 0)


def test_a_lower_part_that_is_lost_again_and_again_is_found() -> None:
    images = [image.copy() for image in clips.clip("action", 5.0)]
    for number in (number for number in range(50, 75) if number % 10 < 5):
        images[number][128:] = 0
    (event,) = clips.found("block_corruption", images)
    assert event.start == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("kind", ["ebu100", "ebu75", "smpte", "rp219"])
def test_colour_bars_are_clean(kind: str) -> None:
    assert clips.found("block_corruption", [motion.bars(kind)] * 50) == []


def test_coarse_coding_is_blockiness_and_no_corruption() -> None:
    coarse = spatial.blocks(clips.clip("pan", 4.0), 1.0, 3.0, 0.5)
    assert clips.found("block_corruption", coarse) == []


def findings(pictures: Iterable[Picture], profile: Profile = Profile.LIVE, **settings) -> list[Finding]:
    detector = BlockCorruption(BlockCorruptionSettings(**settings), profile)
    return [finding for picture in pictures for finding in detector.look(picture)]


def test_a_picture_of_which_something_was_lost_needs_less() -> None:
    pictures = list(defective())[40:43]
    (_, _, plain) = findings(pictures)
    barely = plain.score + 0.01 * (1 - plain.score)
    assert not findings(pictures, threshold=barely)[-1].bad
    pictures[-1].doubtful = True
    assert findings(pictures, threshold=barely)[-1].bad


def test_one_damaged_picture_is_not_enough() -> None:
    assert clips.found("block_corruption", damaged(clips.clip("action", 5.0), 2.0, 2.1), Profile.FILE) == []


def test_a_sure_picture_counts_as_two_live_and_never_as_all() -> None:
    pictures = list(defective())[40:43]
    score = findings(pictures)[-1].score
    odds = [score / (1 - score) / np.exp(above) for above in (0.1, 1.6, 3.1)]
    thresholds = [each / (1 + each) for each in odds]
    live = [findings(pictures, Profile.LIVE, threshold=each)[-1].detail["count"] for each in thresholds]
    file = [findings(pictures, Profile.FILE, threshold=each)[-1].detail["count"] for each in thresholds]
    assert (live, file) == ([1, 2, 2], [1, 1, 1])


def test_tiny_pictures_are_not_looked_at() -> None:
    assert findings([Picture(time=0.0, duration=0.04, luma=np.zeros((48, 64), np.uint8))]) == []


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("size", [(64, 64), (487, 853), (1080, 1920), (2160, 3840)])
def test_any_size_and_depth_without_colour(size: tuple[int, int], depth: int) -> None:
    luma = np.full(size, 120 << (depth - 8), np.uint8 if depth == 8 else np.uint16)
    (finding,) = findings([Picture(time=0.0, duration=0.04, luma=luma, depth=depth)])
    assert not finding.bad


def test_the_region_holds_the_worst_block_where_none_is_likely() -> None:
    blocks = np.full((2, 4), 0.1, np.float32)
    blocks[1, 2] = 0.3
    assert damaged_region(blocks) == (0.5, 0.5, 0.25, 0.5)
