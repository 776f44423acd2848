"""Real talkers in files whose sound is late or early, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from vqa_agent.media import Samples
from vqa_agent.simulate import scenes
from vqa_agent.simulate.encode import encode
from vqa_agent.simulate.scenes import Image

MEDIA = Path(os.environ.get("VQA_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
SECONDS, RATE = 8.0, 48_000


def decoded(name: str) -> tuple[list[av.VideoFrame], Fraction, Samples]:
    """The pictures of the first seconds of a talker, their rate, and the sound that goes with them."""
    with av.open(str(MEDIA / name)) as container:
        rate = container.streams.video[0].guessed_rate
        pictures = [frame for frame in container.decode(video=0) if frame.time < SECONDS]
    with av.open(str(MEDIA / name)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        blocks = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    for picture in pictures:
        picture.pict_type = av.video.frame.PictureType.NONE
    return pictures, rate, np.concatenate(blocks, axis=1)[:, : round(len(pictures) / rate * RATE)]


def coded(name: str, late: float, path: Path) -> Path:
    """The first seconds of a talker, coded anew: the decoded sound is moved by `late` seconds, the pictures are not."""
    pictures, rate, sound = decoded(name)
    return encode(path, pictures, moved(sound, round(late * RATE)), rate=rate)


def moved(sound: Samples, by: int) -> Samples:
    silence = np.zeros((1, abs(by)), np.float32)
    parts = [silence, sound[:, :-by]] if by > 0 else [sound[:, -by:], silence]
    return np.concatenate(parts, axis=1)


def pasted(pictures: Iterable[av.VideoFrame], rate: int) -> Iterator[Image]:
    """The talker in a corner of a drawn scene, 270 lines tall, each picture shown until the next one is due."""
    films = [(frame.time, cv2.resize(frame.to_ndarray(format="rgb24"), (480, 270))) for frame in pictures]
    times = [time for time, _ in films]
    wall = scenes.texture(960, 540, np.random.default_rng(0), slope=1.3)
    for number in range(round(times[-1] * rate)):
        place = np.roll(wall, number, axis=1)
        place[250:520, 450:930] = films[int(np.searchsorted(times, number / rate + 1e-6)) - 1][1]
        yield place


def findings(file: Path, tmp_path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The findings and the events of `analyze`."""
    found = tmp_path / "findings"
    command = [sys.executable, "-m", "vqa_agent", "analyze", file, "--json", "--only", "av_sync", "--findings", found]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    return told, [json.loads(line) for line in result.stdout.splitlines()]


def check(file: Path, late: float, tmp_path: Path, error: float = 60) -> None:
    """Every verdict is the right one, there is one, and there is an event where the sound is not in sync."""
    found, events = findings(file, tmp_path)
    sure = [finding for finding in found if finding["verdict"] != "inconclusive"]
    assert sure
    for finding in sure:
        assert finding["verdict"] == ("out_of_sync" if late else "in_sync")
        assert finding["offset_ms"] == pytest.approx(1000 * late, abs=error)
    assert [event["defect"] for event in events] == ["av_sync"] * bool(late)


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(
    ("name", "late", "ending"),
    [("p31", 0.0, "mp4"), ("p31", -0.4, "mp4"), ("vasa_5", 0.24, "ts"), ("retalk4", -0.24, "mkv"), ("lyl", 0.6, "mp4")],
)
def test_the_offset_of_a_file_is_found(name: str, late: float, ending: str, tmp_path: Path) -> None:
    check(coded(f"talking/{name}.mkv", late, tmp_path / f"talker.{ending}"), late, tmp_path)


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(("rate", "late"), [(50, 0.24), (30, -0.24)])
def test_the_offset_of_a_small_talker_in_a_scene_is_found(rate: int, late: float, tmp_path: Path) -> None:
    pictures, _, sound = decoded("talking/p31.mkv")
    options = {"video_codec": "mpeg2video", "audio_codec": "mp2"}
    file = encode(tmp_path / "small.ts", pasted(pictures, rate), moved(sound, round(late * RATE)), rate=rate, **options)
    # A picture at 25 a second may be shown up to one of 30 a second late.
    check(file, late, tmp_path, error=80)
