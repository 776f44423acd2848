"""The continuity counters of many PIDs at once (ISO/IEC 13818-1, 2.4.3.3; TR 101 290, 1.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture.transport.headers import PIDS, Headers
from vqa_agent.media import Plane

UNKNOWN = -1


class Continuity:
    """Follows the counter of each PID.

    Legal, and no error: a packet without payload, which does not count; a packet sent twice, once; any counter where
    the discontinuity indicator is set; the first packet of a PID. A packet that is marked as damaged is not compared,
    nor is the one after it: its counter means nothing.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Packets are missing for a reason that is known: begin anew with the next packet of each PID."""
        self._counter = np.full(PIDS, UNKNOWN, np.int16)
        self._repeated = np.zeros(PIDS, np.bool_)
        self._last: dict[int, bytes] = {}

    def errors(self, headers: Headers) -> NDArray[np.intp]:
        """Which packets do not continue those before them, in the order of the stream."""
        if not len(headers.pid):
            return np.zeros(0, np.intp)
        order = np.argsort(headers.pid, kind="stable")
        pid = headers.pid[order]
        first = np.append(True, pid[1:] != pid[:-1])
        counter = np.where(headers.error, UNKNOWN, headers.counter)[order]
        before = np.where(first, self._counter[pid], np.roll(counter, 1))
        payload = headers.payload[order]
        expected = np.where(payload, (before + 1) & 0x0F, before)
        comparable = (before != UNKNOWN) & (counter != UNKNOWN) & ~headers.discontinuity[order]
        wrong = comparable & (counter != expected)
        repeated = self._repeats(headers.rows, order, first, pid, wrong & payload & (counter == before))
        legal = repeated & ~np.where(first, self._repeated[pid], np.roll(repeated, 1))
        self._remember(headers.rows, order, pid, counter, repeated)
        return np.sort(order[wrong & ~legal])

    def _repeats(
        self,
        rows: Plane,
        order: NDArray[np.intp],
        first: NDArray[np.bool_],
        pid: NDArray[np.uint16],
        candidates: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Which of the `candidates` equal the packet before them, byte by byte."""
        found = np.zeros_like(candidates)
        for place in np.flatnonzero(candidates):
            before = self._last.get(int(pid[place]), b"") if first[place] else rows[order[place - 1]].tobytes()
            found[place] = _same(rows[order[place]].tobytes(), before)
        return found

    def _remember(
        self,
        rows: Plane,
        order: NDArray[np.intp],
        pid: NDArray[np.uint16],
        counter: NDArray[np.int16],
        repeated: NDArray[np.bool_],
    ) -> None:
        last = np.flatnonzero(np.append(pid[1:] != pid[:-1], True))
        self._counter[pid[last]] = counter[last]
        self._repeated[pid[last]] = repeated[last]
        for place in last:
            self._last[int(pid[place])] = rows[order[place]].tobytes()


def _same(packet: bytes, before: bytes) -> bool:
    """Whether a packet is sent twice: equal but for the clock reference, which may be renewed."""
    if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
        return packet[:6] == before[:6] and packet[12:] == before[12:]
    return packet == before
