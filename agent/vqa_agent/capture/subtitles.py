"""Subtitle tracks of a container: what their packets show, and how long each counts as carried."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import av.error
import numpy as np

from vqa_agent.capture.line21 import Line21, rows_of
from vqa_agent.capture.teletext import Teletext, is_teletext
from vqa_agent.media import Caption, CaptionKind

LINE21_TRACKS = ("eia_608", "cc_dec")
BITMAP_TRACKS = ("dvbsub", "dvdsub", "pgssub", "xsub")

LONG_GONE = 10.0
"""Seconds since its end after which a text is not told any more: it comes from before the stream was joined."""

SEAM = 0.1
"""Seconds between two pieces of one text, where a segment of HLS ends within it."""

SEGMENT_GRACE = 10.0
"""Media seconds that the next segment of a text rendition may come late before the service is gone."""

TELETEXT_GRACE = 120.0
"""Media seconds without any subtitle page, or later without any packet, after which a teletext carries no captions."""


@dataclass(slots=True)
class _Seam:
    """Text that reaches from one segment of HLS into the next, and is told in each: when it goes."""

    before: dict[str, float] = field(default_factory=dict)
    within: dict[str, float] = field(default_factory=dict)

    def next_segment(self) -> None:
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


class SubtitleTrack:
    """One subtitle track. Of a `segmented` one (HLS), an empty packet comes before the text of each segment."""

    def __init__(self, track: Any, segmented: bool) -> None:
        self._language = track.language if track.language not in (None, "und") else ""
        self._codec = track.codec_context.name if track.codec_context else "unread"
        self._seam = _Seam() if segmented else None
        self._line21 = Line21()
        self._teletext: Teletext | None = None
        self.readable = self._codec != "unread" and not segmented
        """Whether its text can be decoded here, as far as is known by now."""
        self.until = math.inf
        """Media second up to which it counts as carried."""

    @property
    def name(self) -> str:
        return f"{self._codec}:{self._language}" if self._language else self._codec

    def captions(self, packet: Any, time: float, now: float) -> Iterable[Caption]:
        """What a packet for media second `time` shows, at media second `now`.

        What is damaged or cannot be read here has no text, and is no error.
        """
        if not packet.size:
            self._begin_segment(packet, now)
            return ()
        if self._codec in LINE21_TRACKS:
            return self._line21.feed(bytes(packet), max(0.0, time))
        if packet.stream.codec_context is not None:
            return self._decoded(packet, time, now)
        data = bytes(packet)
        if self._teletext is None and is_teletext(data):
            self._codec, self._teletext = "teletext", Teletext(self._language)
            self.until = now + TELETEXT_GRACE
        return self._page(self._teletext, data, max(0.0, time), now) if self._teletext is not None else ()

    def _begin_segment(self, packet: Any, now: float) -> None:
        if self._seam is not None:
            self._seam.next_segment()
            self.readable = True
            self.until = now + float(packet.duration * packet.time_base) + SEGMENT_GRACE

    def _page(self, teletext: Teletext, data: bytes, time: float, now: float) -> list[Caption]:
        found = list(teletext.feed(data, time))
        if teletext.seen:
            self.readable, self.until = True, now + TELETEXT_GRACE
        return found

    def _decoded(self, packet: Any, time: float, now: float) -> list[Caption]:
        """What FFmpeg makes of a packet."""
        try:
            screen = packet.stream.decode2(packet)
        except (av.error.FFmpegError, ValueError):
            return []
        if screen is None:
            return []
        until = time + float(packet.duration * packet.time_base) if packet.duration else None
        time = max(0.0, time)
        if self._codec in BITMAP_TRACKS:
            return [Caption(time, self.name, CaptionKind.BITMAP, until=until, shown=any(map(is_drawn, screen)))]
        if until is not None and until <= max(0.0, now - LONG_GONE):
            return []
        text: str | None = "\n".join(rows_of(screen))
        shown = bool(text)
        if text and until is not None and self._seam is not None:
            text = self._seam.new(text, time, until)
        return [] if text is None else [Caption(time, self.name, CaptionKind.TEXT, text, until, shown)]


def is_drawn(rect: Any) -> bool:
    """Whether a bitmap subtitle has anything on it: its pixels are not all of one colour."""
    if not rect.width * rect.height or not rect.planes:
        return False
    return bool(np.ptp(np.frombuffer(memoryview(rect.planes[0]), np.uint8)))
