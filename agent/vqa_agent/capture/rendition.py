"""Text renditions of HLS, fetched beside FFmpeg and given to the decoder as packets of FFmpeg's own track.

FFmpeg would fetch them, too. But it passes over how their time relates to that of the pictures, and says nothing of
segments that stop coming.
"""

from __future__ import annotations

import logging
import math
import re
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from time import monotonic
from typing import Any
from urllib.parse import urljoin

import av

from vqa_agent.capture.guard import PIECE, Guard
from vqa_agent.capture.webvtt import TICKS, is_webvtt, timed_text
from vqa_agent.errors import hide_secrets, one_line

log = logging.getLogger(__name__)

LARGEST_TEXT = 4 * 2**20
"""Bytes that a playlist or a segment of text may have."""

PATIENCE = 2.0
"""Seconds that either may take to be fetched: pictures wait for it."""

RETRY = 30.0
"""Media seconds to the next attempt, where the playlist cannot be had."""

RECENT = 6
"""Segments of a live playlist that are read at first; FFmpeg begins with the last three of the pictures."""

LONGEST_STEP = 10.0
"""Seconds between two time stamps beyond which a jump lies there."""

UNFIT = re.compile(r"^#EXT-X-(?:MAP:|KEY:METHOD=(?!NONE))", re.MULTILINE)
"""Text in fragments of MP4, and encrypted text: carried, but not read here."""

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a playlist: its number in the stream, seconds from the first that is listed, seconds it lasts."""

    number: int
    begin: float
    duration: float
    url: str


@dataclass(frozen=True, slots=True)
class Playlist:
    segments: tuple[Segment, ...]
    target: float
    """Longest duration of a segment, in seconds."""
    ended: bool

    @classmethod
    def parse(cls, text: str, url: str) -> Playlist:
        """The playlist at `url`. Raises ValueError where it is none.

        >>> listed = "#EXTM3U\\n#EXT-X-TARGETDURATION:4\\n#EXT-X-MEDIA-SEQUENCE:7\\n#EXTINF:4.0,\\na.vtt\\n"
        >>> Playlist.parse(listed, "http://host/text/all.m3u8").segments
        (Segment(number=7, begin=0.0, duration=4.0, url='http://host/text/a.vtt'),)
        """
        if not text.lstrip("\ufeff").startswith("#EXTM3U"):
            raise ValueError("it is not a playlist")
        number, begin, duration, target, segments = 0, 0.0, 0.0, 6.0, []
        for line in map(str.strip, text.splitlines()):
            tag, _, value = line.partition(":")
            if tag == "#EXTINF":
                duration = max(0.0, float(value.partition(",")[0]))
            elif tag == "#EXT-X-MEDIA-SEQUENCE":
                number = int(value)
            elif tag == "#EXT-X-TARGETDURATION":
                target = max(1.0, float(value))
            elif line and not line.startswith("#"):
                segments.append(Segment(number, begin, duration, urljoin(url, line)))
                number, begin = number + 1, begin + duration
        return cls(tuple(segments), target, "#EXT-X-ENDLIST" in text)


class Rendition:
    """Follows the playlist of one text rendition in step with the packets of the pictures or the sound.

    `begins` is the time stamp (seconds) at which a playlist that has ended begins.
    """

    def __init__(self, guard: Guard, url: str, track: Any, begins: float) -> None:
        self._guard, self._url, self._begins = guard, url, begins
        self.track = track
        self._waiting: deque[Segment] = deque()
        self._last = -1
        self._due = 0.0
        self._passed, self._stamp = 0.0, (-1, math.nan)

    def packets(self, beside: Any) -> Iterator[Any]:
        """The text that is to be read by the time of the packet `beside`.

        An empty packet comes before the text of a segment: it says how long the segment lasts.
        """
        self._advance(beside)
        if self._passed >= self._due:
            self._load()
        while self._waiting and self._waiting[0].begin <= self._passed:
            yield from self._read(self._waiting.popleft())

    def _advance(self, packet: Any) -> None:
        """Count the seconds of material that have passed, by the time stamps of one track."""
        track, before = self._stamp
        if packet.dts is None or track not in (-1, packet.stream.index):
            return
        moment = float(packet.dts * packet.time_base)
        if 0 < moment - before <= LONGEST_STEP:
            self._passed += moment - before
        self._stamp = packet.stream.index, moment

    def _load(self) -> None:
        """Look for new segments; those of a playlist that goes on are read at once."""
        self._due = self._passed + RETRY
        text = fetched(self._guard, self._url).decode(errors="replace")
        if UNFIT.search(text):
            self._due = math.inf
            return
        try:
            playlist = Playlist.parse(text, self._url)
        except ValueError:
            return
        self._due = math.inf if playlist.ended else self._passed + playlist.target / 2
        if playlist.segments and playlist.segments[-1].number < self._last - RECENT:
            self._last = -1
        new = [segment for segment in playlist.segments if segment.number > self._last]
        if not playlist.ended or self._last >= 0:
            new = [replace(segment, begin=0.0) for segment in new[-RECENT:]]
        self._waiting.extend(new)
        self._last = max([self._last, *(segment.number for segment in new)])

    def _read(self, segment: Segment) -> Iterator[Any]:
        data = fetched(self._guard, segment.url)
        if not is_webvtt(data):
            return
        yield self._packet(b"", 0.0, segment.duration)
        for cue in timed_text(data, self._begins):
            yield self._packet(cue.text.encode(), cue.start, cue.end - cue.start)

    def _packet(self, data: bytes, start: float, duration: float) -> Any:
        packet = av.Packet(data)
        packet.stream, packet.time_base = self.track, Fraction(1, TICKS)
        packet.pts = packet.dts = round(start * TICKS)
        packet.duration = round(duration * TICKS)
        return packet


def fetched(guard: Guard, url: str) -> bytes:
    """What is at `url`; nothing where it cannot be had."""
    until, data = monotonic() + PATIENCE, bytearray()
    try:
        with closing(guard.open(url, 0, {})) as file:
            while (piece := file.read(PIECE)) and len(data) <= LARGEST_TEXT and monotonic() < until:
                data += piece
    except (OSError, ValueError) as error:
        log.info("text of %s: %s", hide_secrets(url), one_line(error))
        return b""
    return bytes(data)


def renditions(guard: Guard, url: str, container: Any) -> tuple[Rendition, ...]:
    """Those of the container's text tracks whose playlists the playlist at `url`, which FFmpeg has opened, names."""
    tracks = container.streams.subtitles
    if not tracks:
        return ()
    guard = guard.within(PATIENCE)
    listed = {}
    for line in fetched(guard, url).decode(errors="replace").splitlines():
        tag, _, value = line.strip().partition(":")
        known = {name: given.strip('"') for name, given in ATTRIBUTE.findall(value)}
        if tag == "#EXT-X-MEDIA" and known.get("TYPE") == "SUBTITLES" and "URI" in known:
            listed[known.get("NAME", ""), known.get("LANGUAGE", "")] = urljoin(url, known["URI"])
    begins = (container.start_time or 0) / av.time_base if container.duration else 0.0
    names = [(track.metadata.get("comment", ""), track.metadata.get("language", "")) for track in tracks]
    return tuple(
        Rendition(guard, listed[name], track, begins)
        for name, track in zip(names, tracks, strict=True)
        if name in listed
    )
