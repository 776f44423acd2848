"""How long pictures count as doubtful after something of them was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.capture import clips
from vqa_agent.capture import Source, open_source
from vqa_agent.capture.doubt import LONGEST, Doubt
from vqa_agent.media import Picture

PICTURES, SOUND = 256, 257
"""PIDs that FFmpeg gives."""
GROUP = 12
"""Pictures from key picture to key picture."""


def pictures(path: Path) -> list[Picture]:
    with open_source(Source(name="x", url=str(path), live=False)) as capture:
        return [sample for sample in capture.samples() if isinstance(sample, Picture)]


def packets_of(path: Path, pid: int) -> list[int]:
    data = path.read_bytes()
    pids = (int.from_bytes(data[start + 1 : start + 3], "big") & 0x1FFF for start in range(0, len(data) - 187, 188))
    return [number for number, each in enumerate(pids) if each == pid]


def stream(path: Path, codec: str) -> Path:
    options = {"g": str(GROUP), "bf": "0", "b": "3000000", "x265-params": "log-level=error:pools=none:no-open-gop=1"}
    return clips.clip(path, 2.0, size=(320, 192), video_codec=codec, audio_codec="mp2", options=options)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264", "libx265"])
def test_doubt_lasts_to_the_next_key_picture(codec: str, tmp_path: Path) -> None:
    whole = stream(tmp_path / "whole.ts", codec)
    assert not any(picture.doubtful for picture in pictures(whole))
    among = packets_of(whole, PICTURES)
    lost = among[len(among) // 2]
    shown = pictures(clips.without_packets(whole, lambda number: number == lost, tmp_path / "lost.ts"))
    doubtful = [number for number, picture in enumerate(shown) if picture.doubtful]
    keys = [number for number, picture in enumerate(shown) if picture.key]
    assert doubtful == list(range(doubtful[0], doubtful[-1] + 1))
    assert doubtful[-1] + 1 in keys
    assert 1 <= len(doubtful) <= 2 * GROUP


def test_what_is_lost_of_the_sound_casts_no_doubt(tmp_path: Path) -> None:
    whole = stream(tmp_path / "whole.ts", "mpeg2video")
    lost = set(packets_of(whole, SOUND)[5::7])
    shown = pictures(clips.without_packets(whole, lost.__contains__, tmp_path / "lost.ts"))
    assert lost
    assert len(shown) == 50
    assert not any(picture.doubtful for picture in shown)


def test_a_key_picture_that_is_hit_itself_ends_nothing() -> None:
    doubt = Doubt()
    doubt.begin(2.0)
    assert [doubt.covers(stamp, key=stamp in (2.0, 3.0), hit=False) for stamp in (2.0, 2.5, 3.0)] == [True, True, False]


def test_a_picture_that_the_decoder_marks_begins_it() -> None:
    doubt = Doubt()
    assert [doubt.covers(stamp, key=False, hit=stamp == 1.0) for stamp in (0.5, 1.0, 1.5)] == [False, True, True]


def test_a_hit_that_is_known_before_a_key_picture_is_shown_outlasts_it() -> None:
    doubt = Doubt()
    doubt.begin(1.0)
    doubt.begin(2.2)
    shown = [(1.5, False), (2.0, True), (2.1, False), (2.2, False)]
    assert [doubt.covers(stamp, key, hit=False) for stamp, key in shown] == [True, False, False, True]


def test_without_key_pictures_it_ends_by_itself() -> None:
    doubt = Doubt()
    doubt.begin(1.0)
    stamps = (1.0 + LONGEST - 0.1, 1.0 + LONGEST + 0.1, 1.5)
    assert [doubt.covers(stamp, key=False, hit=False) for stamp in stamps] == [True, False, False]


def test_a_picture_without_a_time_is_doubtful_where_it_is_marked() -> None:
    doubt = Doubt()
    doubt.begin(1.0)
    assert [doubt.covers(None, key=False, hit=hit) for hit in (False, True)] == [False, True]
