from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.capture import clips
from tests.capture.clips import kinds, of_kind
from vqa_agent.capture import Source, open_source
from vqa_agent.media import FactKind
from vqa_agent.sample import LADDER

FILES = {
    "h264 and aac in mp4": ("x.mp4", {}),
    "mpeg-2 and mp2 in a transport stream": ("x.ts", {"video_codec": "mpeg2video", "audio_codec": "mp2"}),
    "hevc 10 bit and flac in matroska": (
        "x.mkv",
        {"video_codec": "libx265", "audio_codec": "flac", "pixel_format": "yuv420p10le"},
    ),
    "vp9 and opus in webm": (
        "x.webm",
        {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "options": {"deadline": "realtime"}},
    ),
    "mjpeg and pcm in mov": ("x.mov", {"video_codec": "mjpeg", "audio_codec": "pcm_s16le", "pixel_format": "yuvj420p"}),
    "prores 4:2:2 10 bit in mov": (
        "x.mov",
        {"video_codec": "prores_ks", "audio_codec": "pcm_s24le", "pixel_format": "yuv422p10le"},
    ),
    "h264 with b-frames in a transport stream": (
        "x.ts",
        {"audio_codec": "aac", "options": {"preset": "medium", "bf": "3"}},
    ),
    "mpeg-4 in avi": ("x.avi", {"video_codec": "mpeg4", "audio_codec": "mp2"}),
}


def read(file: Path | str, **options) -> list:
    with open_source(Source(name="test", url=str(file), live=False, **options)) as capture:
        return list(capture.samples())


@pytest.mark.parametrize("name", FILES)
def test_reads_pictures_and_sound_on_one_clock(name: str, tmp_path: Path) -> None:
    file_name, options = FILES[name]
    pictures, sound, facts = kinds(read(clips.clip(tmp_path / file_name, 2.0, **options)))
    assert len(pictures) == 50
    assert np.allclose(np.diff([picture.time for picture in pictures]), 0.04, atol=0.012)
    assert pictures[0].time < 0.2
    assert sum(block.duration for block in sound) == pytest.approx(2.0, abs=0.1)
    assert [fact.kind for fact in facts if fact.kind is not FactKind.SIGNAL][:2] == [FactKind.FORMAT] * 2
    assert {fact.kind for fact in facts} == {FactKind.FORMAT, FactKind.SIGNAL}
    assert sum(fact.duration for fact in of_kind(facts, FactKind.SIGNAL)) == pytest.approx(2.0, abs=0.2)


def test_says_what_the_file_carries(tmp_path: Path) -> None:
    with open_source(Source(name="x", url=str(clips.clip(tmp_path / "x.mp4")), live=False)) as capture:
        list(capture.samples())
        assert capture.duration == pytest.approx(2.0, abs=0.1)
        form = capture.format
    assert (form.video_codec, form.width, form.height, form.rate, form.scan) == ("h264", 160, 96, 25.0, "progressive")
    assert (form.audio_codec, form.sample_rate, form.layout) == ("aac", 48000, "stereo")


def test_reads_no_further_than_its_limit(tmp_path: Path) -> None:
    pictures, _, _ = kinds(read(clips.clip(tmp_path / "x.mp4"), limit=1.0))
    assert pictures[-1].time < 1.0
    assert len(pictures) == pytest.approx(25, abs=1)


def test_only_key_pictures_are_decoded_when_asked(tmp_path: Path) -> None:
    file = clips.clip(tmp_path / "x.mp4", options={"preset": "ultrafast", "g": "10", "sc_threshold": "0"})
    with open_source(Source(name="x", url=str(file), live=False)) as capture:
        capture.level = replace(LADDER[0], skip_frame="NONKEY")
        pictures, sound, _ = kinds(list(capture.samples()))
    assert [picture.key for picture in pictures] == [True] * 5
    assert sum(block.duration for block in sound) == pytest.approx(2.0, abs=0.1)


def test_variable_frame_rate_keeps_its_pauses(tmp_path: Path) -> None:
    file = clips.with_time_stamps(tmp_path / "vfr.mkv", lambda number, pts: pts + (270_000 if number >= 25 else 0))
    pictures, _, facts = kinds(read(file))
    steps = np.diff([picture.time for picture in pictures])
    assert steps.max() == pytest.approx(3.04, abs=0.01)
    assert of_kind(facts, FactKind.PTS_JUMP) == []


def test_time_stamps_of_a_transport_stream_run_over_their_wrap(tmp_path: Path) -> None:
    start = 2**33 - 90_000
    file = clips.with_time_stamps(tmp_path / "w.ts", lambda _, pts: start + pts, container="mpegts")
    pictures, _, facts = kinds(read(file))
    assert np.allclose(np.diff([picture.time for picture in pictures]), 0.04, atol=1e-3)
    assert of_kind(facts, FactKind.PTS_JUMP) == []


def test_huge_time_stamps_start_at_zero(tmp_path: Path) -> None:
    file = clips.with_time_stamps(tmp_path / "h.mkv", lambda _, pts: pts + 90_000 * 86_400 * 300)
    pictures, _, _ = kinds(read(file))
    assert pictures[0].time == pytest.approx(0.0, abs=0.1)
    assert pictures[-1].time == pytest.approx(1.96, abs=0.1)


def test_lost_packets_of_a_transport_stream_are_told(tmp_path: Path) -> None:
    whole = clips.transport_stream(tmp_path / "whole.ts", 3.0, options={"b": "800000"})
    damaged = clips.without_packets(whole, lambda number: number in range(120, 125), tmp_path / "damaged.ts")
    kinds_told = {fact.kind for fact in kinds(read(damaged))[2]}
    assert kinds_told & {FactKind.CONTINUITY, FactKind.CORRUPT_PICTURE, FactKind.DECODE_ERROR}


def test_a_file_cut_off_gives_what_can_be_decoded(tmp_path: Path) -> None:
    whole = clips.transport_stream(tmp_path / "whole.ts", 3.0).read_bytes()
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) * 2 // 3])
    pictures, _, _ = kinds(read(tmp_path / "cut.ts"))
    assert 30 < len(pictures) < 75


def test_a_loop_goes_on_without_a_jump(tmp_path: Path) -> None:
    pictures, _, facts = kinds(read(clips.clip(tmp_path / "x.mp4"), loop=True, limit=5.0))
    assert len(pictures) == pytest.approx(125, abs=6)
    assert np.diff([picture.time for picture in pictures]).max() < 0.2
    assert of_kind(facts, FactKind.PTS_JUMP) == []


def test_real_time_plays_at_the_speed_of_the_clock(tmp_path: Path) -> None:
    started = time.monotonic()
    read(clips.clip(tmp_path / "x.mp4", 1.0), realtime=True)
    assert 0.9 < time.monotonic() - started < 2.5


def test_a_cover_picture_is_not_a_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp3"), "w") as output:
        audio = output.add_stream("libmp3lame", rate=44100, layout="stereo")
        for block in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44100, block * 1152
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    pictures, sound, _ = kinds(read(tmp_path / "song.mp3"))
    assert (pictures, bool(sound)) == ([], True)


def test_size_and_layout_that_change_are_formats(tmp_path: Path) -> None:
    first = clips.transport_stream(tmp_path / "a.ts", 1.0).read_bytes()
    second = clips.transport_stream(tmp_path / "b.ts", 1.0, size=(192, 112)).read_bytes()
    (tmp_path / "both.ts").write_bytes(first + second)
    pictures, _, facts = kinds(read(tmp_path / "both.ts"))
    assert {(picture.width, picture.height) for picture in pictures} == {(160, 96), (192, 112)}
    widths = [fact.detail["width"] for fact in of_kind(facts, FactKind.FORMAT)]
    assert widths[-1] == 192
    assert np.diff([picture.time for picture in pictures]).min() > 0
