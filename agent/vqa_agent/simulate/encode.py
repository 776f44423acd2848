"""Pictures and sound to a file or a stream, through a real encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from vqa_agent.media import Samples
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

FAST: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "crf": "20"},
    "libx265": {"preset": "ultrafast", "crf": "24", "x265-params": "log-level=error:pools=none"},
    "mpeg2video": {"b": "8000000"},
}
"""Encoder options that keep tests quick."""

SOUND_BLOCK = 1024


def encode(
    path: Path | str,
    pictures: Iterable[Image | av.VideoFrame] | None,
    sound: Samples | None = None,
    *,
    rate: int | Fraction = RATE,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    sample_rate: int = SAMPLE_RATE,
    layout: str = "",
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container: str | None = None,
    change: Callable[[Any], Any] | None = None,
) -> Path:
    """Write `pictures` and `sound` to `path`, interleaved. The ending of `path` says the container.

    Pictures are RGB, or frames of PyAV where their code values matter. `change` may put something into each coded
    picture (captions).
    """
    with av.open(str(path), "w", format=container) as output:
        streams: list[Iterator[Any]] = []
        if pictures is not None:
            frames = map(_frame, pictures)
            first = next(frames)
            video: Any = output.add_stream(video_codec, rate=rate, options=dict(options or FAST.get(video_codec, {})))
            video.height, video.width = first.height, first.width
            video.pix_fmt = pixel_format
            video.codec_context.thread_count = 1
            packets = _video_packets(video, chain([first], frames), rate)
            streams.append(packets if change is None else map(change, packets))
        if sound is not None:
            audio = output.add_stream(audio_codec, rate=sample_rate, layout=layout or _layout(sound.shape[0]))
            streams.append(_audio_packets(audio, sound, sample_rate))
        for packet in _interleaved(streams):
            output.mux(packet)
    return Path(path)


def _frame(picture: Image | av.VideoFrame) -> av.VideoFrame:
    if isinstance(picture, av.VideoFrame):
        return picture
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def _video_packets(stream: Any, frames: Iterable[av.VideoFrame], rate: int | Fraction) -> Iterator[Any]:
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, 1 / Fraction(rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_packets(stream: Any, sound: Samples, sample_rate: int) -> Iterator[Any]:
    resampler = av.AudioResampler(stream.codec_context.format.name, stream.codec_context.layout.name, sample_rate)
    block = stream.codec_context.frame_size or SOUND_BLOCK
    for start in range(0, sound.shape[1], block):
        # Packed, because av 18 cannot fill the planes of eight channels.
        packed = np.ascontiguousarray(sound[:, start : start + block].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=stream.codec_context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        for converted in resampler.resample(frame):
            yield from stream.encode(converted)
    yield from stream.encode(None)


def _interleaved(streams: list[Iterator[Any]]) -> Iterator[Any]:
    """Packets of all streams in order of decoding time, without holding more than one of each."""
    heads = [(next(stream, None), stream) for stream in streams]
    while waiting := [(packet, stream) for packet, stream in heads if packet is not None]:
        packet, stream = min(waiting, key=lambda head: seconds_of(head[0]))
        yield packet
        heads = [(next(stream, None) if other is stream else head, other) for head, other in heads]


def copy_with(source: Path, path: Path, add: Callable[[Any, Fraction], Iterable[Any]], form: str | None = None) -> Path:
    """Copy `source` to `path` with what `add` makes: packets of a track that it adds to the output that it is given.

    Its second argument is the time stamp, in seconds, at which `source` begins.
    """
    with av.open(str(source)) as given, av.open(str(path), "w", format=form) as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in given.streams}
        added = [*add(output, Fraction(given.start_time or 0, 1_000_000))]
        packets = [packet for packet in given.demux() if packet.dts is not None]
        for packet in packets:
            packet.stream = copies[packet.stream.index]
        for packet in sorted([*packets, *added], key=seconds_of):
            output.mux(packet)
    return path


def mux_beside(
    source: Path, path: Path, codec: str, timed: Iterable[tuple[Fraction, bytes]], language: str = ""
) -> Path:
    """Copy `source` to `path`, a transport stream, with a track of `codec` whose packets are at seconds of it."""

    def add(output: Any, begins: Fraction) -> Iterator[Any]:
        track = output.add_mux_stream(codec)
        track.time_base = Fraction(1, 90_000)
        if language:
            track.metadata["language"] = language
        for time, data in timed:
            packet: Any = av.Packet(data)
            packet.stream, packet.time_base = track, track.time_base
            packet.pts = packet.dts = round((begins + time) / track.time_base)
            yield packet

    return copy_with(source, path, add, "mpegts")


def seconds_of(packet: Any) -> float:
    """When a packet is to be decoded."""
    moment = packet.dts if packet.dts is not None else packet.pts
    return float(moment * packet.time_base) if moment is not None else 0.0


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 6: "5.1", 8: "7.1"}[channels]
