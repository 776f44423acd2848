"""CEA-608 (line 21) bytes to captions: services told apart here, text decoded by FFmpeg's cc_dec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import av.error

from vqa_agent.media import Caption, CaptionKind

TICKS = 90_000
LATENCY_MS = 500
"""How long letters that are being typed are gathered before they count as shown."""

PAIR = 3
"""Bytes of a triplet: a header (five marker bits, valid, two bits of type) and the pair."""

NULL = b"\xfc\x80\x80"
TAG = re.compile(r"\{\\[^}]*\}")
MODES = {
    0x20: CaptionKind.POP_ON,
    0x25: CaptionKind.ROLL_UP,
    0x26: CaptionKind.ROLL_UP,
    0x27: CaptionKind.ROLL_UP,
    0x29: CaptionKind.ROLL_UP,
}
"""The control codes that choose how text appears: RCL, RU2 to RU4, RDC."""

ODD = bytes(code | 0x80 if code.bit_count() % 2 == 0 else code for code in range(128))
"""Each 7-bit code with its odd parity bit."""


@dataclass(slots=True)
class Tally:
    """Bytes that were not padding, and how many of them had the wrong parity."""

    bytes: int = 0
    parity_errors: int = 0


def _decoder() -> Any:
    decoder = av.CodecContext.create("cc_dec", "r")
    decoder.options = {
        "real_time": "1",
        "real_time_latency_msec": str(LATENCY_MS),
        "data_field": "first",
        "pkt_timebase": f"1/{TICKS}",
    }
    return decoder


@dataclass(slots=True)
class _Service:
    """One of the four caption services: its decoder, what waits for it, what is on its screen."""

    name: str
    kind: CaptionKind = CaptionKind.POP_ON
    waiting: bytearray = field(default_factory=bytearray)
    rows: list[str] = field(default_factory=list)
    decoder: Any = field(default_factory=_decoder)

    def advance(self, time: float) -> Iterator[Caption]:
        """Decode what waits; what that changes on the screen at media second `time`."""
        packet = av.Packet(bytes(self.waiting) or NULL)
        packet.pts, packet.time_base = round(time * TICKS), Fraction(1, TICKS)
        self.waiting.clear()
        try:
            screen = self.decoder.decode2(packet)
        except (av.error.FFmpegError, ValueError):
            # Damaged bytes are no text; that they are damaged, the parity tells.
            return
        if screen is not None:
            yield from self._show(rows_of(screen), time)

    def _show(self, rows: list[str], time: float) -> Iterator[Caption]:
        before, self.rows = self.rows, rows
        if not rows:
            yield Caption(time, self.name, self.kind, shown=False)
        elif text := added(before, rows) if self.kind is CaptionKind.ROLL_UP else "\n".join(rows):
            yield Caption(time, self.name, self.kind, text)


class Line21:
    """The caption services of one programme. Pairs come in the order in which they are presented."""

    def __init__(self) -> None:
        self._services: dict[tuple[int, int], _Service] = {}
        self._channel = [0, 0]
        self._in_data = [False, False]
        self.tally = Tally()

    @property
    def names(self) -> list[str]:
        """The services that were used so far, such as cc1."""
        return sorted(service.name for service in self._services.values())

    def feed(self, triplets: bytes, time: float) -> Iterator[Caption]:
        """What the triplets of one picture, presented at media second `time`, change on the screen."""
        for start in range(0, len(triplets) - PAIR + 1, PAIR):
            header, high, low = triplets[start : start + PAIR]
            if header & 4 and header & 3 < 2 and (high | low) & 0x7F:
                self._take(header & 1, high, low)
        for service in self._services.values():
            yield from service.advance(time)

    def _take(self, line: int, high: int, low: int) -> None:
        wrong = sum(code.bit_count() % 2 == 0 for code in (high, low))
        self.tally.bytes += 2
        self.tally.parity_errors += wrong
        code = high & 0x7F
        if 0x10 <= code < 0x20:
            if not wrong:
                self._command(line, code, low & 0x7F)
        elif code < 0x10 and line and code:
            self._in_data[line] = code != 0x0F
        elif not self._in_data[line] and (service := self._services.get((line, self._channel[line]))):
            service.waiting += bytes((0xFC, high, low))

    def _command(self, line: int, high: int, low: int) -> None:
        """A control code says which of a field's two services it and what follows belong to."""
        self._in_data[line] = False
        self._channel[line] = high >> 3 & 1
        key = line, self._channel[line]
        if key not in self._services:
            self._services[key] = _Service(f"cc{1 + 2 * line + key[1]}")
        service = self._services[key]
        if high & ~8 in (0x14, 0x15):
            service.kind = MODES.get(low, service.kind)
        service.waiting += bytes((0xFC, ODD[high & ~8], ODD[low]))


def rows_of(screen: Any) -> list[str]:
    """The rows of text of a decoded subtitle, without styling."""
    text = "\n".join(TAG.sub("", rect.dialogue.decode("utf-8", "replace")) for rect in screen)
    rows = [row.replace("\\h", " ").strip() for row in text.replace("\\n", "\n").split("\n")]
    return [row for row in rows if row]


def added(before: list[str], now: list[str]) -> str:
    """What `now` shows that `before` did not, where rows roll out at the top and the last one grows.

    >>> added(["HELLO", "HOW"], ["HELLO", "HOW ARE"]), added(["HELLO", "HOW ARE"], ["HOW ARE", "YOU"])
    (' ARE', '\\nYOU')
    """
    for first in range(len(before)):
        kept = before[first:]
        if len(now) < len(kept) or now[: len(kept) - 1] != kept[:-1]:
            continue
        same = _common(kept[-1], now[len(kept) - 1])
        if same * 2 >= len(kept[-1]):
            return "\n".join([now[len(kept) - 1][same:], *now[len(kept) :]])
    return "\n".join(["", *now])


def _common(one: str, other: str) -> int:
    """Letters that two rows have in common from their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
