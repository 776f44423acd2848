"""The indicators of ETSI TR 101 290 for one programme of a transport stream, from its packets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from vqa_agent.capture.transport.continuity import Continuity
from vqa_agent.capture.transport.framing import Framer, Packets, SyncError
from vqa_agent.capture.transport.headers import PIDS, Headers, read_headers, read_pids
from vqa_agent.capture.transport.tables import (
    PAT_PID,
    PAT_TABLE,
    PMT_TABLE,
    Programme,
    SectionReader,
    crc_is_right,
    read_pat,
    read_pmt,
)
from vqa_agent.capture.transport.timing import PCR_LIMIT, Interval, ProgrammeClock

BLOCK = 64 * 1024
"""Bytes that are looked at together: fewer cost more, more come later."""

TABLE_LIMIT = 0.5
"""Seconds between two program association (or map) sections (TR 101 290, 1.3 and 1.5)."""

PTS_LIMIT = 0.7
"""Seconds between two presentation time stamps of a track (ISO/IEC 13818-1, 2.7.4; TR 101 290, 2.5)."""

MISSING_LIMIT = 5.0
"""Seconds for which a PID of pictures or sound may be silent (TR 101 290, 1.6, leaves it to the user)."""


class Indicator(StrEnum):
    """What is checked; the number is that of TR 101 290."""

    SYNC_LOSS = "sync_loss"
    """1.1"""
    SYNC_BYTE = "sync_byte"
    """1.2"""
    PAT = "pat"
    """1.3: late, scrambled, or another table in its place."""
    CONTINUITY = "continuity"
    """1.4"""
    PMT = "pmt"
    """1.5: late or scrambled."""
    PID = "pid"
    """1.6: pictures or sound that came before come no more."""
    TRANSPORT_ERROR = "transport_error"
    """2.1"""
    CRC = "crc"
    """2.2, of the two tables above."""
    PCR_INTERVAL = "pcr_interval"
    """2.3a"""
    PCR_DISCONTINUITY = "pcr_discontinuity"
    """2.3b"""
    PTS_INTERVAL = "pts_interval"
    """2.5"""


@dataclass(frozen=True, slots=True)
class Observation:
    """An indicator that was raised at byte `offset` of the stream.

    `interval`, `limit` and `usual` (seconds) where something was late, `seconds` where the clock jumped.
    """

    offset: int
    indicator: Indicator
    pid: int | None = None
    interval: float | None = None
    limit: float | None = None
    usual: float | None = None
    seconds: float | None = None


class Analyser:
    """Watches the programme that carries one of `tracks` (PIDs). Give it the bytes as they are; take what it saw.

    Other programmes and null packets do not count. How the bytes are cut into calls makes no difference.
    """

    def __init__(self, tracks: Collection[int]) -> None:
        self.programme: Programme | None = None
        self.packets = 0
        self._tracks = frozenset(tracks)
        self._framer = Framer()
        self._continuity = Continuity()
        self._clock = ProgrammeClock()
        self._announced = False
        self._sections: dict[int, SectionReader] = {}
        self._right: dict[int, bytes] = {}
        self._map_pids: dict[int, int] = {}
        self._intervals: dict[tuple[Indicator, int], Interval] = {}
        self._observations: list[Observation] = []
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._next: tuple[Programme | None] | None = None
        """What is to be followed from the next packet on."""
        self._follow(None)

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size >= BLOCK:
            self._work()

    def skip(self, size: int = 0) -> None:
        """Data is missing here for a reason that is known: nothing is compared across this place.

        `size` bytes of what is missing count in the offsets of what follows.
        """
        self._work()
        self._framer.skip(size)
        self._forget()

    def take(self, until: int | None = None) -> list[Observation]:
        """What was seen up to byte `until` (None: in all that was fed), in no order; each is taken once."""
        if until is None:
            self._work()
            until = 2**63
        if not self._observations:
            return []
        taken = [seen for seen in self._observations if seen.offset < until]
        self._observations = [seen for seen in self._observations if seen.offset >= until]
        return taken

    def _work(self) -> None:
        data, self._waiting, self._waiting_size = b"".join(self._waiting), [], 0
        for piece in self._framer.feed(data):
            if isinstance(piece, Packets):
                self._look(piece)
            else:
                self._note_sync(piece)

    def _note_sync(self, error: SyncError) -> None:
        self._observe(error.offset, Indicator.SYNC_LOSS if error.lost else Indicator.SYNC_BYTE)
        if error.lost:
            self._forget()

    def _forget(self) -> None:
        self._continuity.forget()
        self._sections.clear()
        self._forget_time()

    def _forget_time(self) -> None:
        self._clock.forget()
        for interval in self._intervals.values():
            interval.forget()

    def _look(self, packets: Packets) -> None:
        """Check `packets`, each by the programme that holds at its place."""
        self.packets += len(packets.offsets)
        pids = read_pids(packets)
        start = 0
        while start < len(pids):
            headers = read_headers(packets[start:], pids[start:], self._chosen)
            end = self._read_tables(headers)
            self._check(headers if end == len(headers.pid) else _part(headers, end))
            if self._next is None:
                return
            start = int(np.searchsorted(packets.offsets, headers.offsets[end - 1], side="right"))
            self._follow(*self._next)

    def _check(self, headers: Headers) -> None:
        if not len(headers.pid):
            return
        for place in np.flatnonzero(headers.error):
            self._observe(int(headers.offsets[place]), Indicator.TRANSPORT_ERROR, int(headers.pid[place]))
        for place in self._continuity.errors(headers):
            self._observe(int(headers.offsets[place]), Indicator.CONTINUITY, int(headers.pid[place]))
        if self.programme is not None:
            self._check_times(headers, self.programme)

    def _check_times(self, headers: Headers, programme: Programme) -> None:
        stamped = headers.stamped()
        for pid in programme.steady:
            self._note(Indicator.PID, pid, headers.offsets[headers.pid == pid])
            self._note(Indicator.PTS_INTERVAL, pid, headers.offsets[stamped[headers.pid[stamped] == pid]])
        references = self._references(headers, programme.clock_pid)
        if not references:
            return
        self._note(Indicator.PCR_INTERVAL, programme.clock_pid, np.array([place[0] for place in references], np.int64))
        ticks, jumps = self._clock.add(references)
        for jump in jumps:
            self._observe(jump.offset, Indicator.PCR_DISCONTINUITY, programme.clock_pid, seconds=jump.seconds)
        for (indicator, pid), interval in self._intervals.items():
            for late in interval.check(ticks):
                seen = Observation(late.offset, indicator, pid, late.interval, interval.limit, late.usual)
                self._observations.append(seen)

    def _references(self, headers: Headers, pid: int) -> list[tuple[int, int, bool]]:
        """Offset, value and announced discontinuity of each clock reference of `pid`."""
        where = np.flatnonzero((headers.pid == pid) & ~headers.error & (headers.has_pcr | headers.discontinuity))
        has_pcr, announced = headers.has_pcr[where], headers.discontinuity[where]
        values = iter(headers.pcr(where[has_pcr]))
        references = []
        for offset, has, breaks in zip(headers.offsets[where].tolist(), has_pcr, announced, strict=True):
            self._announced = self._announced or bool(breaks)
            if has:
                references.append((offset, next(values), self._announced))
                self._announced = False
        return references

    def _read_tables(self, headers: Headers) -> int:
        """Read the tables up to the packet that changes what is followed (`_next`); how many packets that were."""
        for place in np.flatnonzero(self._tables[headers.pid] & ~headers.error):
            pid, offset = int(headers.pid[place]), int(headers.offsets[place])
            if headers.scrambled[place]:
                self._observe(offset, Indicator.PAT if pid == PAT_PID else Indicator.PMT, pid)
                continue
            reader = self._sections.setdefault(pid, SectionReader())
            for section in reader.feed(headers.rows[place].tobytes()):
                if pid == PAT_PID and section[0] != PAT_TABLE:
                    self._observe(offset, Indicator.PAT, pid)
                elif self._is_intact(pid, offset, section):
                    self._read_section(pid, offset, section)
            if self._next is not None:
                return int(place) + 1
        return len(headers.pid)

    def _is_intact(self, pid: int, offset: int, section: bytes) -> bool:
        if section != self._right.get(pid):
            if not crc_is_right(section):
                self._observe(offset, Indicator.CRC, pid)
                return False
            self._right[pid] = section
        return True

    def _read_section(self, pid: int, offset: int, section: bytes) -> None:
        is_current = bool(section[5] & 1)
        if pid == PAT_PID:
            self._note(Indicator.PAT, pid, np.array([offset]))
            if is_current:
                self._read_pat(section)
        elif section[0] == PMT_TABLE and is_current and (programme := read_pmt(section, pid)) is not None:
            self._read_pmt(offset, programme)

    def _read_pat(self, section: bytes) -> None:
        """Learn where the maps are. The followed programme's own map may have moved."""
        maps = self._map_pids | read_pat(section)
        if self.programme is None and maps != self._map_pids:
            self._next = (None,)
        elif self.programme is not None and maps.get(self.programme.number) not in (None, self.programme.map_pid):
            self._next = (replace(self.programme, map_pid=maps[self.programme.number]),)
        self._map_pids = maps

    def _read_pmt(self, offset: int, programme: Programme) -> None:
        """Find the programme that carries the tracks, and follow its changes."""
        if self.programme is None:
            if programme.streams & self._tracks:
                self._next = (programme,)
        elif programme.number == self.programme.number:
            self._note(Indicator.PMT, programme.map_pid, np.array([offset]))
            if programme != self.programme:
                self._next = (programme,)

    def _follow(self, programme: Programme | None) -> None:
        """Choose the PIDs that count, and what must come again and again in them."""
        maps = list(self._map_pids.values()) if programme is None else [programme.map_pid]
        self._tables, self._chosen = np.zeros(PIDS, np.bool_), np.zeros(PIDS, np.bool_)
        self._tables[[PAT_PID, *maps]] = True
        self._chosen[list(self._tracks if programme is None else programme.pids)] = True
        self._chosen |= self._tables
        wanted = {(Indicator.PAT, PAT_PID): TABLE_LIMIT}
        if programme is not None:
            wanted |= {(Indicator.PMT, programme.map_pid): TABLE_LIMIT}
            wanted |= {(Indicator.PCR_INTERVAL, programme.clock_pid): PCR_LIMIT}
            wanted |= {(Indicator.PID, pid): MISSING_LIMIT for pid in programme.steady}
            wanted |= {(Indicator.PTS_INTERVAL, pid): PTS_LIMIT for pid in programme.steady}
        repeats = {Indicator.PID: 1.0}
        self._intervals = {
            key: self._intervals.get(key) or Interval(limit, repeats.get(key[0])) for key, limit in wanted.items()
        }
        if programme is None or self.programme is None or programme.clock_pid != self.programme.clock_pid:
            self._forget_time()
        self.programme, self._next = programme, None

    def _note(self, indicator: Indicator, pid: int, offsets: NDArray[np.int64]) -> None:
        if (interval := self._intervals.get((indicator, pid))) is not None:
            interval.note(offsets)

    def _observe(
        self, offset: int, indicator: Indicator, pid: int | None = None, *, seconds: float | None = None
    ) -> None:
        self._observations.append(Observation(offset, indicator, pid, seconds=seconds))


def _part(headers: Headers, end: int) -> Headers:
    """The first `end` of the packets."""
    return Headers(*(getattr(headers, name)[:end] for name in Headers.__slots__))
