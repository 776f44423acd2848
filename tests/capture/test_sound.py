from __future__ import annotations

import itertools
import wave as wave_file
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vqa_agent.capture.sound import SoundAssembler, to_float

FORMATS = ["u8", "u8p", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dbl", "dblp"]
LAYOUTS = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}


def frame(samples: np.ndarray, rate: int = 48000, kind: str = "fltp", layout: str = "stereo") -> av.AudioFrame:
    packed = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
    source = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    source.sample_rate, source.time_base = rate, Fraction(1, rate)
    return source if kind == "flt" else av.AudioResampler(kind, layout, rate).resample(source)[0]


def wave(count: int, channels: int = 2) -> np.ndarray:
    return np.stack([0.5 * np.sin(np.arange(count) * 0.02 * (number + 1)) for number in range(channels)])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_and_layout_becomes_the_same_float(kind: str, layout: str) -> None:
    samples = wave(960, LAYOUTS[layout])
    out = to_float(frame(samples, kind=kind, layout=layout))
    assert (out.shape, out.dtype) == (samples.shape, np.float32)
    assert np.abs(out - samples).max() < (0.02 if kind.startswith("u8") else 1e-4)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_blocks_are_a_tenth_of_a_second_and_without_holes(rate: int) -> None:
    assembler, blocks = SoundAssembler(), []
    samples, place = wave(rate), 0
    while place < rate:
        piece = samples[:, place : place + 1024]
        blocks += assembler.add(frame(piece, rate), 3.0 + place / rate)
        place += piece.shape[1]
    blocks += assembler.flush()
    assert [block.samples.shape[1] for block in blocks[:-1]] == [rate // 10] * (len(blocks) - 1)
    assert np.array_equal(np.concatenate([block.samples for block in blocks], axis=1), samples.astype(np.float32))
    for one, other in itertools.pairwise(blocks):
        assert other.time == pytest.approx(one.end, abs=1e-6)


def test_a_gap_ends_the_block_and_is_not_padded() -> None:
    assembler = SoundAssembler()
    first = list(assembler.add(frame(wave(7000)), 0.0))
    second = list(assembler.add(frame(wave(7000)), 1.0))
    assert [block.samples.shape[1] for block in (*first, *second)] == [4800, 2200, 4800]
    assert second[1].time == 1.0


def test_a_new_layout_begins_a_new_block() -> None:
    assembler = SoundAssembler()
    list(assembler.add(frame(wave(1000)), 0.0))
    (rest,) = assembler.add(frame(wave(1000, 1), layout="mono"), 1000 / 48000)
    assert (rest.channels, rest.samples.shape[1]) == (2, 1000)


def test_channels_have_their_names() -> None:
    (block,) = SoundAssembler().add(frame(wave(4800, 6), layout="5.1"), 0.0)
    assert block.names[:4] == ("FL", "FR", "FC", "LFE")


def test_channels_without_a_layout_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "plain.wav"
    with wave_file.open(str(path), "wb") as plain:
        plain.setnchannels(2)
        plain.setsampwidth(2)
        plain.setframerate(48000)
        plain.writeframes(bytes(4 * 4800))
    with av.open(str(path)) as container:
        assembler = SoundAssembler()
        blocks = [block for each in container.decode(audio=0) for block in assembler.add(each, float(each.time or 0))]
    assert [block.names for block in [*blocks, *assembler.flush()]] == [("1", "2")]
