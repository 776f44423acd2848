"""Where bytes come from when FFmpeg is not to fetch them itself, and how they can be had a second time.

A `Tap` is a file for `av.open` that keeps what it passed on until the transport monitor has looked at it. A file on
disk needs none: `Reread` reads it again, in step with the decoding, from the system's cache.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import av
import av.error

from vqa_agent.capture.transport import Hole

MOST_HELD = 32 * 2**20
"""Bytes that wait for the monitor; what comes beyond is decoded all the same, but not looked at."""

PIECE = 256 * 1024
"""Bytes that are read again at a time."""

RAW_PACKET = 32 * 1024
"""Bytes that FFmpeg hands over at most when it only fetches."""


class Origin(Protocol):
    """Gives bytes, once. `read` waits for some; nothing means the end."""

    def read(self, size: int) -> bytes | Hole: ...

    def stop(self) -> None:
        """Let a `read` that waits in another thread return, where that is possible."""

    def close(self) -> None: ...


class Tap:
    """Passes the bytes of `origin` on to FFmpeg (`read`), and gives them again to the monitor (`take`).

    The two may run in different threads.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._peeked = deque[bytes]()
        self._held = deque[bytes | Hole]()
        self._lock = threading.Lock()
        self._size = 0
        self._given = 0
        self._keeps = True

    def peek(self, size: int) -> bytes:
        """The first `size` bytes (fewer: there are no more), which `read` will give once more."""
        while sum(map(len, self._peeked)) < size and (data := self._next(size)):
            self._peeked.append(data)
        return b"".join(self._peeked)

    def read(self, size: int) -> bytes:
        """Some bytes, at most `size`; nothing at the end. Holes are noted, but not passed on."""
        data = self._peeked.popleft() if self._peeked else self._next(size)
        if len(data) > size:
            self._peeked.appendleft(data[size:])
            data = data[:size]
        self._hold(data)
        return data

    def take(self, until: int | None) -> Iterator[bytes | Hole]:
        """See `transport.monitor.Feed`."""
        while self._held and (until is None or self._given <= until):
            with self._lock:
                piece = self._held.popleft()
                self._given += len(piece) if isinstance(piece, bytes) else piece.unseen
                self._size -= len(piece) if isinstance(piece, bytes) else 0
            yield piece

    def forgo(self) -> None:
        """Nobody will `take`: it is no transport stream."""
        self._keeps = False
        self._held.clear()

    def close(self) -> None:
        self.origin.close()

    def _next(self, size: int) -> bytes:
        while isinstance(piece := self.origin.read(size), Hole):
            if self._keeps:
                self._held.append(piece)
        return piece

    def _hold(self, data: bytes) -> None:
        if not self._keeps or not data:
            return
        with self._lock:
            if self._size < MOST_HELD:
                self._held.append(data)
                self._size += len(data)
            elif isinstance(last := self._held[-1], Hole):
                self._held[-1] = replace(last, unseen=last.unseen + len(data))
            else:
                self._held.append(Hole(unseen=len(data)))


class Pipe:
    """A program's output, with short reads passed on at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def stop(self) -> None:
        """The end of the program ends the read."""

    def close(self) -> None:
        """The pipe belongs to the program."""


class Fetch:
    """Bytes that FFmpeg fetches by one of its protocols, without looking into them. Raises what `av.open` raises."""

    def __init__(self, url: str, options: dict[str, str], timeout: tuple[float, float]) -> None:
        options = {**options, "raw_packet_size": str(RAW_PACKET)}
        self._container = av.open(url, "r", format="data", options=options, timeout=timeout)
        self._packets: Iterator[Any] = self._container.demux()

    def read(self, size: int) -> bytes:
        for packet in self._packets:
            if packet.size:
                return bytes(packet)
        return b""

    def stop(self) -> None:
        """A read ends at its own time limit."""

    def close(self) -> None:
        with suppress(av.error.FFmpegError):
            self._container.close()


class Reread:
    """A file on disk, read for the monitor as far as it has been decoded."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._given = 0

    def take(self, until: int | None) -> Iterator[bytes | Hole]:
        """See `transport.monitor.Feed`."""
        while (until is None or self._given <= until) and (data := self._file.read(PIECE)):
            self._given += len(data)
            yield data

    def close(self) -> None:
        self._file.close()
