"""Captions of one container: found in the coded pictures and in subtitle tracks, put on the media clock.

Caption data of the pictures (ATSC A/53) are read from the packets, not from decoded pictures: so they stay whole when
the decoder leaves pictures out to save time. They come in decoding order and are sorted by their time stamps here.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from vqa_agent.capture.clock import MediaClock
from vqa_agent.capture.dtvcc import Dtvcc
from vqa_agent.capture.line21 import PAIR, Line21
from vqa_agent.capture.subtitles import SubtitleTrack
from vqa_agent.media import Caption, Fact, FactKind, Value

STATED = 1.0
"""Media seconds between two statements that a service is carried."""

A53 = b"GA94\x03"
"""What caption data begin with (ATSC A/53 Part 4), in MPEG-2 user data and in the SEI of H.264 and HEVC."""

SEI = b"\xb5\x00\x31"
"""What stands before it in SEI: the United States, ATSC (ITU-T T.35)."""

A53_LONGEST = 2 + 31 * PAIR
MAX_WAITING = 300
"""Captions, or caption data of coded pictures, that wait for their time; beyond, it will not come."""


class CaptionReader:
    """Gathers captions of all services. Costs a search of each video packet, and nothing else where there are none."""

    def __init__(self, clock: MediaClock, tracks: Sequence[Any], segmented: bool = False) -> None:
        self._clock = clock
        self._tracks = {track.index: SubtitleTrack(track, segmented) for track in tracks}
        self._early: list[Any] = []
        self._line21 = Line21()
        self._dtvcc = Dtvcc()
        self._coded: list[tuple[float, int, bytes]] = []
        self._ready: list[tuple[float, int, Caption]] = []
        self._count = 0
        self._carried: set[str] = set()
        self._stated = 0.0
        self._seen: set[str] = set()

    @property
    def services(self) -> str:
        """The services that are there, as `Format.captions` names them."""
        return ",".join(sorted(self._carried | {track.name for track in self._tracks.values()}))

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
        """Take a packet of a subtitle track; it waits where the clock has not started yet."""
        source = packet.pts if packet.pts is not None else packet.dts
        if (track := self._tracks.get(packet.stream.index)) is None:
            return
        time = self._clock.now if source is None else self._clock.locate(float(source * packet.time_base))
        if time is None:
            self._early.append(packet)
            del self._early[:-MAX_WAITING]
            return
        for caption in track.captions(packet, time, self._clock.now):
            self._wait(caption)

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
        for track in self._tracks.values():
            if now <= track.until:
                yield _carried(start, now, track.name, track.readable)
        tally = self._line21.tally
        if "608" in self._seen:
            yield _carried(start, now, "608", True, tally.bytes, tally.parity_errors)
        if "708" in self._seen:
            yield _carried(start, now, "708", True)
        tally.bytes = tally.parity_errors = 0
        self._seen.clear()


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


def _carried(start: float, now: float, service: str, readable: bool, count: int = 0, errors: int = 0) -> Fact:
    detail: dict[str, Value] = {"service": service, "readable": readable, "bytes": count, "parity_errors": errors}
    return Fact(FactKind.CAPTIONS, start, now - start, detail=detail)
