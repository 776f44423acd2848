"""Reads packets of a live input in a thread of its own, so that a slow look never stops the receiving.

The queue is bounded, in packets and bytes. When it is full, this machine is too slow: pictures are left out up to the
next key picture and counted as the receiver's own loss, not the stream's. An input that comes in segments arrives in
bursts and waits for us instead.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import av.error

from vqa_agent.capture.opening import Opened, explain
from vqa_agent.errors import one_line

QUEUE_PACKETS = 600
QUEUE_BYTES = 24_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet and the moment (monotonic seconds) at which it arrived."""

    packet: Any
    moment: float


@dataclass(frozen=True, slots=True)
class End:
    """Why reading ended; empty at a regular end."""

    reason: str


class PacketReader:
    """Demuxes in a thread. Iterate `arrivals`; None means that nothing came for `tick` seconds.

    What is pulled waits for room in the queue; what is sent to us is left out where there is none.

    The thread owns what is open: it closes it once `stop()` was called and its own last read has ended. FFmpeg must not
    be closed under a read, nor under the decoding of packets that still wait in the queue.
    """

    def __init__(self, opened: Opened, streams: list[Any], size: int = QUEUE_PACKETS, *, patient: bool = False) -> None:
        self._opened = opened
        self._streams = streams
        self._queue: queue.Queue[Arrival | End] = queue.Queue(size)
        self._patient = patient
        self._put_bytes = self._taken_bytes = 0
        self._stop = threading.Event()
        self._skipping = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="demux", daemon=True)
        self._thread.start()

    def arrivals(self, tick: float) -> Iterator[Arrival | End | None]:
        while not self._stop.is_set():
            try:
                arrival = self._queue.get(timeout=tick)
            except queue.Empty:
                yield None
                continue
            if isinstance(arrival, Arrival):
                self._taken_bytes += arrival.packet.size
            yield arrival

    def take_dropped(self) -> int:
        """Packets left out since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped

    def stop(self, patience: float = 0.5) -> None:
        """Let the thread end; a read that is stuck in the network ends at its own time limit."""
        self._stop.set()
        self._opened.end_input()
        self._thread.join(patience)

    def _read(self) -> None:
        try:
            for packet in self._opened.packets(self._streams):
                if self._stop.is_set():
                    return
                if packet.size or packet.dts is not None:
                    offer = self._put if self._opened.pulled else self._offer
                    offer(Arrival(packet, monotonic()))
            self._put(End(self._opened.last_words()))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._put(End(one_line(explain(error))))
        finally:
            self._stop.wait()
            self._opened.close()

    def _offer(self, arrival: Arrival) -> None:
        is_video = arrival.packet.stream.type == "video"
        if is_video and self._skipping and not arrival.packet.is_keyframe:
            self.dropped += 1
            return
        if self._patient:
            self._put(arrival)
            return
        try:
            if self._put_bytes - self._taken_bytes > QUEUE_BYTES:
                raise queue.Full
            self._queue.put_nowait(arrival)
            self._put_bytes += arrival.packet.size
            self._skipping = self._skipping and not is_video
        except queue.Full:
            self.dropped += 1
            self._skipping = self._skipping or is_video

    def _put(self, item: Arrival | End) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return
            except queue.Full:
                continue
