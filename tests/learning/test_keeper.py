"""What a network was unsure about is kept as it was looked at, and trouble with it never reaches the stream."""

from __future__ import annotations

import io
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vqa_agent.detect import Finding
from vqa_agent.learning import Keeper, SampleStore
from vqa_agent.learning import keeper as keeper_module
from vqa_agent.learning.keeper import INTERVAL, REST, wav
from vqa_agent.media import Fact, FactKind, Picture, Sound

RATE = 48_000


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return SampleStore(tmp_path / "samples", 10_000_000)


@pytest.fixture
def keeper(store: SampleStore) -> Keeper:
    return Keeper("main", store)


def finding(start: float, end: float, uncertainty: float | None = 0.9, detector: str = "net") -> Finding:
    return Finding(detector, start, end, 0.5, False, uncertainty=uncertainty)


def picture(time: float, previous: Picture | None = None, depth: int = 8) -> Picture:
    kind = np.uint8 if depth == 8 else np.uint16
    luma = np.random.default_rng(round(time * 25)).integers(0, 2**depth, (36, 64), dtype=kind)
    return Picture(time=time, duration=0.04, luma=luma, depth=depth, previous=previous)


def blocks(seconds: float, channels: int = 2) -> list[Sound]:
    rng = np.random.default_rng(0)
    return [
        Sound(time=n / 10, rate=RATE, samples=rng.normal(0, 0.6, (channels, RATE // 10)).astype(np.float32))
        for n in range(round(seconds * 10))
    ]


@pytest.mark.parametrize("depth", [8, 10])
def test_a_picture_and_the_one_before_it_are_kept_bit_by_bit(keeper: Keeper, store: SampleStore, depth: int) -> None:
    first = picture(0.0, depth=depth)
    second = picture(0.04, first, depth)
    keeper.see(second, [finding(0.04, 0.08)])
    (kept,) = store.samples()
    assert (kept.stream, kept.detector, kept.kind, kept.detail["depth"]) == ("main", "net", "picture", depth)
    for name, original in zip(kept.files, (second, first), strict=True):
        image = cv2.imread(str(store.directory / name), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, original.luma)


def test_the_second_of_sound_that_was_judged_is_kept(keeper: Keeper, store: SampleStore) -> None:
    sounds = blocks(2.0)
    for block in sounds[:-1]:
        keeper.see(block, [])
    keeper.see(sounds[-1], [finding(1.0, 2.0)])
    (kept,) = store.samples()
    expected = np.concatenate([block.samples for block in sounds[10:]], axis=1)
    assert (kept.kind, kept.start, kept.end) == ("sound", 1.0, 2.0)
    np.testing.assert_array_equal(read_wav((store.directory / kept.files[0]).read_bytes()), expected)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_beyond_full_scale_is_kept(channels: int) -> None:
    samples = np.linspace(-2, 2, channels * 4800, dtype=np.float32).reshape(channels, -1)
    np.testing.assert_array_equal(read_wav(wav(samples, RATE)), samples)


def read_wav(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        channels = container.streams.audio[0].channels
        frames = [frame.to_ndarray().reshape(-1, channels) for frame in container.decode(audio=0)]
    return np.concatenate(frames).T


def test_the_sure_ones_and_those_without_a_network_are_not_kept(keeper: Keeper, store: SampleStore) -> None:
    keeper.see(picture(0.0), [finding(0, 0.04, None), finding(0, 0.04, keeper_module.LEAST - 0.01)])
    keeper.see(Fact(FactKind.SIGNAL, 0.0), [finding(0, 0.04)])
    assert not store.directory.exists() or store.samples() == []


def test_one_a_minute_for_each_detector(keeper: Keeper, store: SampleStore) -> None:
    for time in np.arange(0, 2 * INTERVAL, 5.0):
        keeper.see(picture(float(time)), [finding(time, time + 0.04, detector=name) for name in ("a", "b")])
    assert sorted(sample.detector for sample in store.samples()) == ["a", "a", "b", "b"]


def test_trouble_on_the_disk_is_logged_once_and_then_left_alone(
    keeper: Keeper, store: SampleStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "add", full)
    for time in np.arange(0, REST, 30.0):
        keeper.see(picture(float(time)), [finding(time, time + 0.04)])
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    keeper.see(picture(REST + 1), [finding(REST + 1, REST + 1.04)])
    assert len(store.samples()) == 1
