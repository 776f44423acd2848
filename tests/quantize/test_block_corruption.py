"""The simulation of damage, its truth, and the planes. None of it needs PyTorch or a model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from quantize.block_corruption import coding, styles, transport, truth, whole
from quantize.block_corruption.augment import _mirror, augment, picture_label
from quantize.block_corruption.data import assemble_ahead, plan_batches, read_field, read_split, thinned
from quantize.block_corruption.decide import MARGIN, Scored, choose_threshold, event_score, votes
from quantize.block_corruption.drawn import DRAWINGS
from quantize.block_corruption.effects import EFFECTS, SHOWS, Effect
from quantize.block_corruption.material import Library, Source, banner, find_sources, split_of
from quantize.block_corruption.simulate import (
    CONFIG,
    SPLITS,
    Shot,
    looks_for_training,
    looks_in_order,
    make_shot,
    save,
    to_planes,
)
from quantize.setup import read_config
from vqa_agent.block_planes import NAMES, block_planes, network_input
from vqa_agent.detect.block_corruption import worth
from vqa_agent.errors import InputError
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes, sounds
from vqa_agent.simulate.encode import encode

CONFIGURATION = read_config(CONFIG)
LABELS = CONFIGURATION["labels"]
SIZE = (320, 192)


def frames(seconds: float = 1.0, scene: str = "action") -> list:
    return [coding.to_frame(image) for image in scenes.SCENES[scene](seconds, SIZE)]


def coded(codec: str = "h264", seconds: float = 1.0, seed: int = 0) -> coding.Coded:
    return coding.encode(frames(seconds), coding.draw_coding(codec, np.random.default_rng(seed), (0.6, 1.0)))


class TestPlanes:
    def picture(self, luma: np.ndarray, before: np.ndarray | None = None, **more) -> Picture:
        previous = None if before is None else Picture(time=0.0, duration=0.04, luma=before, **more)
        return Picture(time=0.04, duration=0.04, luma=luma, previous=previous, **more)

    def planes(self, *pictures, **more) -> dict[str, np.ndarray]:
        return dict(zip(NAMES, block_planes(self.picture(*pictures, **more)), strict=True))

    def test_a_block_shows_as_steps_on_the_grid_at_its_sides_only(self) -> None:
        luma = np.full((64, 96), 100, np.uint8)
        luma[16:32, 32:48] = 125
        planes = self.planes(luma)
        expected = np.zeros((8, 12), np.uint8)
        expected[2:4, [4, 6]] = 80
        np.testing.assert_array_equal(planes["step on the grid across"], expected)
        assert (planes["step on the grid down"] > 0).sum() == 4
        assert planes["step elsewhere across"].max() == 0

    def test_an_edge_off_the_grid_shows_elsewhere(self) -> None:
        luma = np.full((64, 96), 100, np.uint8)
        luma[:, 37:] = 150
        planes = self.planes(luma)
        assert planes["step on the grid across"].max() == 0
        np.testing.assert_array_equal(np.flatnonzero(planes["step elsewhere across"][0]), [4])

    def test_the_place_of_an_edge_in_its_cell_is_seen_and_which_way_it_goes(self) -> None:
        luma = np.full((64, 96), 100, np.uint8)
        luma[:, 37:] = 125
        luma[18:] = 75
        planes = self.planes(luma, np.full_like(luma, 100))
        for name in ("step", "step of the change"):
            across = np.stack([planes[f"{name} across at {place}"] for place in range(8)])
            assert [tuple(place) for place in np.argwhere(across[:, 1] != 128)] == [(5, 4)]
            assert across[5, 1, 4] == 128 + 8 * 5
            down = np.stack([planes[f"{name} down at {place}"] for place in range(8)])
            assert [tuple(place) for place in np.argwhere(down[:, :, 3] != 128)] == [(2, 2)]
            assert down[2, 2, 3] == 128 - 8 * 5

    def test_a_ramp_has_no_steps_on_the_grid(self) -> None:
        planes = self.planes(np.tile(np.arange(0, 192, 2, dtype=np.uint8), (64, 1)))
        assert planes["step on the grid across"].max() == 0

    def test_change_is_that_since_the_picture_before(self) -> None:
        before = np.full((64, 96), 100, np.uint8)
        now = before.copy()
        now[8:16, 8:16] += 9
        planes = self.planes(now, before)
        assert planes["change"][1, 1] == 48
        assert planes["signed change"][1, 1] == 128 + 18
        assert planes["change"].sum() == 48
        assert planes["step of the change on the grid across"][1, 1] == 48

    def test_without_a_predecessor_of_its_size_there_is_no_change(self) -> None:
        luma = np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8)
        other = np.zeros((64, 64), np.uint8)
        for planes in (self.planes(luma), self.planes(luma, other)):
            assert planes["change"].max() == 0
            assert (planes["signed change"] == 128).all()
            assert (planes["step of the change down at 3"] == 128).all()

    def test_ten_bits_give_what_eight_bits_give(self) -> None:
        luma = np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8)
        deep = luma.astype(np.uint16) << 2
        ours, theirs = block_planes(self.picture(luma)), block_planes(self.picture(deep, depth=10))
        np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize(
        ("size", "cells"),
        [((1080, 1920), (135, 240)), ((224, 224), (28, 28)), ((487, 853), (60, 106)), ((2160, 3840), (135, 240))],
    )
    def test_any_size(self, size: tuple[int, int], cells: tuple[int, int]) -> None:
        chroma = np.full((size[0] // 2, size[1] // 2), 90, np.uint8)
        planes = self.planes(np.full(size, 80, np.uint8), chroma=(chroma, chroma))
        assert planes["luma"].shape == cells
        assert (planes["cb"] == 90).all()


class TestCoding:
    @pytest.mark.parametrize("codec", ["h264", "mpeg2", "hevc", "mpeg4", "mjpeg"])
    def test_every_picture_comes_back(self, codec: str) -> None:
        originals = frames()
        decoded = coding.decode(coded(codec))
        assert sorted(decoded) == list(range(len(originals)))
        luma = to_planes(decoded[10]).luma.astype(int)
        errors = [np.abs(to_planes(frame).luma - luma).mean() for frame in originals]
        assert int(np.argmin(errors)) == 10

    @pytest.mark.parametrize("damage", coding.DAMAGES)
    def test_damage_changes_the_bytes_but_not_those_of_the_first_pictures(self, damage: str) -> None:
        whole = coded()
        broken = coding.DAMAGES[damage](whole, np.random.default_rng(1))
        assert broken.pictures != whole.pictures
        assert broken.pictures[: coding.KEEP] == whole.pictures[: coding.KEEP]

    @pytest.mark.parametrize("damage", coding.DAMAGES)
    def test_damage_is_seen(self, damage: str) -> None:
        whole = coded()
        clean = coding.decode(whole)
        differences = []
        for seed in range(4):
            shown = coding.decode(coding.DAMAGES[damage](whole, np.random.default_rng(seed)))
            pairs = [(to_planes(shown[n]).luma, to_planes(clean[n]).luma) for n in shown]
            differences.append(max(float(cv2.absdiff(one, other).mean()) for one, other in pairs))
        assert max(differences) > 1.0

    @pytest.mark.parametrize("options", coding.DECODERS)
    def test_decoders_survive_damage(self, options: dict[str, str]) -> None:
        assert coding.decode(coding.flip_bits(coded(), np.random.default_rng(2)), options)


class TestTruth:
    def clean(self) -> list[truth.Planes]:
        return [to_planes(frame) for frame in frames(0.6, "pan")]

    def find(self, shown: truth.Planes, clean: list[truth.Planes], number: int = 7) -> truth.Truth:
        return truth.find_damage(shown, clean, number, LABELS)

    def test_the_clean_picture_is_clean(self) -> None:
        clean = self.clean()
        found = self.find(clean[7], clean)
        assert found.picture == truth.CLEAN
        assert not found.blocks.any()

    def test_a_repeated_picture_is_no_damage(self) -> None:
        clean = self.clean()
        assert self.find(clean[1], clean, 12).picture != truth.DAMAGED

    def test_a_displacement_of_a_pixel_is_no_damage(self) -> None:
        clean = self.clean()
        moved = truth.Planes(np.roll(clean[7].luma, 1, axis=1), clean[7].chroma)
        assert not (self.find(moved, clean).blocks == truth.DAMAGED).any()

    def test_wrong_blocks_are_damage_where_they_are(self) -> None:
        clean = self.clean()
        luma = clean[7].luma.copy()
        luma[64:128, 96:192] = 255 - luma[64:128, 96:192]
        found = self.find(truth.Planes(luma, clean[7].chroma), clean)
        assert found.picture == truth.DAMAGED
        assert (found.blocks[2:4, 3:6] == truth.DAMAGED).all()
        assert (found.blocks == truth.DAMAGED).sum() == 6
        assert found.share == pytest.approx(6 / 60)

    def test_lost_colour_is_damage(self) -> None:
        clean = self.clean()
        blue, red = (plane.copy() for plane in clean[7].chroma)
        blue[32:64, 48:96] = red[32:64, 48:96] = 0
        assert (self.find(truth.Planes(clean[7].luma, (blue, red)), clean).blocks[2:4, 3:6] == truth.DAMAGED).all()

    def test_what_hardly_shows_is_neither(self) -> None:
        found = truth.judge(np.full((8, 8), 7.0), np.full((8, 8), 7.0), np.zeros((8, 8)), LABELS)
        assert (found.blocks == truth.DOUBTFUL).all()
        assert found.picture == truth.DOUBTFUL


class TestStyles:
    @pytest.mark.parametrize("style", styles.STYLES)
    def test_each_changes_the_marked_blocks_only(self, style: str) -> None:
        images = list(scenes.action(0.6, SIZE))
        image, mask = images[14].copy(), np.zeros((12, 20), bool)
        mask[4, 5:] = True
        styles.STYLES[style](image, images[0], mask, 16, np.random.default_rng(0))
        changed = (image != images[14]).any(axis=2)
        assert changed[64:80, 80:].mean() > 0.05
        changed[64:80, 80:] = False
        assert not changed.any()

    @pytest.mark.parametrize("seed", range(6))
    def test_damage_lasts_as_long_as_asked(self, seed: int) -> None:
        images = [np.full((64, 96, 3), 60, np.uint8)] * 50
        shown = list(styles.draw_damage(images, ["dead"], np.random.default_rng(seed), shortest=25))
        assert sum(bool((one != other).any()) for one, other in zip(shown, images, strict=True)) >= 25

    def test_damage_leaves_the_first_pictures_alone(self) -> None:
        images = list(scenes.action(1.0, SIZE))
        shown = list(styles.draw_damage(images, ["dead"], np.random.default_rng(3)))
        differs = [bool((one != other).any()) for one, other in zip(shown, images, strict=True)]
        assert not any(differs[:3])
        assert any(differs)

    def test_woven_pictures_have_lines_of_both(self) -> None:
        images = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30, 40)]
        assert [image[:2, 0, 0].tolist() for image in styles.weave(images)] == [[10, 20], [30, 40]]


def _shown(show: Callable[..., Iterator], one: list, other: list, rng: np.random.Generator) -> Iterator:
    """A show as an effect: it needs no second film."""
    return show(one, rng)


class TestMaterial:
    def test_a_source_has_one_split(self, tmp_path: Path) -> None:
        sources = CONFIGURATION["sources"]
        assert not set(sources["validation"]) & set(sources["test"])
        splits = {split_of(Source(f"stills/{number}"), sources) for number in range(60)}
        assert splits == {"train", "validation", "test"}

    def test_listed_drawings_exist(self, tmp_path: Path) -> None:
        names = {source.name for source in find_sources(tmp_path, [])}
        listed = {*CONFIGURATION["sources"]["validation"], *CONFIGURATION["sources"]["test"]}
        assert {name for name in listed if name.startswith("drawn/")} <= names

    @pytest.mark.parametrize("size", [(320, 240), (1024, 576)])
    @pytest.mark.parametrize("seed", range(4))
    def test_a_banner_leaves_the_middle_alone(self, seed: int, size: tuple[int, int]) -> None:
        images = [np.full((size[1], size[0], 3), 90, np.uint8)] * 3
        shown = list(banner(images, np.random.default_rng(seed)))
        middle = slice(size[1] * 2 // 5, size[1] * 3 // 5)
        assert all((image[middle] == 90).all() for image in shown)
        assert all((image != 90).any(axis=2).mean() > 0.03 for image in shown)

    @pytest.mark.parametrize("effect", [*EFFECTS, *(partial(_shown, show) for show in SHOWS)])
    @pytest.mark.parametrize("seed", [1, 2])
    def test_an_effect_moves_between_whole_pictures(self, effect: Effect, seed: int) -> None:
        one, other = (list(scenes.SCENES[name](1.2, (240, 136))) for name in ("action", "studio"))
        shown = list(effect(one, other, np.random.default_rng(seed)))
        assert [(image.shape, image.dtype) for image in shown] == [(one[0].shape, np.uint8)] * len(one)
        assert any((image != before).any() for image, before in zip(shown, one, strict=True))

    @pytest.mark.parametrize("name", DRAWINGS)
    def test_drawings_move_and_have_their_size(self, name: str) -> None:
        images = list(DRAWINGS[name](np.random.default_rng(1), (160, 96), 12))
        assert {image.shape for image in images} == {(96, 160, 3)}
        assert len(images) == 12


@pytest.fixture(scope="module")
def library() -> tuple[Library, dict]:
    config = json.loads(json.dumps(CONFIGURATION))
    config["material"] |= {"heights": {"288": 1.0}, "pictures": dict.fromkeys(SPLITS, 16)}
    config["material"]["kinds"]["train"] = {"drawn": 1.0}
    return Library(Path("nowhere"), config, "train", "train"), config


class TestSimulation:
    def shot(self, library: tuple[Library, dict], split: str, seed: int = 0) -> Shot:
        shots = (make_shot(np.random.default_rng(seed + n), library[0], split, library[1]) for n in range(10))
        return next(shot for shot in shots if shot is not None)

    def test_a_clip_follows_from_its_seed(self, library: tuple[Library, dict]) -> None:
        one, other = self.shot(library, "train"), self.shot(library, "train")
        assert one.origin == other.origin
        assert all((to_planes(one.frames[n]).luma == to_planes(other.frames[n]).luma).all() for n in one.frames)

    def test_held_out_damage_is_not_trained_on(self, library: tuple[Library, dict]) -> None:
        config = library[1]
        assert not set(config["held_out"]["codecs"]) & set(config["damage"]["codecs"])
        assert set(config["held_out"]["styles"]) < set(styles.STYLES)

    def test_clean_clips_have_clean_looks_only(self, library: tuple[Library, dict]) -> None:
        looks = list(looks_in_order(self.shot(library, "clean_test"), 5, library[1]))
        assert looks
        assert not any(look.damaged_version or look.truth.blocks.any() for look in looks)

    def test_clips_are_written_and_read_back(self, library: tuple[Library, dict], tmp_path: Path) -> None:
        for number in range(3):
            shot = self.shot(library, "train", 20 * number)
            looks = list(looks_for_training(shot, np.random.default_rng(0), library[1]))
            save(tmp_path / f"train-{number:05d}.npz", looks, shot.origin)
        clips = read_split(tmp_path, "train")
        assert [len(clip.picture) for clip in clips] == [len(clip.planes) for clip in clips]
        rng = np.random.default_rng(0)
        plans = plan_batches(clips, 4, rng)
        batches = list(assemble_ahead(plans, 100, rng))
        assert [len(planes) for planes, *_ in batches] == [len(plan) for plan in plans]
        assert sum(len(planes) for planes, *_ in batches) == sum(len(clip.picture) for clip in clips)
        for planes, blocks, pictures in batches:
            assert planes.dtype == np.float32
            assert 0 <= planes.min() <= planes.max() <= 1
            assert blocks.shape[1:] == tuple(-(-side // 4) for side in planes.shape[2:])
            assert set(np.unique(pictures)) <= {truth.CLEAN, truth.DAMAGED, truth.DOUBTFUL}

    def test_whole_recordings_are_looked_at_as_the_agent_does(self, tmp_path: Path) -> None:
        (tmp_path / "scenes").mkdir()
        for name in ("one", "bear"):
            encode(tmp_path / "scenes" / f"{name}.mp4", scenes.SCENES["action"](3.0, SIZE))
        for split, source in (("train", "scenes/one"), ("validation", "scenes/bear")):
            whole.make(tmp_path, tmp_path / "data", CONFIGURATION["sources"], split)
            (clip,) = read_split(tmp_path / "data", f"whole_{split}")
            assert clip.origin["source"] == source
            assert len(clip.planes) == 15
            assert not clip.picture.any()
            (few,) = thinned([clip], 4)
            np.testing.assert_array_equal(few.planes, clip.planes[[0, 5, 9, 14]])
            assert (len(few.blocks), len(few.picture)) == (4, 4)

    def test_labelled_pictures_of_the_field_are_taken_in(self, tmp_path: Path) -> None:
        for number, label in enumerate(["clean", "damaged", None]):
            name = f"{number}.png"
            cv2.imwrite(str(tmp_path / name), np.full((96, 128), 90, np.uint8))
            known = {
                "id": str(number),
                "kind": "picture",
                "detector": "block_corruption",
                "stream": "cam",
                "detail": {},
            }
            with (tmp_path / "samples.jsonl").open("a") as index:
                index.write(json.dumps({**known, "files": [name], "label": label}) + "\n")
        clean, damaged = read_field(tmp_path)
        assert (clean.picture[0], clean.blocks.max()) == (truth.CLEAN, truth.CLEAN)
        assert (damaged.picture[0], damaged.blocks.min()) == (truth.DAMAGED, truth.DOUBTFUL)
        assert clean.planes.shape == (1, len(NAMES), 12, 16)

    def test_no_clips_is_said_plainly(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="there are none"):
            read_split(tmp_path, "train")


@pytest.fixture(scope="module")
def whole_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transport") / "whole.ts"
    return encode(
        path, scenes.SCENES["action"](3.0, SIZE), sounds.tone(3.0), video_codec="mpeg2video", audio_codec="mp2"
    )


class TestTransport:
    def packets(self, path: Path) -> list[bytes]:
        data = path.read_bytes()
        return [data[start : start + coding.PACKET] for start in range(0, len(data), coding.PACKET)]

    @pytest.mark.parametrize("pid", [transport.VIDEO, transport.SOUND])
    @pytest.mark.parametrize("seed", range(3))
    def test_packets_of_one_track_are_lost_in_the_middle(
        self, pid: int, seed: int, whole_stream: Path, tmp_path: Path
    ) -> None:
        all_packets = self.packets(whole_stream)
        kept = self.packets(transport.lose(whole_stream, pid, np.random.default_rng(seed), tmp_path / "lost.ts"))
        (first, *_), (last, *_) = (
            [number for number, pair in enumerate(pairs) if pair[0] != pair[1]]
            for pairs in (
                list(zip(all_packets, kept, strict=False)),
                list(zip(all_packets[::-1], kept[::-1], strict=False)),
            )
        )
        assert len(kept) < len(all_packets)
        assert min(first, last) > len(all_packets) // 5
        others = [
            [packet for packet in each if (packet[1] & 31) << 8 | packet[2] != pid] for each in (all_packets, kept)
        ]
        assert others[0] == others[1]

    def test_what_is_lost_is_seen_as_damage(self, whole_stream: Path, tmp_path: Path) -> None:
        lost = transport.lose(whole_stream, transport.VIDEO, np.random.default_rng(2), tmp_path / "lost.ts")
        assert (transport.what_it_shows(whole_stream, whole_stream, LABELS) == truth.CLEAN).all()
        assert (transport.what_it_shows(lost, whole_stream, LABELS) == truth.DAMAGED).any()


class TestAugmentation:
    """A picture that was augmented is one that could have been."""

    def looks(self, count: int = 4) -> np.ndarray:
        luma = np.random.default_rng(1).integers(60, 180, (count + 1, 64, 96), dtype=np.uint8)
        pictures = [Picture(time=0, duration=0.04, luma=plane) for plane in luma]
        pairs = zip(luma[1:], pictures, strict=False)
        return np.stack([block_planes(Picture(time=1, duration=0.04, luma=one, previous=old)) for one, old in pairs])

    @pytest.mark.parametrize(("axis", "direction"), [(1, "across"), (0, "down")])
    def test_a_mirrored_picture_has_the_planes_of_the_mirrored_luma(self, axis: int, direction: str) -> None:
        luma = np.random.default_rng(2).integers(0, 256, (64, 96), dtype=np.uint8)
        before = np.random.default_rng(3).integers(0, 256, (64, 96), dtype=np.uint8)
        turned = [np.ascontiguousarray(np.flip(each, axis)) for each in (luma, before)]

        def planes(now: np.ndarray, old: np.ndarray) -> np.ndarray:
            previous = Picture(time=0.0, duration=0.04, luma=old)
            return block_planes(Picture(time=0.04, duration=0.04, luma=now, previous=previous))

        ours = _mirror(network_input(planes(luma, before)[None]), direction)
        theirs = network_input(planes(*turned)[None])
        # Activity looks up and left, mirrored up and right.
        exact = [number for number, name in enumerate(NAMES) if name != "activity"]
        np.testing.assert_allclose(ours[:, exact], theirs[:, exact], atol=1.1 / 255)

    def test_truth_stays_with_its_blocks(self) -> None:
        """Damaged blocks are told by their luma: whatever is done, each still has its label."""
        rng = np.random.default_rng(0)
        blocks = (rng.random((16, 6, 8)) < 0.3).astype(np.uint8)
        for _ in range(20):
            planes = network_input(np.zeros((16, len(NAMES), 24, 32), np.uint8))
            planes[:, 3] = np.repeat(np.repeat(blocks, 4, 1), 4, 2)
            shown, labels, pictures = augment(planes, blocks.copy(), picture_label(blocks), rng)
            np.testing.assert_array_equal(shown[:, 3, ::4, ::4] > 0, labels == truth.DAMAGED)
            np.testing.assert_array_equal(pictures == truth.DAMAGED, picture_label(labels) == truth.DAMAGED)

    def test_some_looks_know_no_change(self) -> None:
        planes = network_input(np.tile(self.looks(), (16, 1, 1, 1)))
        count = len(planes)
        shown, *_ = augment(
            planes, np.zeros((count, 2, 3), np.uint8), np.zeros(count, np.uint8), np.random.default_rng(0)
        )
        still = (shown[:, NAMES.index("change")] == 0).all(axis=(1, 2))
        assert 0 < still.mean() < 0.6
        steps = [number for number, name in enumerate(NAMES) if name.startswith("step of the change across at")]
        np.testing.assert_array_equal((shown[:, steps] == np.float32(128 / 255)).all(axis=(1, 2, 3)), still)
        assert shown.min() >= 0
        assert shown.max() <= 1


class TestDecision:
    def test_an_event_needs_its_looks_near_each_other(self) -> None:
        values = np.array([0.1, 0.9, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.1, 0.7])
        assert event_score(values, 2, 5) == 0.8
        assert event_score(values, 3, 5) == 0.1
        assert event_score(values[:1], 2, 5) == 0.0

    def test_a_sure_look_counts_as_often_as_the_detector_says(self) -> None:
        probability, (once, twice) = 0.998, votes(np.array([0.998]))[0]
        assert [worth(probability, once + shift) for shift in (-1e-6, 1e-6)] == [1, 0]
        assert [worth(probability, twice + shift) for shift in (-1e-6, 1e-6)] == [2, 1]

    def test_no_look_is_enough_by_itself(self) -> None:
        values = votes(np.array([0.1, 0.998, 0.2, 0.7]))
        assert event_score(values, 2, 5) == pytest.approx(0.7)
        assert event_score(values, 3, 5) == pytest.approx(0.7)

    def test_the_threshold_lies_above_nearly_all_clean_clips(self) -> None:
        clips = [scored([0.1, 0.2, 0.7, 0.7]) for _ in range(39)] + [scored([0.1, 0.99, 0.99, 0.2])]
        odds = 0.7 / 0.3 * math.exp(MARGIN)
        assert choose_threshold(clips, [scored([0.6, 0.6])], 2, 5) == pytest.approx(odds / (1 + odds))

    def test_the_threshold_lies_above_every_whole_recording(self) -> None:
        recordings = [scored([0.1, 0.2, 0.1]) for _ in range(39)] + [scored([0.8, 0.8, 0.99])]
        odds = 0.8 / 0.2 * math.exp(MARGIN)
        assert choose_threshold([scored([0.7, 0.7])], recordings, 2, 5) == pytest.approx(odds / (1 + odds))


def scored(values: list[float]) -> Scored:
    from quantize.block_corruption.data import ClipLooks

    count = len(values)
    empty = np.zeros((count, 1, 1), np.uint8)
    false = np.zeros(count, bool)
    clip = ClipLooks("x", {}, empty[:, None], empty, empty[:, 0, 0], false, false, np.zeros(count, np.float32))
    return Scored(clip, empty.astype(np.float32), np.array(values))
