"""Captions, made: CEA-608 bytes put into coded pictures, and cues in text tracks.

cues = [Cue(1.0, 3.0, "HELLO THERE"), Cue(4.0, 6.0, "HOW ARE YOU")]
encode("a.ts", pictures, sound, change=caption_writer(pop_on(cues, seconds), "libx264"))
add_track("a.ts", "b.mkv", cues, "subrip")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.subtitles.subtitle import SubtitleSet

from vqa_agent.simulate.encode import copy_with
from vqa_agent.simulate.scenes import RATE

Pair = tuple[int, int]

NULL: Pair = (0, 0)
LOAD, ERASE_HIDDEN, FLIP, ERASE = (0x14, 0x20), (0x14, 0x2E), (0x14, 0x2F), (0x14, 0x2C)
ROLL_UP_3, RETURN = (0x14, 0x26), (0x14, 0x2D)
ROWS: tuple[Pair, ...] = ((0x14, 0x40), (0x14, 0x60))
"""The codes that put text on the last two rows."""

PLAIN_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,Arial,16,&Hffffff,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
MILLISECOND = Fraction(1, 1000)

TEXT_SEGMENT = 6.0
"""Seconds of a segment of WebVTT in HLS."""


@dataclass(frozen=True)
class Cue:
    """Text shown from `start` to `end`, in seconds; its rows are parted by line feeds."""

    start: float
    end: float
    text: str


def delayed(cues: Iterable[Cue], seconds: float, drift: float = 0.0) -> list[Cue]:
    """`cues`, `seconds` late, and running slow by the share `drift`."""
    return [replace(cue, start=cue.start * (1 + drift) + seconds, end=cue.end * (1 + drift) + seconds) for cue in cues]


def pop_on(cues: Iterable[Cue], seconds: float, rate: int = RATE) -> list[Pair]:
    """One pair of CEA-608 bytes per picture: captions loaded beforehand, shown at their start, erased at their end."""
    line = Line(seconds, rate)
    for cue in cues:
        load = [LOAD, LOAD, ERASE_HIDDEN, ERASE_HIDDEN]
        rows = cue.text.split("\n")
        for place, row in zip(ROWS[-len(rows) :], rows, strict=True):
            load += [place, place, *letters(row)]
        line.write([*load, FLIP, FLIP], ends=cue.start)
        line.write([ERASE, ERASE], begins=cue.end)
    return line.pairs


def roll_up(cues: Iterable[Cue], seconds: float, rate: int = RATE) -> list[Pair]:
    """One pair of CEA-608 bytes per picture: rows typed as they are spoken, evenly between start and end."""
    line = Line(seconds, rate)
    for cue in cues:
        rows = [letters(row) for row in cue.text.split("\n")]
        step = max(1 / rate, (cue.end - cue.start) / max(1, sum(map(len, rows))))
        time = cue.start
        for row in rows:
            line.write([ROLL_UP_3, ROLL_UP_3, RETURN, RETURN, ROWS[-1], ROWS[-1]], begins=time)
            for pair in row:
                line.write([pair], begins=time)
                time += step
    return line.pairs


class Line:
    """One pair per picture; what is written takes the next free places."""

    def __init__(self, seconds: float, rate: int) -> None:
        self.rate = rate
        self.pairs: list[Pair] = [NULL] * round(seconds * rate)
        self._free = 0

    def write(self, pairs: Sequence[Pair], begins: float | None = None, ends: float = 0.0) -> None:
        """Write `pairs` from second `begins` on, or so that the last is sent at second `ends`."""
        wanted = round(begins * self.rate) if begins is not None else round(ends * self.rate) - len(pairs) + 1
        start = max(self._free, wanted)
        room = self.pairs[start : start + len(pairs)]
        self.pairs[start : start + len(room)] = pairs[: len(room)]
        self._free = start + len(pairs)


def letters(text: str) -> list[Pair]:
    codes = [*text.encode("ascii", "replace"), *([0] if len(text) % 2 else [])]
    return list(zip(codes[::2], codes[1::2], strict=True))


def with_parity(code: int) -> int:
    """A 7-bit code with its odd parity bit."""
    return code | 0x80 if code.bit_count() % 2 == 0 else code


def caption_writer(
    pairs: Sequence[Pair | None],
    video_codec: str = "libx264",
    rate: int = RATE,
    parity_errors: float = 0.0,
    second_field: Sequence[Pair] = (),
    extra: Sequence[bytes] = (),
) -> Callable[[Any], Any]:
    """A change of coded packets that puts the pair of each picture's time into it; None: no caption data at all.

    `extra` are triplets for each picture that are written as they are (see `dtvcc`). `parity_errors` is the share of
    the pairs, padding left out, in which a parity bit is turned over.
    """
    rng = np.random.default_rng(5)

    def triplet(kind: int, pair: Pair) -> bytes:
        high, low = map(with_parity, pair)
        if pair != NULL and rng.uniform() < parity_errors:
            low ^= 0x80
        return bytes((0xFC | kind, high, low))

    def write(packet: Any) -> Any:
        number = round(float(packet.pts * packet.time_base) * rate)
        pair = pairs[number] if number < len(pairs) else NULL
        if pair is None:
            return packet
        triplets = triplet(0, pair)
        if second_field:
            triplets += triplet(1, second_field[number] if number < len(second_field) else NULL)
        triplets += extra[number] if number < len(extra) else b""
        return _with_data(packet, _user_data(bytes(packet), a53(triplets), video_codec))

    return write


def dtvcc(cues: Iterable[Cue], seconds: float, rate: int = RATE, typed: bool = False) -> list[bytes]:
    """Triplets of CEA-708 for each picture: service 1, a window written hidden and then shown, or written as seen."""
    pictures = [b""] * round(seconds * rate)
    for number, cue in enumerate(cues):
        visible = 0x20 if typed else 0
        define = bytes((0x98, visible, 0, 0, 0, 31, 0))
        text = cue.text.replace("\n", "\r").encode("latin-1", "replace")
        pieces = [text[at : at + 20] for at in range(0, len(text), 20)]
        data = [define, *pieces, *([] if typed else [b"\x89\x01"])]
        first = round(cue.start * rate) - (0 if typed else len(data) - 1)
        for place, piece in [*enumerate(data, first), (round(cue.end * rate), b"\x8c\x01")]:
            if 0 <= place < len(pictures):
                pictures[place] += _packet(piece, number + place)
    return pictures


def _packet(data: bytes, sequence: int) -> bytes:
    """A DTVCC packet of one block of service 1, as triplets."""
    block = bytes((0x20 | len(data),)) + data
    body = bytes(((sequence & 3) << 6 | (len(block) + 2) // 2,)) + block
    body += b"\x00" * (len(body) % 2)
    return b"".join(bytes((0xFF if at == 0 else 0xFE,)) + body[at : at + 2] for at in range(0, len(body), 2))


def a53(triplets: bytes) -> bytes:
    """Caption data as ATSC A/53 Part 4 carries them."""
    return b"GA94\x03" + bytes((0xC0 | len(triplets) // 3, 0xFF)) + triplets + b"\xff"


def _user_data(coded: bytes, data: bytes, video_codec: str) -> bytes:
    """A coded picture with user data before its first slice."""
    if video_codec == "mpeg2video":
        slices = coded.find(b"\x00\x00\x01\x01")
        return coded[:slices] + b"\x00\x00\x01\xb2" + data + coded[slices:]
    header, first = (b"\x4e\x01", range(32)) if video_codec == "libx265" else (b"\x06", range(1, 6))
    payload = b"\xb5\x00\x31" + data
    unit = b"\x00\x00\x01" + header + bytes((4, len(payload))) + _escaped(payload) + b"\x80"
    at = _first_slice(coded, first, video_codec == "libx265")
    return coded[:at] + unit + coded[at:]


def _first_slice(coded: bytes, kinds: range, hevc: bool) -> int:
    at = coded.find(b"\x00\x00\x01")
    while at >= 0:
        kind = coded[at + 3] >> 1 & 0x3F if hevc else coded[at + 3] & 0x1F
        if kind in kinds:
            return at - (at > 0 and coded[at - 1] == 0)
        at = coded.find(b"\x00\x00\x01", at + 3)
    raise ValueError("no slice in this packet")


def _escaped(payload: bytes) -> bytes:
    for code in range(4):
        payload = payload.replace(bytes((0, 0, code)), bytes((0, 0, 3, code)))
    return payload


def _with_data(packet: Any, data: bytes) -> Any:
    other = av.Packet(data)
    other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
    other.duration, other.is_keyframe, other.stream = packet.duration, packet.is_keyframe, packet.stream
    return other


def add_track(source: Path, path: Path, cues: Iterable[Cue], codec: str, language: str = "") -> Path:
    """Copy `source` to `path` with one more track that carries `cues`: subrip, webvtt, mov_text."""

    def add(output: Any, _: Fraction) -> Iterator[Any]:
        track = output.add_stream(codec)
        track.codec_context.subtitle_header = PLAIN_STYLE
        track.codec_context.time_base = track.time_base = MILLISECOND
        if language:
            track.metadata["language"] = language
        for number, cue in enumerate(cues):
            yield _cue_packet(track, number, cue)

    return copy_with(source, path, add)


def add_rendition(source: Path, folder: Path, cues: Sequence[Cue], *, seconds: float, begins: float | None) -> Path:
    """A playlist of HLS with the transport stream `source` and `cues` in segments of WebVTT; returns the master.

    `begins` is the time stamp (seconds) at which the cues' second 0 is said to be; None: nothing is said of it. A cue
    that reaches into further segments is in each of them.
    """
    head = "WEBVTT\n"
    if begins is not None:
        head += f"X-TIMESTAMP-MAP=MPEGTS:{round(begins * 90_000) % 2**33},LOCAL:00:00:00.000\n"
    count = math.ceil(seconds / TEXT_SEGMENT)
    for number in range(count):
        first = number * TEXT_SEGMENT
        within = [cue for cue in cues if cue.start < first + TEXT_SEGMENT and cue.end > first]
        texts = [f"{_webvtt_time(cue.start)} --> {_webvtt_time(cue.end)}\n{cue.text}\n" for cue in within]
        (folder / f"text-{number}.vtt").write_text("\n".join([head, *texts]))
    durations = [min(TEXT_SEGMENT, seconds - number * TEXT_SEGMENT) for number in range(count)]
    (folder / "text.m3u8").write_text(_playlist({f"text-{each}.vtt": durations[each] for each in range(count)}))
    (folder / "pictures.m3u8").write_text(_playlist({source.name: seconds}))
    media = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",DEFAULT=YES,LANGUAGE="en",URI="text.m3u8"'
    variant = '#EXT-X-STREAM-INF:BANDWIDTH=200000,SUBTITLES="text"'
    master = folder / "master.m3u8"
    master.write_text(f"#EXTM3U\n{media}\n{variant}\npictures.m3u8\n")
    return master


def _playlist(segments: Mapping[str, float]) -> str:
    listed = "".join(f"#EXTINF:{duration:.3f},\n{name}\n" for name, duration in segments.items())
    target = math.ceil(max(segments.values()))
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{target}\n{listed}#EXT-X-ENDLIST\n"


def _webvtt_time(seconds: float) -> str:
    return f"{int(seconds // 3600):02}:{int(seconds // 60) % 60:02}:{seconds % 60:06.3f}"


def _cue_packet(track: Any, number: int, cue: Cue) -> Any:
    begins, lasts = round(cue.start * 1000), round((cue.end - cue.start) * 1000)
    text = cue.text.replace("\n", "\\N")
    packet = track.codec_context.encode_subtitle(
        SubtitleSet.create(f"{number},0,Default,,0,0,0,,{text}".encode(), 0, lasts, begins)
    )
    packet.stream, packet.time_base = track, MILLISECOND
    packet.pts = packet.dts = begins
    packet.duration = lasts
    return packet
