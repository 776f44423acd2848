"""What flows through the agent: pictures, blocks of sound, captions, and facts about their transport.

All times are *media seconds*: presentation time on one continuous clock per stream, which starts near zero, never
goes back, and runs over wraps and jumps of the source's own time stamps (see `capture.clock`).

A `Picture` owns what several detectors need of it. Each reduction is computed at most once, when the first detector
asks, and is shared by the others; nothing here may be written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, wraps
from typing import Any, TypeAlias, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.uint8]
DeepPlane: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Samples: TypeAlias = NDArray[np.float32]
Value: TypeAlias = str | int | float | bool | None

SMALL_WIDTH = 480
"""Greatest width in pixels of the reduced luma: 1920 is halved twice, 1280 twice, 720 once."""

STRIPE = 256 * 1024
"""Bytes of a picture that are read at once: fewer than the second-level cache of a small processor holds."""

SILENCE_FLOOR_DB = -150.0
"""What digital zero reads as, in dBFS."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Code values, on the 8-bit scale, of black and white in a luma plane."""

    black: int
    white: int

    @property
    def span(self) -> int:
        return self.white - self.black


LIMITED = Levels(16, 235)
FULL = Levels(0, 255)


class Picture:
    """One decoded picture.

    `luma` is (height, width), uint8 for 8-bit and uint16 for deeper material, a view of the decoder's own memory
    where the pixel format allows. `chroma` planes are (height', width'), sub-sampled as coded, or absent.
    `corrupt`: the decoder marked or concealed it; `doubtful`: that, or what it may be predicted from was damaged.
    `previous` is the picture decoded before this one in the same run of pictures; its own `previous` is cut, so that
    memory does not grow.
    """

    def __init__(
        self,
        *,
        time: float,
        duration: float,
        luma: DeepPlane,
        chroma: tuple[DeepPlane, DeepPlane] | None = None,
        depth: int = 8,
        levels: Levels = LIMITED,
        previous: Picture | None = None,
        index: int = 0,
        key: bool = False,
        interlaced: bool = False,
        corrupt: bool = False,
        doubtful: bool = False,
        frame: Any = None,
    ) -> None:
        self.time = time
        self.duration = duration
        self.luma = luma
        self.chroma = chroma
        self.depth = depth
        self.levels = levels
        self.index = index
        self.key = key
        self.interlaced = interlaced
        self.corrupt = corrupt
        self.doubtful = doubtful
        self.frame = frame
        self.measures: dict[Any, Any] = {}
        self.previous = previous
        if previous is not None:
            previous.previous = None

    @property
    def width(self) -> int:
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        return int(self.luma.shape[0])

    @property
    def end(self) -> float:
        """Media second at which the next picture is due."""
        return self.time + self.duration

    @cached_property
    def small(self) -> Plane:
        """Luma halved, by averaging 2 x 2, until at most `SMALL_WIDTH` wide; 8 bit, in code values (see `levels`)."""
        return reduce_plane(self.luma, self.depth, SMALL_WIDTH)

    @cached_property
    def small_chroma(self) -> tuple[Plane, Plane] | None:
        """Cb and Cr, 8 bit (128 is neutral), reduced so that neither is larger than half of `small`; None for grey."""
        if self.chroma is None:
            return None
        blue, red = self.chroma
        width = max(1, self.small.shape[1] // 2)
        return reduce_plane(blue, self.depth, width), reduce_plane(red, self.depth, width)

    @cached_property
    def histogram(self) -> NDArray[np.float64]:
        """(256,) share of the pixels of `small` at each 8-bit code value; sums to 1."""
        counts = cv2.calcHist([self.small], [0], None, [256], [0, 256]).ravel()
        return counts.astype(np.float64) / self.small.size

    @cached_property
    def mean(self) -> float:
        """Mean luma of the picture as a share of nominal range: 0 is black, 1 is white."""
        code = float(self.histogram @ np.arange(256))
        return (code - self.levels.black) / self.levels.span

    @cached_property
    def difference(self) -> float | None:
        """Mean absolute difference of `small` to the previous picture, as a share of nominal range; None: no such."""
        before = self.previous
        if before is None or before.small.shape != self.small.shape:
            return None
        return mean_difference(self.small, before.small, self.levels)

    @cached_property
    def repeats_previous(self) -> bool:
        """Whether every luma sample equals that of the previous picture."""
        before = self.previous
        if before is None or before.luma.shape != self.luma.shape or self.difference != 0.0:
            return False
        return same_plane(self.luma, before.luma)

    @cached_property
    def row_profile(self) -> NDArray[np.float32]:
        """(rows of `small`,) mean luma of each row, in 8-bit code values."""
        return _profile(self.small, axis=1)

    @cached_property
    def column_profile(self) -> NDArray[np.float32]:
        """(columns of `small`,) mean luma of each column, in 8-bit code values."""
        return _profile(self.small, axis=0)

    def __repr__(self) -> str:
        return f"<Picture {self.time:.3f} s {self.width}x{self.height} {self.depth} bit>"


def reduce_plane(plane: DeepPlane, depth: int, width: int) -> Plane:
    """`plane` halved until it is at most `width` wide, and brought to 8 bit. An odd last row or column is left out.

    Halving is the one reduction for which OpenCV has a vectorised path: 1080p to 480x270 takes a seventh of the time
    of a single step.
    """
    while plane.shape[1] > width and min(plane.shape) >= 4:
        plane = _halved(plane)
    if depth > 8:
        return np.right_shift(plane, depth - 8).astype(np.uint8)
    return np.ascontiguousarray(plane, dtype=np.uint8)


def _halved(plane: DeepPlane) -> DeepPlane:
    """Means of 2 x 2. A decoded picture lies in slow memory, from which reading row by row is twice as fast as two rows
    in turn: so each stripe is read once before it is halved."""
    rows, columns = plane.shape[0] // 2, plane.shape[1] // 2
    halves = np.empty((rows, columns), plane.dtype)
    step = max(1, STRIPE // (2 * plane.strides[0]))
    for top in range(0, rows, step):
        stripe = plane[2 * top : 2 * min(rows, top + step), : 2 * columns]
        cv2.norm(stripe, cv2.NORM_L1)
        part = halves[top : top + step]
        cv2.resize(stripe, (columns, len(part)), dst=part, interpolation=cv2.INTER_AREA)
    return halves


def _profile(plane: Plane, axis: int) -> NDArray[np.float32]:
    return np.asarray(cv2.reduce(plane, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float32).ravel()


def mean_difference(one: Plane, other: Plane, levels: Levels) -> float:
    """Mean absolute difference of two 8-bit planes of one shape, as a share of nominal range."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size / levels.span


def same_plane(one: DeepPlane, other: DeepPlane) -> bool:
    """Whether two planes of one shape are equal, sample by sample."""
    return float(cv2.norm(one, other, cv2.NORM_INF)) == 0.0


class Sound:
    """A block of decoded sound, 100 ms long but for the last before a gap or an end.

    `samples` is (channels, n) float32, C-contiguous, full scale at +-1.0 (values beyond are kept). `names` are the
    channels' names in the layout ("FL", "FR", "FC", "LFE" ...).
    """

    def __init__(
        self, *, time: float, rate: int, samples: Samples, layout: str = "", names: tuple[str, ...] = ()
    ) -> None:
        self.time = time
        self.rate = rate
        self.samples = samples
        self.layout = layout
        self.names = names or tuple(f"{number + 1}" for number in range(samples.shape[0]))
        self.measures: dict[Any, Any] = {}

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        return float(self.samples.shape[1]) / self.rate

    @property
    def end(self) -> float:
        return self.time + self.duration

    @cached_property
    def peak(self) -> NDArray[np.float32]:
        """(channels,) greatest absolute sample of each channel; 1.0 is full scale."""
        if not self.samples.shape[1]:
            return np.zeros(self.channels, np.float32)
        return np.asarray(np.maximum(self.samples.max(axis=1), -self.samples.min(axis=1)))

    @cached_property
    def power(self) -> NDArray[np.float32]:
        """(channels,) mean square of each channel."""
        count = max(1, self.samples.shape[1])
        return np.asarray(np.einsum("cn,cn->c", self.samples, self.samples) / count, dtype=np.float32)

    @cached_property
    def level(self) -> NDArray[np.float32]:
        """(channels,) RMS of each channel in dBFS: 0 dBFS is the RMS of a full-scale square wave."""
        floor = np.float32(10 ** (SILENCE_FLOOR_DB / 10))
        return (10 * np.log10(np.maximum(self.power, floor))).astype(np.float32)

    def __repr__(self) -> str:
        return f"<Sound {self.time:.3f} s {self.channels} x {self.samples.shape[1]} at {self.rate} Hz>"


class FactKind(StrEnum):
    """What the transport can say of itself."""

    SIGNAL = "signal"
    """Media arrived in this interval. detail: video, audio (bool: pictures/sound were decoded in it)."""
    NO_SIGNAL = "no_signal"
    """Nothing usable arrived in this interval. detail: missing = all|video|audio, reason."""
    CONTINUITY = "continuity"
    """Transport packets are missing or out of order. detail: pid; indicator, or track where FFmpeg says so."""
    TRANSPORT = "transport"
    """Another check of TR 101 290 failed. detail: indicator, pid; interval, limit, usual or seconds where measured."""
    TRANSPORT_ERROR = "transport_error"
    """The transport error indicator is set. detail: indicator, pid."""
    CORRUPT_PICTURE = "corrupt_picture"
    """The decoder concealed or marked a picture. detail: track."""
    DECODE_ERROR = "decode_error"
    """A packet could not be decoded. detail: track, reason."""
    PTS_JUMP = "pts_jump"
    """Presentation time jumped. detail: track, seconds (signed)."""
    RECEIVER_DROP = "receiver_drop"
    """This machine lost data itself: socket overrun or own overload. detail: where."""
    FORMAT = "format"
    """The format is known, or differs from before. detail: the fields of `Format`."""
    RECONNECT = "reconnect"
    """The input was opened again after a loss. detail: attempt."""
    CAPTIONS = "captions"
    """A caption service was carried in this interval, with or without text. detail: service, readable (bool: its text
    can be decoded here), bytes and parity_errors (of CEA-608, padding left out)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the transport says of itself, at media second `time`, lasting `duration` seconds."""

    kind: FactKind
    time: float
    duration: float = 0.0
    count: int = 1
    detail: Mapping[str, Value] = field(default_factory=dict)

    @property
    def end(self) -> float:
        return self.time + self.duration


@dataclass(frozen=True, slots=True)
class Format:
    """What an input carries. Empty strings and zeros: not present or unknown."""

    video_codec: str = ""
    width: int = 0
    height: int = 0
    rate: float = 0.0
    scan: str = ""
    pixel_format: str = ""
    audio_codec: str = ""
    sample_rate: int = 0
    layout: str = ""
    captions: str = ""

    def detail(self) -> dict[str, Value]:
        return {name: getattr(self, name) for name in self.__slots__}


class CaptionKind(StrEnum):
    """How a caption service puts its text on the screen."""

    POP_ON = "pop-on"
    """Prepared beforehand, shown as a whole (CEA-608)."""
    ROLL_UP = "roll-up"
    """Typed while one listens, a few letters at a time (CEA-608 roll-up and paint-on)."""
    TEXT = "text"
    """Cues of a text track, which say when they end."""
    BITMAP = "bitmap"
    """Pictures of text (DVB subtitles)."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a caption service changes on the screen at media second `time`.

    `text` is what is new on it, rows parted by line feeds; roll-up text that begins with a line feed begins a row. A
    bitmap has no text, nor has a text that goes on. `shown` is False where the screen is cleared. `until` is the media
    second at which the text goes, where that is known beforehand.
    """

    time: float
    service: str
    kind: CaptionKind
    text: str = ""
    until: float | None = None
    shown: bool = True

    @property
    def duration(self) -> float:
        """0: it marks a moment."""
        return 0.0

    @property
    def end(self) -> float:
        return self.time


Sample: TypeAlias = Picture | Sound | Fact | Caption

Measured = TypeVar("Measured")
Looked = TypeVar("Looked", bound=Picture | Sound)


def shared(measure: Callable[[Looked], Measured]) -> Callable[[Looked], Measured]:
    """Make a function of a picture (or of a block of sound) one that is computed at most once, whoever asks first.

    For measures that more than one detector needs and that do not belong on `Picture` or `Sound` itself.
    """

    @wraps(measure)
    def once(sample: Looked) -> Measured:
        if once not in sample.measures:
            sample.measures[once] = measure(sample)
        return cast(Measured, sample.measures[once])

    return once
