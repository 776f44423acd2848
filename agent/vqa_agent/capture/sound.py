"""Decoded audio frames to `Sound` blocks of 100 ms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples, Sound

BLOCKS_PER_SECOND = 10

MAX_DRIFT = 0.05
"""Seconds by which time stamps may differ from the count of samples before there is a gap."""

UNNAMED = "NONE"
"""FFmpeg's name of every channel of sound without a layout, as a plain WAV file has it: they are numbered instead."""

SCALES: dict[str, tuple[type, float, float]] = {
    "u8": (np.uint8, 128.0, 1 / 128),
    "s16": (np.int16, 0.0, 1 / 2**15),
    "s32": (np.int32, 0.0, 1 / 2**31),
    "s64": (np.int64, 0.0, 1 / 2**63),
    "flt": (np.float32, 0.0, 1.0),
    "dbl": (np.float64, 0.0, 1.0),
}
"""Type, offset and factor that bring each sample format to full scale +-1."""


def to_float(frame: av.AudioFrame) -> Samples:
    """(channels, n) float32 of a frame in any sample format, planar or packed."""
    kind, offset, factor = SCALES[frame.format.name.removesuffix("p")]
    raw = _channels(frame, kind)
    if kind is np.float32:
        return np.ascontiguousarray(raw)
    # 32-bit integers have more digits than float32: scale first, round after.
    return np.ascontiguousarray((raw.astype(np.float64) - offset) * factor, dtype=np.float32)


def _channels(frame: av.AudioFrame, kind: type) -> NDArray[Any]:
    """(channels, n) samples as coded. Of eight planar channels av 18 lists nine planes: only the first are read."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        planes = [memoryview(plane) for plane in frame.planes[:channels]]
        return np.stack([np.frombuffer(plane, kind, count=frame.samples) for plane in planes])
    packed: NDArray[Any] = np.frombuffer(memoryview(frame.planes[0]), kind, count=frame.samples * channels)
    return packed.reshape(-1, channels).T


class SoundAssembler:
    """Cuts the frames of one track into blocks of exactly a tenth of a second.

    A gap in the time stamps, a new rate or a new layout ends the block before it; nothing is padded.
    """

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._count = 0
        self._start = 0.0
        self._rate = 0
        self._layout = ""
        self._names: tuple[str, ...] = ()

    @property
    def expected(self) -> float:
        """Media second at which the next frame is due."""
        return self._start + self._count / self._rate if self._rate else 0.0

    def add(self, frame: av.AudioFrame, time: float) -> Iterator[Sound]:
        """The blocks that `frame`, presented at media second `time`, completes."""
        samples = to_float(frame)
        layout = frame.layout.name
        if (frame.sample_rate, layout) != (self._rate, self._layout) or abs(time - self.expected) > MAX_DRIFT:
            yield from self.flush()
            self._rate, self._layout = frame.sample_rate, layout
            names = tuple(channel.name for channel in frame.layout.channels)
            self._names = () if UNNAMED in names else names
        if not self._count:
            self._start = time
        self._pieces.append(samples)
        self._count += samples.shape[1]
        yield from self._blocks(max(1, self._rate // BLOCKS_PER_SECOND))

    def flush(self) -> Iterator[Sound]:
        """What is left, as a shorter block."""
        if self._count:
            yield self._sound(self._joined())
        self._pieces, self._count = [], 0

    def _blocks(self, size: int) -> Iterator[Sound]:
        if self._count < size:
            return
        joined = self._joined()
        whole = joined.shape[1] // size * size
        for start in range(0, whole, size):
            yield self._sound(np.ascontiguousarray(joined[:, start : start + size]))
            self._start += size / self._rate
        rest = joined[:, whole:]
        self._pieces, self._count = ([rest] if rest.shape[1] else []), rest.shape[1]

    def _joined(self) -> Samples:
        return self._pieces[0] if len(self._pieces) == 1 else np.concatenate(self._pieces, axis=1)

    def _sound(self, samples: Samples) -> Sound:
        return Sound(time=self._start, rate=self._rate, samples=samples, layout=self._layout, names=self._names)
