"""Real talkers in files whose sound is late or early, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from vqa_agent.media import Samples
from vqa_agent.simulate.encode import encode

MEDIA = Path(os.environ.get("VQA_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
SECONDS, RATE = 8.0, 48_000


def coded(name: str, late: float, path: Path) -> Path:
    """The first seconds of a talker, coded anew: the decoded sound is moved by `late` seconds, the pictures are not."""
    with av.open(str(MEDIA / name)) as container:
        rate = container.streams.video[0].guessed_rate
        pictures = [frame for frame in container.decode(video=0) if frame.time < SECONDS]
    with av.open(str(MEDIA / name)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        blocks = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    for picture in pictures:
        picture.pict_type = av.video.frame.PictureType.NONE
    length = round(len(pictures) / rate * RATE)
    sound = moved(np.concatenate(blocks, axis=1)[:, :length], round(late * RATE))
    return encode(path, pictures, sound, rate=rate)


def moved(sound: Samples, by: int) -> Samples:
    silence = np.zeros((1, abs(by)), np.float32)
    parts = [silence, sound[:, :-by]] if by > 0 else [sound[:, -by:], silence]
    return np.concatenate(parts, axis=1)


@pytest.mark.media
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(
    ("name", "late", "ending"),
    [("p31", 0.0, "mp4"), ("p31", -0.4, "mp4"), ("vasa_5", 0.24, "ts"), ("retalk4", -0.24, "mkv"), ("lyl", 0.6, "mp4")],
)
def test_the_offset_of_a_file_is_found(name: str, late: float, ending: str, tmp_path: Path) -> None:
    file = coded(f"talking/{name}.mkv", late, tmp_path / f"talker.{ending}")
    found = tmp_path / "findings"
    command = [sys.executable, "-m", "vqa_agent", "analyze", file, "--json", "--only", "av_sync", "--findings", found]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    findings = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    sure = [finding for finding in findings if finding["verdict"] != "inconclusive"]
    assert sure
    for finding in sure:
        assert finding["verdict"] == ("out_of_sync" if late else "in_sync")
        assert finding["offset_ms"] == pytest.approx(1000 * late, abs=60)
    assert [json.loads(line)["defect"] for line in result.stdout.splitlines()] == ["av_sync"] * bool(late)
