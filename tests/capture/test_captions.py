"""Captions through real encoders and containers: found, decoded, and put on the media clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.capture.clips import images
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.dtvcc import Dtvcc
from vqa_agent.capture.line21 import Line21, added
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind, Sample
from vqa_agent.sample import LADDER
from vqa_agent.simulate import sounds
from vqa_agent.simulate.captions import Cue, a53, add_track, caption_writer, dtvcc, pop_on, roll_up, with_parity
from vqa_agent.simulate.encode import encode

SECONDS = 6.0
CUES = [Cue(1.0, 2.5, "HELLO THERE\nMY FRIEND"), Cue(3.0, 5.0, "HOW ARE YOU?")]
CONTAINERS = [
    ("libx264", "aac", "ts"),
    ("mpeg2video", "mp2", "ts"),
    ("libx265", "aac", "mkv"),
    ("libx264", "aac", "mp4"),
]
MEDIA = Path(__file__).parents[3] / "shared" / "media"


def write(path: Path, change: Callable[[Any], Any] | None = None, codec: str = "libx264", sound: str = "aac") -> Path:
    tone = sounds.tone(SECONDS, channels=1)
    return encode(path, images(SECONDS), tone, video_codec=codec, audio_codec=sound, change=change)


def read(file: Path, skip_frame: str = "DEFAULT") -> tuple[list[Sample], str]:
    """All samples of a file, and the services that its format names."""
    with open_source(Source(name="clip", url=str(file), live=False)) as capture:
        capture.level = replace(LADDER[0], skip_frame=skip_frame)
        return list(capture.samples()), capture.format.captions


def captions(samples: list[Sample]) -> list[Caption]:
    return [sample for sample in samples if isinstance(sample, Caption)]


def stated(samples: list[Sample]) -> list[Fact]:
    return [sample for sample in samples if isinstance(sample, Fact) and sample.kind is FactKind.CAPTIONS]


def texts(found: list[Caption]) -> list[tuple[float, str]]:
    return [(pytest.approx(caption.time, abs=0.25), caption.text) for caption in found if caption.shown]


@pytest.mark.parametrize(("codec", "sound", "ending"), CONTAINERS)
def test_pop_on_text_appears_at_its_time_and_is_cleared(codec: str, sound: str, ending: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"clip.{ending}", caption_writer(pop_on(CUES, SECONDS), codec), codec, sound)
    samples, services = read(file)
    found = captions(samples)
    assert services == "608"
    assert [(caption.text, caption.shown, caption.kind) for caption in found] == [
        ("HELLO THERE\nMY FRIEND", True, CaptionKind.POP_ON),
        ("", False, CaptionKind.POP_ON),
        ("HOW ARE YOU?", True, CaptionKind.POP_ON),
        ("", False, CaptionKind.POP_ON),
    ]
    assert [caption.time for caption in found] == pytest.approx([1.0, 2.5, 3.0, 5.0], abs=0.15)


def test_roll_up_text_comes_as_it_is_typed(tmp_path: Path) -> None:
    samples, _ = read(write(tmp_path / "clip.ts", caption_writer(roll_up(CUES, SECONDS))))
    found = captions(samples)
    assert {caption.kind for caption in found} == {CaptionKind.ROLL_UP}
    assert "".join(caption.text for caption in found) == "\nHELLO THERE\nMY FRIEND\nHOW ARE YOU?"
    assert len(found) >= 6
    assert found[0].time == pytest.approx(1.2, abs=0.3)


@pytest.mark.parametrize("skip_frame", ["NONREF", "NONKEY"])
def test_captions_stay_whole_when_the_decoder_leaves_pictures_out(skip_frame: str, tmp_path: Path) -> None:
    change = caption_writer(pop_on(CUES, SECONDS), "mpeg2video")
    options = {"b": "2000000", "bf": "2", "g": "12"}
    file = encode(tmp_path / "clip.ts", images(SECONDS), None, video_codec="mpeg2video", options=options, change=change)
    found = captions(read(file, skip_frame)[0])
    assert [caption.text for caption in found if caption.shown] == [cue.text for cue in CUES]
    assert [caption.time for caption in found if caption.shown] == pytest.approx([1.0, 3.0], abs=0.15)


def test_both_fields_and_both_channels_are_told_apart() -> None:
    line21 = Line21()
    one, other = pop_on(CUES[:1], 3.0), pop_on([Cue(1.2, 2.0, "BONJOUR")], 3.0)
    second = [(high | 8 if 0x10 <= high < 0x20 else high, low) for high, low in other]
    found = []
    for number, (first, third) in enumerate(zip(one, second, strict=True)):
        triplets = b"".join(
            bytes((0xFC | line, *map(with_parity, pair))) for line, pair in ((0, first), (1, third)) if any(pair)
        )
        found += [caption for caption in line21.feed(triplets, number / 25) if caption.shown]
    assert {(caption.service, caption.text) for caption in found} == {
        ("cc1", CUES[0].text),
        ("cc4", "BONJOUR"),
    }


@pytest.mark.parametrize(("typed", "kind"), [(False, CaptionKind.POP_ON), (True, CaptionKind.ROLL_UP)])
def test_cea_708_beside_an_empty_608(typed: bool, kind: CaptionKind, tmp_path: Path) -> None:
    change = caption_writer([(0, 0)] * 150, extra=dtvcc(CUES, SECONDS, typed=typed))
    samples, services = read(write(tmp_path / "clip.ts", change))
    found = captions(samples)
    shown = [caption for caption in found if caption.shown]
    assert services == "608,708"
    assert {(caption.service, caption.kind) for caption in shown} == {("708-1", kind)}
    assert " ".join("".join(caption.text for caption in shown).split()) in (
        "HELLO THERE MY FRIEND HOW ARE YOU?",
        "HELLO THERE MY FRIENDHOW ARE YOU?",
    )
    assert shown[0].time == pytest.approx(1.0, abs=0.15)
    assert [caption.time for caption in found if not caption.shown] == pytest.approx([2.5, 5.0], abs=0.15)


def test_cea_708_survives_damage() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = rng.integers(0, 256, 90, dtype=np.uint8)
        data[::3] = rng.choice([0xFE, 0xFF], 30, p=[0.8, 0.2])
        list(Dtvcc().feed(data.tobytes(), 0.0))


def test_programme_data_in_the_second_field_are_no_captions() -> None:
    line21 = Line21()
    data = [(0x14, 0x20), (0x14, 0x2F), (0x01, 0x03), (0x54, 0x49), (0x54, 0x4C), (0x0F, 0x1D)]
    found = [
        caption
        for number, pair in enumerate(data)
        for caption in line21.feed(bytes((0xFD, *map(with_parity, pair))), number / 25)
    ]
    assert [caption for caption in found if caption.text] == []


def test_parity_errors_are_counted_and_padding_is_not(tmp_path: Path) -> None:
    pairs = pop_on([Cue(at + 0.8, at + 0.9, "SOME TEXT HERE") for at in range(5)], SECONDS)
    clean, damaged = (
        stated(read(write(tmp_path / f"{share}.ts", caption_writer(pairs, parity_errors=share)))[0])
        for share in (0.0, 0.3)
    )
    assert sum(fact.detail["parity_errors"] for fact in clean) == 0
    assert sum(fact.detail["bytes"] for fact in clean) == 2 * sum(any(pair) for pair in pairs)
    assert sum(fact.detail["parity_errors"] for fact in damaged) > 5


def test_an_empty_channel_is_carried_and_one_that_vanishes_is_not(tmp_path: Path) -> None:
    pairs = [(0, 0)] * 75 + [None] * 75
    facts = stated(read(write(tmp_path / "clip.ts", caption_writer(pairs)))[0])
    assert {fact.detail["service"] for fact in facts} == {"608"}
    assert max(fact.end for fact in facts) == pytest.approx(3.5, abs=0.6)


@pytest.mark.parametrize(("codec", "ending"), [("mov_text", "mp4"), ("subrip", "mkv"), ("webvtt", "mkv")])
def test_tracks_of_text(codec: str, ending: str, tmp_path: Path) -> None:
    file = add_track(write(tmp_path / "plain.mp4"), tmp_path / f"clip.{ending}", CUES, codec, "eng")
    samples, services = read(file)
    found = [caption for caption in captions(samples) if caption.shown]
    assert services == ("mov_text:eng" if codec == "mov_text" else f"{'srt' if codec == 'subrip' else codec}:eng")
    assert [(caption.time, caption.until, caption.text, caption.kind) for caption in found] == [
        (pytest.approx(cue.start, abs=0.05), pytest.approx(cue.end, abs=0.05), cue.text, CaptionKind.TEXT)
        for cue in CUES
    ]
    assert len(stated(samples)) >= 5


def test_text_comes_in_the_order_of_time_however_it_is_interleaved(tmp_path: Path) -> None:
    file = add_track(write(tmp_path / "plain.mp4"), tmp_path / "clip.mkv", CUES, "subrip")
    times = [sample.time for sample in read(file)[0] if not isinstance(sample, Fact)]
    assert max(before - after for before, after in itertools.pairwise(times)) < 1.0


def test_a_clip_without_captions_has_none(tmp_path: Path) -> None:
    samples, services = read(write(tmp_path / "clip.mp4"))
    assert (captions(samples), stated(samples), services) == ([], [], "")


def test_damaged_caption_data_are_passed_over() -> None:
    line21 = Line21()
    for damaged in (b"", b"\xfc", b"\xfc\x14", b"\xff" * 31, bytes(range(93))):
        list(line21.feed(damaged, 1.0))
    assert a53(b"\xfc\x80\x80").startswith(b"GA94")


def test_what_is_added_to_rows() -> None:
    assert added([], ["ONE"]) == "\nONE"
    assert added(["ONE"], ["ONE TWO"]) == " TWO"
    assert added(["ONE", "TWO"], ["TWO", "THREE"]) == "\nTHREE"
    assert added(["SAID HE"], ["SAID SHE"]) == "SHE"
    assert added(["ONE"], ["NEW TEXT", "ALTOGETHER"]) == "\nNEW TEXT\nALTOGETHER"


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.exists(), reason="needs ../shared/media")
def test_dvb_subtitles_off_air_are_carried() -> None:
    for file in ("test-138.1.ts", "test-206.3.ts"):
        _, services = read(MEDIA / "broadcast" / file)
        assert services.startswith("dvbsub")
