"""Small clips for the tests of the input: drawn, encoded and muxed by FFmpeg's libraries."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vqa_agent.media import Fact, FactKind, Picture, Sample, Sound
from vqa_agent.simulate import sounds
from vqa_agent.simulate.encode import encode

SIZE = (160, 96)


def images(seconds: float = 2.0, rate: float = 25, size: tuple[int, int] = SIZE):
    """A grey ramp that a bright bar crosses: every picture differs from the one before."""
    width, height = size
    ramp = np.repeat(np.linspace(30, 180, width, dtype=np.uint8)[None, :, None], 3, axis=2)
    for number in range(round(seconds * rate)):
        image = np.repeat(ramp, height, axis=0).copy()
        image[:, number * 3 % max(1, width) : number * 3 % max(1, width) + 8] = (220, 60, 40)
        yield image


def clip(path: Path, seconds: float = 2.0, *, sound: bool = True, rate: int = 25, size=SIZE, **options) -> Path:
    """A clip with a tone; `options` go to the encoder."""
    tone = sounds.tone(seconds, rate=options.get("sample_rate", 48000)) if sound else None
    return encode(path, images(seconds, rate, size), tone, rate=rate, **options)


def transport_stream(path: Path, seconds: float = 2.0, codec: str = "mpeg2video", **options) -> Path:
    return clip(path, seconds, video_codec=codec, audio_codec="mp2", **options)


def without_packets(file: Path, drop, path: Path) -> Path:
    """A transport stream with some of its 188-byte packets left out: those of which `drop(number)` is true."""
    data = file.read_bytes()
    packets = [data[start : start + 188] for start in range(0, len(data) - 187, 188)]
    path.write_bytes(b"".join(packet for number, packet in enumerate(packets) if not drop(number)))
    return path


def with_time_stamps(path: Path, change, seconds: float = 2.0, container: str = "matroska") -> Path:
    """Pictures only; the presentation time of each (in 90 kHz) goes through `change(number, pts)`."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("mpeg2video", rate=25, options={"bf": "0", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = SIZE[0], SIZE[1], "yuv420p"
        packets = []
        for number, image in enumerate(images(seconds)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            packet.time_base = Fraction(1, 90000)
            packet.pts = packet.dts = change(number, number * 3600)
            output.mux(packet)
    return path


def kinds(samples: list[Sample]) -> tuple[list[Picture], list[Sound], list[Fact]]:
    """Pictures, sound and facts apart."""
    return (
        [sample for sample in samples if isinstance(sample, Picture)],
        [sample for sample in samples if isinstance(sample, Sound)],
        [sample for sample in samples if isinstance(sample, Fact)],
    )


def of_kind(facts: list[Fact], kind: FactKind) -> list[Fact]:
    return [fact for fact in facts if fact.kind is kind]
