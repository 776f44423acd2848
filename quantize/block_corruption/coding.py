"""Encoding, damage to what was encoded, and decoding: what really happens to broadcast pictures on their way.

Codecs with one or many slices, CABAC or CAVLC, good and starved; transport packets lost in bursts, bits flipped, bytes
removed; decoders that conceal and decoders that do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import av.logging
import numpy as np

from vqa_agent.simulate.scenes import Image

RATE = Fraction(25)
PACKET, DATAGRAM = 188, 7
"""Bytes of a transport packet, and transport packets of a datagram: what is lost together."""

KEEP = 3
"""Coded pictures at the start that stay whole, so that there is something to conceal with."""

DECODERS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"ec": "0"},
    {"ec": "guess_mvs"},
    {"ec": "favor_inter+guess_mvs", "err_detect": "ignore_err"},
    {"err_detect": "careful", "flags": "+output_corrupt"},
)
"""Ways to decode: as by default, without concealment, with other concealment, with other care."""

av.logging.set_level(None)


@dataclass(frozen=True)
class Coding:
    """An encoder and its options."""

    name: str
    encoder: str
    options: dict[str, str]
    pixel_format: str = "yuv420p"


def draw_coding(name: str, rng: np.random.Generator, quality: tuple[float, float] = (0.0, 1.0)) -> Coding:
    """A way to encode with codec `name`; quality between 0 (starved) and 1 (as in production)."""
    grade = float(rng.uniform(*quality))
    gop = str(int(rng.choice([12, 25, 50])))
    if name == "h264":
        return Coding(name, "libx264", _x264(rng, grade, gop))
    if name == "hevc":
        parameters = f"log-level=error:pools=none:frame-threads=1:keyint={gop}"
        return Coding(
            name, "libx265", {"preset": "ultrafast", "crf": _between(44, 22, grade), "x265-params": parameters}
        )
    if name == "mjpeg":
        return Coding(
            name,
            "mjpeg",
            {"qmin": "2", "qmax": "31", "global_quality": _scale(18, 3, grade), "flags": "+qscale"},
            "yuvj420p",
        )
    options = {"g": gop, "bf": str(int(rng.integers(0, 3))), "flags": "+qscale"}
    worst = 24 if name == "mpeg2" else 16
    return Coding(
        name, f"{name}video" if name == "mpeg2" else name, options | {"global_quality": _scale(worst, 2, grade)}
    )


def _x264(rng: np.random.Generator, grade: float, gop: str) -> dict[str, str]:
    slices = int(rng.choice([1, 1, 4, 8]))
    parameters = [f"keyint={gop}", f"slices={slices}", f"cabac={int(rng.random() < 0.6)}", "threads=1"]
    parameters += [f"bframes={int(rng.integers(0, 4))}", f"deblock={'0,0' if rng.random() < 0.85 else '-6,-6'}"]
    if rng.random() < 0.15:
        parameters.append("slice-max-size=1200")
    if rng.random() < 0.1:
        parameters.append("intra-refresh=1")
    preset = str(rng.choice(["ultrafast", "superfast", "veryfast"]))
    return {"preset": preset, "crf": _between(42, 18, grade), "x264-params": ":".join(parameters)}


def _between(worst: float, best: float, grade: float) -> str:
    return str(round(worst + (best - worst) * grade))


def _scale(worst: float, best: float, grade: float) -> str:
    """A fixed quantiser in FFmpeg's lambda units."""
    return str(round(118 * (worst + (best - worst) * grade)))


def to_frame(image: Image) -> av.VideoFrame:
    """An RGB picture as 4:2:0, as encoders and decoders have it."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format="yuv420p")


@dataclass(frozen=True)
class Coded:
    """Coded pictures: data, presentation number and decoding number of each."""

    coding: Coding
    pictures: list[tuple[bytes, int, int]]
    size: tuple[int, int]


def encode(frames: Iterable[av.VideoFrame], coding: Coding) -> Coded:
    """Encode frames of one size, numbered from 0."""
    context: Any = av.CodecContext.create(coding.encoder, "w")
    packets: list[tuple[bytes, int, int]] = []
    for number, frame in enumerate(frames):
        if number == 0:
            context.width, context.height = frame.width, frame.height
            context.pix_fmt, context.time_base, context.framerate = coding.pixel_format, 1 / RATE, RATE
            context.thread_count = 1
            context.options = coding.options
        frame.pts, frame.time_base = number, 1 / RATE
        packets += [_plain(packet) for packet in context.encode(frame)]
    packets += [_plain(packet) for packet in context.encode(None)]
    return Coded(coding, packets, (context.width, context.height))


def _plain(packet: Any) -> tuple[bytes, int, int]:
    return bytes(packet), int(packet.pts), int(packet.dts if packet.dts is not None else packet.pts)


Frames = dict[int, Any]
"""Decoded frames by presentation number."""


def decode(coded: Coded, options: dict[str, str] | None = None) -> Frames:
    """Decode packet by packet; what cannot be decoded is left out."""
    decoder: Any = av.CodecContext.create(_decoder(coded.coding), "r")
    decoder.thread_count = 1
    decoder.options = dict(options or {})
    frames: Frames = {}
    for data, pts, dts in [*coded.pictures, (b"", 0, 0)]:
        packet = None
        if data:
            # Given bytes, PyAV does not pad them, and the decoder of MPEG-4 reads what happens to lie behind.
            packet = av.Packet(len(data))
            packet.update(data)
            packet.pts, packet.dts, packet.time_base = pts, dts, 1 / RATE
        try:
            decoded = decoder.decode(packet)
        except (av.error.FFmpegError, EOFError):
            continue
        frames.update({int(frame.pts): frame for frame in decoded if frame.pts is not None})
    return {number: frame for number, frame in frames.items() if (frame.width, frame.height) == coded.size}


def _decoder(coding: Coding) -> str:
    return {"libx264": "h264", "libx265": "hevc"}.get(coding.encoder, coding.encoder)


def lose_packets(coded: Coded, rng: np.random.Generator) -> Coded:
    """Datagrams of seven transport packets lost in bursts (Gilbert-Elliott), as a congested network loses them.

    What a demultiplexer hands on of a picture with a hole is the bytes before and after it.
    """
    datagram = DATAGRAM * (PACKET - 4)
    total = sum(len(data) for data, *_ in coded.pictures) / datagram
    burst = float(rng.choice([1, 2, 4, 8]))
    begin = float(rng.choice([1, 3, 10]) * rng.uniform(1, 3)) / max(8.0, total)
    bad, pictures, hit = False, [], False
    for number, (data, pts, dts) in enumerate(coded.pictures):
        kept = []
        for place in range(0, len(data), datagram):
            bad = rng.random() >= 1 / burst if bad else rng.random() < begin
            lost = bad and number >= KEEP
            hit = hit or lost
            kept += [] if lost else [data[place : place + datagram]]
        pictures.append((b"".join(kept), pts, dts))
    return (
        Coded(coded.coding, [picture for picture in pictures if picture[0]], coded.size)
        if hit
        else remove_bytes(coded, rng)
    )


def flip_bits(coded: Coded, rng: np.random.Generator) -> Coded:
    """Bits flipped in one to ten pictures, one to forty in each."""
    pictures = list(coded.pictures)
    for number in _victims(coded, rng):
        data, pts, dts = pictures[number]
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 41))):
            place = int(rng.integers(min(40, len(data) // 2), len(data)))
            damaged[place] ^= 1 << int(rng.integers(8))
        pictures[number] = (bytes(damaged), pts, dts)
    return Coded(coded.coding, pictures, coded.size)


def remove_bytes(coded: Coded, rng: np.random.Generator) -> Coded:
    """A piece removed from one to ten pictures: from a few bytes to half, in the middle or to the end."""
    pictures = list(coded.pictures)
    for number in _victims(coded, rng):
        data, pts, dts = pictures[number]
        length = max(1, int(len(data) * rng.uniform(0.01, 0.5)))
        start = int(rng.integers(min(40, len(data) // 2), max(1, len(data) - length) + 1))
        end = len(data) if rng.random() < 0.3 else start + length
        pictures[number] = (data[:start] + data[end:], pts, dts)
    return Coded(coded.coding, pictures, coded.size)


def add_noise(coded: Coded, rng: np.random.Generator) -> Coded:
    """Bytes at random places overwritten with random values, headers too, through a stretch of pictures."""
    mean = sum(len(data) for data, *_ in coded.pictures) / len(coded.pictures)
    share = float(rng.choice([0.3, 1.5, 8])) / max(60.0, mean)
    first = int(rng.integers(KEEP, max(KEEP + 1, len(coded.pictures) // 2)))
    last = first + int(rng.integers(5, len(coded.pictures)))
    pictures = list(coded.pictures)
    for number in range(first, min(last, len(pictures))):
        data, pts, dts = pictures[number]
        damaged = np.frombuffer(data, np.uint8).copy()
        hit = rng.random(len(damaged)) < share
        damaged[hit] = rng.integers(0, 256, int(hit.sum()))
        pictures[number] = (damaged.tobytes(), pts, dts)
    return Coded(coded.coding, pictures, coded.size)


def _victims(coded: Coded, rng: np.random.Generator) -> list[int]:
    """Pictures to damage; large ones (key pictures) more often, because they carry most of the bytes."""
    sizes = np.array([len(data) for data, *_ in coded.pictures], float)
    sizes[:KEEP] = 0
    usable = int((sizes > 64).sum())
    if not usable:
        return []
    weights = np.where(sizes > 64, np.sqrt(sizes), 0)
    count = min(usable, int(rng.integers(1, 11)))
    return [int(number) for number in rng.choice(len(sizes), count, replace=False, p=weights / weights.sum())]


DAMAGES = {"loss": lose_packets, "flips": flip_bits, "removal": remove_bytes, "noise": add_noise}
