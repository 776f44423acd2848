"""Bytes to transport packets: where they begin, how long they are, and when that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Plane

SYNC = 0x47
PACKET = 188

SIZES = (188, 192, 204)
"""Bytes from one sync byte to the next: plain, with a time code (M2TS), with Reed-Solomon parity."""

ACQUIRE = 5
"""Sync bytes in a row after which the framing is known (TR 101 290, 1.1)."""

LOSE = 2
"""Wrong sync bytes in a row after which it is lost (TR 101 290, 1.1)."""

_LOOK_AHEAD = (ACQUIRE - 1) * max(SIZES)


@dataclass(frozen=True, slots=True)
class Packets:
    """Whole packets in a row. `rows` is (n, 188); `offsets` (n,) says where in the stream each begins."""

    offsets: NDArray[np.int64]
    rows: Plane

    def __getitem__(self, part: slice) -> Packets:
        return Packets(self.offsets[part], self.rows[part])


@dataclass(frozen=True, slots=True)
class SyncError:
    """A wrong sync byte at `offset`; `lost`: not the only one in a row, so that the framing is to be found anew."""

    offset: int
    lost: bool


class Framer:
    """Cuts a stream into packets. What precedes the first framing, and an incomplete end, are not errors.

    How the bytes are cut into calls of `feed` makes no difference.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Packets | SyncError]:
        """What `data` completes, in the order of the stream."""
        self._rest += data
        while self._size or self._acquire():
            yield from self._cut()
            if self._size:
                return

    def skip(self, size: int = 0) -> None:
        """Bytes are missing here: find the framing anew, `size` bytes further on, without calling that a loss."""
        self._rest, self._offset = b"", self._offset + len(self._rest) + size
        self._size = 0

    def _acquire(self) -> bool:
        """Find the first place from which sync bytes follow each other at one of the sizes."""
        candidates = len(self._rest) - _LOOK_AHEAD
        if candidates <= 0:
            return False
        hits = np.frombuffer(self._rest, np.uint8) == SYNC
        starts = [(_first_run(hits, candidates, size), size) for size in SIZES]
        place, self._size = min(starts)
        if place == candidates:
            self._size = 0
        self._advance(place)
        return self._size > 0

    def _cut(self) -> Iterator[Packets | SyncError]:
        count = len(self._rest) // self._size
        units = np.frombuffer(self._rest, np.uint8, count * self._size).reshape(count, self._size)
        good = units[:, 0] == SYNC
        if good.all():
            yield from self._take(units, good)
            return
        lost = np.flatnonzero(~good[:-1] & ~good[1:])
        # A wrong sync byte in the last packet waits for the next one, which decides what it is.
        end = int(lost[0]) if lost.size else count - int(not good[-1])
        where = self._offset + end * self._size
        yield from self._take(units[:end], good[:end])
        if lost.size:
            yield SyncError(where, lost=True)
            self._advance(1)
            self._size = 0

    def _take(self, units: Plane, good: NDArray[np.bool_]) -> Iterator[Packets | SyncError]:
        offsets = self._offset + self._size * np.arange(len(units), dtype=np.int64)
        self._advance(units.size)
        if good.all():
            yield Packets(offsets, units[:, :PACKET])
            return
        for offset in offsets[~good]:
            yield SyncError(int(offset), lost=False)
        yield Packets(offsets[good], units[good, :PACKET])

    def _advance(self, count: int) -> None:
        self._rest = self._rest[count:]
        self._offset += count


def _first_run(hits: NDArray[np.bool_], candidates: int, size: int) -> int:
    """The first of the `candidates` places at which `ACQUIRE` hits follow at distance `size`; `candidates`: none."""
    run = hits[:candidates].copy()
    for step in range(1, ACQUIRE):
        run &= hits[step * size : step * size + candidates]
    return int(run.argmax()) if run.any() else candidates


def is_transport_stream(data: bytes) -> bool:
    """Whether packets can be found in `data`."""
    return any(isinstance(piece, Packets) for piece in Framer().feed(data))
