"""Captions of one container: found in the coded pictures and in subtitle tracks, put on the media clock.

Caption data of the pictures (ATSC A/53) are read from the packets, not from decoded pictures: so they stay whole when
the decoder leaves pictures out to save time. They come in decoding order and are sorted by their time stamps here.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import av.error
import numpy as np

from vqa_agent.capture.clock import MediaClock
from vqa_agent.capture.dtvcc import Dtvcc
from vqa_agent.capture.line21 import PAIR, Line21, rows_of
from vqa_agent.media import Caption, CaptionKind, Fact, FactKind, Value

STATED = 1.0
"""Media seconds between two statements that a service is carried."""

A53 = b"GA94\x03"
"""What caption data begin with (ATSC A/53 Part 4), in MPEG-2 user data and in the SEI of H.264 and HEVC."""

SEI = b"\xb5\x00\x31"
"""What stands before it in SEI: the United States, ATSC (ITU-T T.35)."""

A53_LONGEST = 2 + 31 * PAIR
MAX_WAITING = 300
"""Captions, or caption data of coded pictures, that wait for their time; beyond, it will not come."""

LONG_GONE = 10.0
"""Seconds since its end after which a text is not told any more: it comes from before the stream was joined."""

SEAM = 0.1
"""Seconds between two pieces of one text, where a segment of HLS ends within it."""

GRACE = 10.0
"""Media seconds that the next segment of a text rendition may come late before the service is gone."""

LINE21_TRACKS = ("eia_608", "cc_dec")
BITMAP_TRACKS = ("dvbsub", "dvdsub", "pgssub", "xsub")


class CaptionReader:
    """Gathers captions of all services. Costs a search of each video packet, and nothing else where there are none."""

    def __init__(self, clock: MediaClock, tracks: Sequence[Any], segmented: bool = False) -> None:
        self._clock = clock
        self._names = {track.index: _name(track) for track in tracks}
        self._readable = {track.index: track.codec_context is not None for track in tracks}
        self._segmented = segmented
        self._seams: dict[int, _Seam] = {}
        self._early: list[Any] = []
        self._line21 = Line21()
        self._dtvcc = Dtvcc()
        self._in_tracks: dict[int, Line21] = {}
        self._coded: list[tuple[float, int, bytes]] = []
        self._ready: list[tuple[float, int, Caption]] = []
        self._count = 0
        self._carried: set[str] = set(self._names.values())
        self._stated = 0.0
        self._seen: set[str] = set()

    @property
    def services(self) -> str:
        """The services that are there, as `Format.captions` names them."""
        return ",".join(sorted(self._carried))

    def coded_picture(self, packet: Any) -> None:
        """Take the caption data out of a video packet."""
        data = bytes(packet)
        if (at := data.find(A53)) < 0:
            return
        stamp = packet.pts if packet.pts is not None else packet.dts
        if triplets := caption_data(data, at):
            moment = float(stamp * packet.time_base) if stamp is not None else float("-inf")
            self._count += 1
            heapq.heappush(self._coded, (moment, self._count, triplets))

    def presented(self, source: float | None, time: float) -> Iterator[Caption | Fact]:
        """A picture with time stamp `source` is shown at media second `time`: so are the captions up to it."""
        while self._coded and (source is None or self._coded[0][0] <= source):
            moment, _, triplets = heapq.heappop(self._coded)
            at = time if source is None else max(0.0, time - min(source - moment, 10.0))
            self._note(triplets)
            for caption in (*self._line21.feed(triplets, at), *self._dtvcc.feed(triplets, at)):
                self._wait(caption)
        if len(self._coded) > MAX_WAITING:
            self._coded.clear()
        yield from self.due()

    def subtitle(self, packet: Any) -> None:
        """Decode a packet of a subtitle track. What is damaged or cannot be read here has no text, and is no error."""
        track = packet.stream
        source = packet.pts if packet.pts is not None else packet.dts
        if source is None or not self._readable.get(track.index):
            return
        if not packet.size:
            self._begin_segment(packet)
            return
        time = self._clock.locate(float(source * packet.time_base))
        if time is None:
            self._early.append(packet)
            del self._early[:-MAX_WAITING]
            return
        if track.codec_context.name in LINE21_TRACKS:
            line21 = self._in_tracks.setdefault(track.index, Line21())
            captions = list(line21.feed(bytes(packet), max(0.0, time)))
        else:
            captions = self._decode(packet, time)
        for caption in captions:
            self._wait(caption)

    def _begin_segment(self, packet: Any) -> None:
        """An empty packet comes before the text of each segment of HLS, and lasts as long as that."""
        if self._segmented:
            seam = self._seams.setdefault(packet.stream.index, _Seam())
            seam.next_segment(self._clock.now + float(packet.duration * packet.time_base) + GRACE)

    def due(self) -> Iterator[Caption | Fact]:
        """What the clock has reached."""
        now = self._clock.now
        if self._early and self._clock.locate(0.0) is not None:
            early, self._early = self._early, []
            for packet in early:
                self.subtitle(packet)
        while self._ready and self._ready[0][0] <= now:
            yield heapq.heappop(self._ready)[2]
        if now - self._stated >= STATED:
            yield from self._state(now)

    def forget(self) -> None:
        """Time jumped: caption data from before the jump will not find their pictures."""
        self._coded.clear()

    def _wait(self, caption: Caption) -> None:
        self._count += 1
        heapq.heappush(self._ready, (caption.time, self._count, caption))
        if len(self._ready) > MAX_WAITING:
            heapq.heappop(self._ready)

    def _note(self, triplets: bytes) -> None:
        headers = triplets[::PAIR]
        if any(header & 4 and header & 3 < 2 for header in headers):
            self._seen.add("608")
        if any(header & 4 and header & 3 == 3 for header in headers):
            self._seen.add("708")

    def _state(self, now: float) -> Iterator[Fact]:
        start, self._stated = self._stated, now
        self._carried |= self._seen
        for number, name in self._names.items():
            seam = self._seams.get(number)
            if seam is None or now <= seam.until:
                yield _carried(start, now, name, self._readable[number] and (seam is not None or not self._segmented))
        tally = self._line21.tally
        if "608" in self._seen:
            yield _carried(start, now, "608", True, tally.bytes, tally.parity_errors)
        if "708" in self._seen:
            yield _carried(start, now, "708", True)
        tally.bytes = tally.parity_errors = 0
        self._seen.clear()

    def _decode(self, packet: Any, time: float) -> list[Caption]:
        try:
            screen = packet.stream.decode2(packet)
        except (av.error.FFmpegError, ValueError):
            return []
        name = self._names[packet.stream.index]
        if screen is None:
            return []
        until = time + float(packet.duration * packet.time_base) if packet.duration else None
        if packet.stream.codec_context.name in BITMAP_TRACKS:
            return [Caption(max(0.0, time), name, CaptionKind.BITMAP, until=until, shown=any(map(is_drawn, screen)))]
        text = "\n".join(rows_of(screen))
        if until is not None and until <= max(0.0, self._clock.now - LONG_GONE):
            return []
        seam = self._seams.get(packet.stream.index)
        if seam is not None and until is not None:
            shown = seam.new(text, time, until)
            return [] if shown is None else [Caption(time, name, CaptionKind.TEXT, shown, until)]
        return [Caption(max(0.0, time), name, CaptionKind.TEXT, text, until, shown=bool(text))]


@dataclass(slots=True)
class _Seam:
    """What the segments of one text rendition have in common: text that reaches from one into the next."""

    until: float = 0.0
    """Media second up to which the rendition counts as there."""
    before: dict[str, float] = field(default_factory=dict)
    """Text of earlier segments, and when it goes."""
    within: dict[str, float] = field(default_factory=dict)

    def next_segment(self, until: float) -> None:
        self.until = until
        latest = max(self.within.values(), default=0.0)
        self.before = {text: end for text, end in (self.before | self.within).items() if end > latest - LONG_GONE}
        self.within = {}

    def new(self, text: str, time: float, until: float) -> str | None:
        """What is new of a text: all of it, nothing but its end (""), or nothing at all, where it was told before."""
        gone = self.before.get(text, -math.inf)
        self.within[text] = max(until, gone, self.within.get(text, until))
        if time > gone + SEAM:
            return text
        return "" if until > gone else None


def caption_data(data: bytes, at: int) -> bytes:
    """The caption triplets of a coded picture, whose first caption data begin at `at`.

    A frame of two fields has them twice.
    """
    found = b""
    while at >= 0:
        body = data[at + len(A53) : at + len(A53) + 2 * A53_LONGEST]
        if data[max(0, at - len(SEI)) : at] == SEI:
            body = body.replace(b"\x00\x00\x03", b"\x00\x00")
        if body and body[0] & 0x40:
            found += body[2 : 2 + PAIR * (body[0] & 0x1F)]
        at = data.find(A53, at + len(A53))
    return found


def is_drawn(rect: Any) -> bool:
    """Whether a bitmap subtitle has anything on it: its pixels are not all of one colour."""
    if not rect.width * rect.height or not rect.planes:
        return False
    return bool(np.ptp(np.frombuffer(memoryview(rect.planes[0]), np.uint8)))


def _name(track: Any) -> str:
    codec = track.codec_context.name if track.codec_context else "unread"
    language = track.language if track.language not in (None, "und") else ""
    return f"{codec}:{language}" if language else str(codec)


def _carried(start: float, now: float, service: str, readable: bool, count: int = 0, errors: int = 0) -> Fact:
    detail: dict[str, Value] = {"service": service, "readable": readable, "bytes": count, "parity_errors": errors}
    return Fact(FactKind.CAPTIONS, start, now - start, detail=detail)
