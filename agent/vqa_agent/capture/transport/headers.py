"""The header fields of many packets at once (ISO/IEC 13818-1, 2.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture.transport.framing import Packets
from vqa_agent.media import Plane

Flags = NDArray[np.bool_]

PIDS = 8192
PCR_HZ = 27_000_000
PCR_WRAP = 2**33 * 300


@dataclass(frozen=True, slots=True)
class Headers:
    """Packets of chosen PIDs, with a value of each field for each packet. `offsets`: see `Packets`."""

    offsets: NDArray[np.int64]
    rows: Plane
    pid: NDArray[np.uint16]
    error: Flags
    start: Flags
    scrambled: Flags
    payload: Flags
    counter: NDArray[np.int16]
    adaptation: NDArray[np.uint8]
    """Flags of the adaptation field; 0 where there is none."""

    @property
    def discontinuity(self) -> Flags:
        return np.asarray((self.adaptation & 0x80) != 0)

    @property
    def has_pcr(self) -> Flags:
        return np.asarray(((self.adaptation & 0x10) != 0) & (self.rows[:, 4] >= 7))

    def pcr(self, where: NDArray[np.intp]) -> list[int]:
        """Program clock references in ticks of 27 MHz of the packets at `where`, all of which have one."""
        field = self.rows[where, 6:12].astype(np.int64)
        base = (field[:, 0] << 25) | (field[:, 1] << 17) | (field[:, 2] << 9) | (field[:, 3] << 1) | (field[:, 4] >> 7)
        ticks: list[int] = (base * 300 + (((field[:, 4] & 1) << 8) | field[:, 5])).tolist()
        return ticks

    def stamped(self) -> NDArray[np.intp]:
        """Which packets begin a PES packet that has a presentation time stamp, in the clear."""
        where = np.flatnonzero(self.start & self.payload & ~self.scrambled & ~self.error)
        long = ((self.rows[where, 3] & 0x20) != 0) * (self.rows[where, 4].astype(np.intp) + 1)
        body = 4 + long
        where, body = where[body <= 180], body[body <= 180]
        rows = self.rows
        begins = (rows[where, body] == 0) & (rows[where, body + 1] == 0) & (rows[where, body + 2] == 1)
        return np.asarray(where[begins & ((rows[where, body + 7] & 0x80) != 0)])


def read_pids(packets: Packets) -> NDArray[np.uint16]:
    """(n,) packet identifiers."""
    high = (packets.rows[:, 1] & 0x1F).astype(np.uint16)
    return np.asarray((high << 8) | packets.rows[:, 2], np.uint16)


def read_headers(packets: Packets, pids: NDArray[np.uint16], chosen: Flags) -> Headers:
    """The headers of those packets whose PID is chosen in the table `chosen` (8192,)."""
    where = np.flatnonzero(chosen[pids])
    rows = packets.rows if where.size == len(pids) else packets.rows[where]
    first, third = rows[:, 1], rows[:, 3]
    extended = ((third & 0x20) != 0) & (rows[:, 4] > 0)
    return Headers(
        offsets=packets.offsets[where],
        rows=rows,
        pid=pids[where],
        error=(first & 0x80) != 0,
        start=(first & 0x40) != 0,
        scrambled=(third & 0xC0) != 0,
        payload=(third & 0x10) != 0,
        counter=(third & 0x0F).astype(np.int16),
        adaptation=np.where(extended, rows[:, 5], 0).astype(np.uint8),
    )
