from __future__ import annotations

import av
import numpy as np
import pytest

from vqa_agent.capture.sound import SoundAssembler
from vqa_agent.lipsync.stamps import StampWatch
from vqa_agent.media import Picture, Sound


def told(times: list[float], first_picture: float = 0.0, length: float = 0.1) -> str | None:
    watch = StampWatch()
    watch.see(Picture(time=first_picture, duration=0.04, luma=np.zeros((2, 2), np.uint8)))
    for time in times:
        watch.hear(Sound(time=time, rate=8000, samples=np.zeros((1, round(length * 8000)), np.float32)))
    return watch.told()


def test_nothing_is_told_of_stamps_that_count_their_samples() -> None:
    assert told([n / 10 for n in range(6000)]) is None


def test_nothing_is_told_of_rounded_stamps() -> None:
    rng = np.random.default_rng(0)
    assert told([n / 10 + float(rng.uniform(-0.001, 0.001)) for n in range(6000)]) is None


@pytest.mark.parametrize(
    ("sound", "picture", "said"),
    [
        (0.24, 0.0, "sound begins 240 ms after the pictures"),
        (0.0, 0.2, "pictures begin 200 ms after the sound"),
        (0.03, 0.0, None),
    ],
)
def test_a_late_beginning(sound: float, picture: float, said: str | None) -> None:
    assert told([sound + n / 10 for n in range(50)], picture) == said


@pytest.mark.parametrize("by", [0.4, -0.2])
def test_a_step_of_the_sounds_stamps(by: float) -> None:
    times = [n / 10 + (by if n >= 40 else 0.0) for n in range(100)]
    assert told(times) == f"time stamps of the sound step by {1000 * by:+.0f} ms at {4 + by:.2f} s"


@pytest.mark.parametrize("ppm", [1000, -1000, 300])
def test_a_drift_as_capture_passes_it_on(ppm: int) -> None:
    assembler, watch = SoundAssembler(), StampWatch()
    for number in range(9000):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        for sound in assembler.add(frame, number * 0.1 * (1 + ppm * 1e-6)):
            watch.hear(sound)
    said = watch.told() or ""
    assert "drift" in said
    assert int(said.split("by ")[1].split(" ppm")[0]) == pytest.approx(ppm, rel=0.1)
