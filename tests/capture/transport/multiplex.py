"""A transport stream of constant rate, drawn packet by packet, so that each indicator can be broken by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PMT_PID, VIDEO, AUDIO, OTHER, NULL = 0x100, 0x101, 0x102, 0x300, 0x1FFF
RATE = 2000
"""Packets a second: 3 Mbit/s."""

TABLE_PERIOD, PCR_PERIOD = 0.1, 0.04

Packet = bytearray
Change = Callable[[int, float, Packet], "list[Packet] | None"]
"""Number, second and bytes of a packet to what stands in its place; None: the packet as it may have been changed."""


def crc(data: bytes) -> int:
    """CRC-32 of MPEG-2, bit by bit (ISO/IEC 13818-1, annex A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


def section(table: int, number: int, body: bytes, version: int = 0) -> bytes:
    """A section with its CRC."""
    length = len(body) + 9
    head = bytes([table, 0xB0 | length >> 8, length & 0xFF])
    whole = head + number.to_bytes(2, "big") + bytes([0xC1 | version << 1, 0, 0]) + body
    return whole + crc(whole).to_bytes(4, "big")


PAT = section(0x00, 1, bytes([0, 1, 0xE0 | PMT_PID >> 8, PMT_PID & 0xFF, 0, 2, 0xE3, 0x80]))


def pmt(streams: dict[int, int], clock: int = VIDEO, version: int = 0) -> bytes:
    """A map of programme 1: PID to stream type."""
    body = bytes([0xE0 | clock >> 8, clock & 0xFF, 0xF0, 0])
    for pid, kind in streams.items():
        body += bytes([kind, 0xE0 | pid >> 8, pid & 0xFF, 0xF0, 0])
    return section(0x02, 1, body, version)


PMT = pmt({VIDEO: 0x1B, AUDIO: 0x03})


class Counters(dict[int, int]):
    def next(self, pid: int) -> int:
        self[pid] = (self.get(pid, -1) + 1) & 15
        return self[pid]


def packet(pid: int, counter: int, payload: bytes, *, start: bool = False, pcr: float | None = None) -> Packet:
    """188 bytes; a payload that is too short is stuffed in the adaptation field."""
    adaptation = b""
    if pcr is not None:
        ticks = round(pcr * 27e6)
        base, rest = divmod(ticks, 300)
        base %= 2**33
        adaptation = b"\x10" + (base << 15 | 0x7E00 | rest).to_bytes(6, "big")
    payload = payload[: 184 - (len(adaptation) + 1 if adaptation else 0)]
    room = 184 - len(payload)
    head = bytearray([0x47, (0x40 if start else 0) | pid >> 8, pid & 0xFF, (0x30 if room else 0x10) | counter])
    if room:
        head += bytes([room - 1]) + (adaptation or b"\x00" if room > 1 else b"").ljust(room - 1, b"\xff")
    return head + payload


def pes(pts: float, stream: int = 0xE0) -> bytes:
    """The first packet of a PES packet with a presentation time stamp."""
    value = round(pts * 90000) % 2**33
    stamp = bytes([0x21 | value >> 29 & 0xE, value >> 22 & 0xFF, value >> 14 & 0xFE | 1, value >> 7 & 0xFF])
    return bytes([0, 0, 1, stream, 0, 0, 0x80, 0x80, 5]) + stamp + bytes([value << 1 & 0xFE | 1])


def multiplex(
    seconds: float = 5.0, change: Change | None = None, *, clock: Callable[[float], float] = lambda time: time + 1.0
) -> bytes:
    """`seconds` of a programme with pictures, sound, another programme and null packets. `change` breaks it."""
    filler = np.random.default_rng(1)
    counters, out = Counters(), bytearray()
    due = {0: 0.0, PMT_PID: 0.005, VIDEO: 0.0, AUDIO: 0.01, "pcr": 0.0}
    for number in range(round(seconds * RATE)):
        time = number / RATE
        made = _packet(number, time, counters, due, clock, filler.integers(0, 256, 188, np.uint8).tobytes())
        changed = change(number, time, made) if change else None
        for one in [made] if changed is None else changed:
            out += one
    return bytes(out)


def _packet(number: int, time: float, counters: Counters, due: dict, clock, filler: bytes) -> Packet:
    for pid, table in ((0, PAT), (PMT_PID, PMT)):
        if time >= due[pid]:
            due[pid] += TABLE_PERIOD
            return packet(pid, counters.next(pid), (b"\x00" + table).ljust(184, b"\xff"), start=True)
    if time >= due["pcr"]:
        due["pcr"] += PCR_PERIOD
        return packet(VIDEO, counters.next(VIDEO), pes(clock(time)) + filler, start=True, pcr=clock(time))
    if time >= due[AUDIO]:
        due[AUDIO] += 0.024
        return packet(AUDIO, counters.next(AUDIO), pes(clock(time), 0xC0) + filler, start=True)
    if number % 7 == 0:
        return packet(OTHER, number * 5 & 15, filler)
    if number % 5 == 0:
        return packet(NULL, 0, filler)
    pid = AUDIO if number % 11 == 0 else VIDEO
    return packet(pid, counters.next(pid), filler)


def pid_of(made: Packet) -> int:
    return (made[1] & 0x1F) << 8 | made[2]


def without(chosen: Callable[[int, float, Packet], bool]) -> Change:
    """Leaves out the packets that are chosen."""
    return lambda number, time, made: [] if chosen(number, time, made) else None
