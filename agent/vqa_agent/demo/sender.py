"""Sends a recorded transport stream over UDP at the speed of its own clock, as an encoder does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import av
import av.error

from vqa_agent.demo.programme import Part

DATAGRAM = 7 * 188
"""Bytes in a datagram: as many transport packets as Ethernet carries unfragmented."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A part of the programme, and when (UTC) its sending begins."""

    part: Part
    start: datetime


class Sender:
    """Sends `path` to `url` in a thread. Holes in the programme are times in which nothing is sent."""

    def __init__(self, path: Path, url: str, parts: tuple[Part, ...]) -> None:
        self._path = path
        self._url = url
        self._parts = parts
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="sender", daemon=True)

    def start(self) -> list[Sent]:
        """Begin; says when each part will be on its way."""
        self._began = monotonic()
        now, plan = datetime.now(UTC), []
        for part in self._parts:
            plan.append(Sent(part, now))
            now += timedelta(seconds=part.seconds)
        self._thread.start()
        return plan

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _send(self) -> None:
        with av.open(str(self._path)) as source:
            packets = source.demux()
            base: float | None = None
            for start, seconds, offset in self._stretches():
                with av.open(f"{self._url}?pkt_size={DATAGRAM}", "w", format="mpegts") as output:
                    tracks = {track.index: output.add_stream_from_template(track) for track in source.streams}
                    for packet in packets:
                        if packet.dts is None:
                            continue
                        moment = float(packet.dts * packet.time_base)
                        base = moment if base is None else base
                        if not self._forward(packet, moment - base, offset, tracks, output):
                            return
                        if moment - base >= start + seconds:
                            break

    def _stretches(self) -> Iterator[tuple[float, float, float]]:
        """Start (programme seconds), length, and how much later than that it is sent: each stretch without a hole."""
        start = length = offset = 0.0
        for part in self._parts:
            if part.sent:
                length += part.seconds
                continue
            yield start, length, offset
            start, length, offset = start + length, 0.0, offset + part.seconds
        yield start, length, offset

    def _forward(self, packet: Any, moment: float, offset: float, tracks: dict[int, Any], output: Any) -> bool:
        """Send one packet when it is due; False when the sender was stopped."""
        if self._stop.wait(max(0.0, self._began + moment + offset - monotonic())):
            return False
        later = round(offset / packet.time_base)
        packet.stream = tracks[packet.stream.index]
        packet.dts, packet.pts = packet.dts + later, packet.pts + later
        # Nobody listening is no reason to stop sending: UDP says so with an error on some systems.
        with suppress(av.error.FFmpegError):
            output.mux(packet)
        return True
