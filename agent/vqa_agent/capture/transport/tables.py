"""The tables that say what a transport stream carries: program association and program map (ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PAT_PID, NO_PID = 0, 0x1FFF
PAT_TABLE, PMT_TABLE, STUFFING = 0x00, 0x02, 0xFF

VIDEO_TYPES = frozenset([0x01, 0x02, 0x10, 0x1B, 0x20, 0x24, 0x33, 0x42, 0xD1, 0xEA])
AUDIO_TYPES = frozenset([0x03, 0x04, 0x0F, 0x11, 0x1C, 0x81, 0x87])
PRIVATE_TYPE = 0x06
AUDIO_DESCRIPTORS = frozenset([0x6A, 0x7A, 0x7B, 0x7C])
"""AC-3, enhanced AC-3, DTS and AAC in private data, as DVB signals them (EN 300 468)."""

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_MAX_SECTION = 1024


@dataclass(frozen=True, slots=True)
class Programme:
    """One programme: its number, the PIDs of its map and its clock, all its streams, and those that never pause."""

    number: int
    map_pid: int
    clock_pid: int
    streams: frozenset[int]
    steady: frozenset[int]
    """Pictures and sound; subtitles and data may be silent for as long as they like."""

    @property
    def pids(self) -> frozenset[int]:
        clock = {self.clock_pid} - {NO_PID}
        return self.streams | clock | {self.map_pid}


class SectionReader:
    """The packets of one PID to whole sections."""

    def __init__(self) -> None:
        self._part = b""
        self._counter: int | None = None

    def feed(self, packet: bytes) -> Iterator[bytes]:
        """The sections that `packet` (188 bytes) completes. Packets sent twice are taken once."""
        counter, begins = packet[3] & 0x0F, bool(packet[1] & 0x40)
        body = _payload(packet)
        if not body or counter == self._counter:
            return
        if self._counter is None or counter != (self._counter + 1) & 0x0F:
            self._part = b""
        self._counter = counter
        if not begins:
            if self._part:
                self._part += body
                yield from self._whole()
            return
        pointer = body[0] + 1
        if self._part:
            self._part += body[1:pointer]
            yield from self._whole()
        self._part = body[pointer:]
        yield from self._whole()

    def _whole(self) -> Iterator[bytes]:
        while len(self._part) >= 3 and self._part[0] != STUFFING:
            length = 3 + (int.from_bytes(self._part[1:3], "big") & 0x0FFF)
            if length > _MAX_SECTION:
                break
            if len(self._part) < length:
                return
            section, self._part = self._part[:length], self._part[length:]
            yield section
        if len(self._part) >= 3 or self._part[:1] == b"\xff":
            self._part = b""


def _payload(packet: bytes) -> bytes:
    if not packet[3] & 0x10:
        return b""
    return packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]


def crc_is_right(section: bytes) -> bool:
    """Whether the CRC-32 of MPEG-2 over the whole section, its own CRC included, is zero.

    zlib has the same polynomial with the bits of each byte in the other order.
    """
    return zlib.crc32(section.translate(_REVERSED)) == 0xFFFFFFFF


def read_pat(section: bytes) -> dict[int, int]:
    """Program number to the PID of its map, without the network information (number 0)."""
    entries = section[8:-4]
    pairs = {_word(entries, place): _word(entries, place + 2) & 0x1FFF for place in range(0, len(entries) - 3, 4)}
    return {number: pid for number, pid in pairs.items() if number}


def read_pmt(section: bytes, pid: int) -> Programme | None:
    """The programme that a section of table 2, received on `pid`, describes; None where it is cut short."""
    if len(section) < 16:
        return None
    place, end = 12 + (_word(section, 10) & 0x0FFF), len(section) - 4
    streams, steady = set(), set()
    while place + 5 <= end:
        stream, length = _word(section, place + 1) & 0x1FFF, _word(section, place + 3) & 0x0FFF
        streams.add(stream)
        if _is_steady(section[place], section[place + 5 : place + 5 + length]):
            steady.add(stream)
        place += 5 + length
    clock = _word(section, 8) & 0x1FFF
    return Programme(_word(section, 3), pid, clock, frozenset(streams), frozenset(steady))


def _is_steady(kind: int, descriptors: bytes) -> bool:
    if kind in VIDEO_TYPES or kind in AUDIO_TYPES:
        return True
    return kind == PRIVATE_TYPE and bool(AUDIO_DESCRIPTORS & set(_tags(descriptors)))


def _tags(descriptors: bytes) -> Iterator[int]:
    place = 0
    while place + 2 <= len(descriptors):
        yield descriptors[place]
        place += 2 + descriptors[place + 1]


def _word(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")
