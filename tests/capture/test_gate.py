"""Which coded pictures are decoded on each level, and that leaving some out looks like nothing else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from tests.capture import clips
from tests.capture.clips import kinds, of_kind
from vqa_agent.capture import Source, capture, gate, open_source
from vqa_agent.capture.gate import Gate
from vqa_agent.media import FactKind, Picture
from vqa_agent.sample import LADDER, Level
from vqa_agent.sample.ladder import SLICE

KEYS = replace(LADDER[0], skip_frame="NONKEY", picture_rate=2.0)
SLICES = replace(KEYS, duty=0.25)
CYCLE = SLICES.turn
GOP = {"preset": "ultrafast", "g": "50", "keyint_min": "50", "sc_threshold": "0"}


@pytest.fixture
def even(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of time that come exactly when the level says."""
    monkeypatch.setattr(gate, "UNEVEN", 0.0)


def watch(file: Path, levels: dict[float, Level], live: bool = False) -> tuple[list[Picture], list, list]:
    """All samples, with `levels` set at their media seconds. A live input has no end: it is left with the file's."""
    seen = []
    with open_source(Source(name="clip", url=str(file), live=live)) as opened:
        opened.level = levels[0.0]
        for sample in opened.samples():
            if live and opened.statistics.openings > 1:
                break
            seen.append(sample)
            for begin, level in levels.items():
                if sample.time >= begin:
                    opened.level = level
    return kinds(seen)


def times(pictures: list[Picture]) -> np.ndarray:
    return np.array([picture.time for picture in pictures])


@pytest.mark.parametrize("sound", [True, False], ids=["with sound", "pictures alone"])
@pytest.mark.parametrize("levels", [{0.0: KEYS}, {0.0: KEYS, 4.1: LADDER[0]}], ids=["for good", "and a climb"])
def test_pictures_that_are_left_out_are_neither_missing_nor_a_jump_of_the_clock(
    levels: dict[float, Level], sound: bool, tmp_path: Path
) -> None:
    file = clips.clip(tmp_path / "x.ts", 8.0, sound=sound, options=GOP)
    pictures, _, facts = watch(file, levels, live=True)
    assert times(pictures)[:4] == pytest.approx([0, 2, 4, 6], abs=0.1)
    assert of_kind(facts, FactKind.PTS_JUMP) == []
    within = [fact for fact in of_kind(facts, FactKind.NO_SIGNAL) if fact.end < 7.5]
    assert within == []
    assert sum(fact.duration for fact in of_kind(facts, FactKind.SIGNAL)) > 6.5


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
def test_a_key_picture_comes_at_once_and_whole(codec: str, tmp_path: Path) -> None:
    options = {"g": "25", "bf": "2"} | ({"x265-params": "log-level=none"} if codec == "libx265" else {})
    file = clips.clip(tmp_path / "x.mkv", 4.0, video_codec=codec, options=options)
    whole, _, _ = watch(file, {0.0: LADDER[0]})
    exact = {round(picture.time, 2): picture.luma.copy() for picture in whole if picture.key}
    clock, seen = 0.0, {}
    with open_source(Source(name="clip", url=str(file), live=False)) as opened:
        opened.level = KEYS
        for sample in opened.samples():
            clock = max(clock, sample.time)
            if isinstance(sample, Picture):
                assert clock - sample.time < 0.5
                seen[round(sample.time, 2)] = sample.luma.copy()
    assert list(seen) == list(exact)
    assert all(np.array_equal(seen[time], exact[time]) for time in exact)


def test_pictures_that_stand_alone_are_thinned_to_the_rate(tmp_path: Path) -> None:
    options = {"video_codec": "mjpeg", "audio_codec": "pcm_s16le", "pixel_format": "yuvj420p"}
    file = clips.clip(tmp_path / "x.mov", 4.0, **options)
    pictures, _, _ = watch(file, {0.0: KEYS})
    assert times(pictures) == pytest.approx(np.arange(0, 4, 0.5), abs=0.05)


@pytest.mark.usefixtures("even")
def test_a_slice_decodes_its_share_and_at_least_one_key_picture(tmp_path: Path) -> None:
    close = clips.clip(tmp_path / "close.mp4", 3 * CYCLE, rate=5, options={**GOP, "g": "5", "keyint_min": "5"})
    pictures, sound, _ = watch(close, {0.0: SLICES})
    assert len(pictures) == pytest.approx(3 * CYCLE * SLICES.duty, abs=3)
    assert all(time % CYCLE <= CYCLE * SLICES.duty + 1 for time in times(pictures))
    assert sum(block.duration for block in sound) == pytest.approx(3 * CYCLE, abs=0.1)
    assert all(sum(begin <= time < begin + CYCLE for time in times(pictures)) for begin in range(3))
    far = clips.clip(tmp_path / "far.mp4", 3 * CYCLE, rate=5, options={**GOP, "g": "20", "keyint_min": "20"})
    pictures, _, _ = watch(far, {0.0: SLICES})
    assert times(pictures) == pytest.approx([0, 4, 8], abs=0.3)


@dataclass
class KeyPacket:
    """What a gate asks of a coded key picture."""

    pts: int
    is_keyframe: bool = True


def test_slices_of_streams_that_fell_together_drift_apart() -> None:
    starts = []
    for _ in range(8):
        one = Gate()
        one.level = replace(SLICES, picture_rate=None)
        inside = [number / 5 for number in range(500) if one.lets_in(KeyPacket(number), number / 5)]
        starts.append([time for before, time in itertools.pairwise([-9.0, *inside]) if time - before > SLICE])
    assert all(each[0] == 0.0 for each in starts)
    assert len({each[6] for each in starts}) > 3
    assert all(len(each) == pytest.approx(100 / SLICES.turn, abs=3) for each in starts)


@pytest.mark.usefixtures("even")
def test_slices_become_as_rare_as_the_ladder_says(tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.mp4", 34.0, rate=5, options={**GOP, "g": "10", "keyint_min": "10"})
    for level in [level for level in LADDER if level.duty < 1.0]:
        pictures, sound, _ = watch(file, {0.0: level})
        assert times(pictures) == pytest.approx(np.arange(0, 34, 1 / level.duty), abs=0.3)
        assert sum(block.duration for block in sound) == pytest.approx(34.0, abs=0.1)


def test_a_slice_of_reference_pictures_begins_with_a_key_picture_and_is_whole(tmp_path: Path) -> None:
    options = {"b": "800000", "g": "12", "bf": "2", "flags": "-cgop"}
    file = clips.clip(tmp_path / "x.ts", 8.0, video_codec="mpeg2video", audio_codec="mp2", options=options)
    whole, _, _ = watch(file, {0.0: LADDER[0]})
    exact = {round(picture.time, 2): picture.luma.copy() for picture in whole}
    part = replace(LADDER[0], skip_frame="NONREF", duty=0.25)
    pictures, _, facts = watch(file, {0.0: part, CYCLE * 0.75: LADDER[0]})
    assert of_kind(facts, FactKind.CORRUPT_PICTURE) == of_kind(facts, FactKind.NO_SIGNAL) == []
    assert not any(SLICE + 0.6 < time < CYCLE * 0.75 for time in times(pictures))
    assert len([time for time in times(pictures) if time > CYCLE * 0.75 + 0.6]) > 100
    assert all(np.array_equal(picture.luma, exact[round(picture.time, 2)]) for picture in pictures)


def test_more_is_decoded_from_a_key_picture_on_and_nothing_of_it_is_damaged(tmp_path: Path) -> None:
    options = {"b": "800000", "g": "12", "bf": "2"}
    file = clips.clip(tmp_path / "x.ts", 6.0, video_codec="mpeg2video", audio_codec="mp2", options=options)
    whole, _, _ = watch(file, {0.0: LADDER[0]})
    thin, _, facts = watch(file, {0.0: KEYS, 2.2: LADDER[0]})
    exact = {round(picture.time, 2): picture.luma.copy() for picture in whole}
    assert len(thin) > 80
    assert of_kind(facts, FactKind.CORRUPT_PICTURE) == []
    for picture in thin:
        assert np.array_equal(picture.luma, exact[round(picture.time, 2)])


def test_pictures_are_consecutive_only_where_none_was_left_out(tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.mp4", 4.0, options={**GOP, "g": "10", "keyint_min": "10"})
    pictures, _, _ = watch(file, {0.0: KEYS, 2.0: LADDER[0]})
    consecutive = [pair for pair in itertools.pairwise(pictures) if pair[1].index == pair[0].index + 1]
    assert all(after.time - before.time < 0.05 for before, after in consecutive)
    assert len(consecutive) >= 45


def test_pictures_that_come_too_late_are_dropped_and_counted_and_sound_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "LATE", 0.3)
    monkeypatch.setattr(capture, "RECOVERED", 0.1)
    file = clips.clip(tmp_path / "x.mp4", 4.0, options={**GOP, "g": "10", "keyint_min": "10"})
    seen, stopped = [], False
    with open_source(Source(name="clip", url=str(file), live=False, realtime=True)) as opened:
        for sample in opened.samples():
            seen.append(sample)
            if not stopped and sample.time >= 1.0:
                stopped = True
                sleep(1.5)
        late = opened.statistics.late_pictures
    pictures, sound, facts = kinds(seen)
    assert late > 10
    assert len(pictures) + late >= 95
    assert of_kind(facts, FactKind.CORRUPT_PICTURE) == []
    assert sum(block.duration for block in sound) == pytest.approx(4.0, abs=0.1)
    assert opened.latency < 0.3
