"""Subtitles in teletext pages (ETSI EN 300 706, in DVB by EN 300 472): FFmpeg as built into PyAV cannot decode them.

What a page shows is complete when the next header of its magazine comes. Characters of the Latin sets are read, with
the national letters that the header chooses; letters that enhancement packets put together stay without their accents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vqa_agent.capture.line21 import added
from vqa_agent.media import Caption, CaptionKind

IDENTIFIERS = range(0x10, 0x20)
"""What a packet (PES) of teletext begins with."""

UNITS = (2, 3)
UNIT = 46
"""Bytes of a data unit: its kind, its length, line and field, framing code, and 42 bytes of teletext."""

FRAMING = 0xE4
LAST_ROW = 23
TIME_FILLING = 0xFF
"""A page that stands for none; its header only ends the page before."""

SETTLED = 0.4
"""Seconds after which a page is shown, though no further header has come."""

BOX, BOX_END = 0x0B, 0x0A
WRONG, DAMAGED = -1, "\ufffd"
"""A code of wrong parity, and what stands for it in the text."""

LATIN_PLACES = (0x23, 0x24, 0x40, 0x5B, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x7B, 0x7C, 0x7D, 0x7E)
NATIONAL = (
    "£$@←½→↑#—¼‖¾÷",
    "éïàëêùî#èâôûç",
    "#¤ÉÄÖÅÜ_éäöåü",
    "#ůčťžýířéáěúš",
    "#$§ÄÖÜ^_°äöüß",
    "ç$¡áéíóú¿üñèà",
    "£$é°ç→↑#ùàòèì",
    "#¤ŢÂŞĂÎıţâşăî",
)
"""Letters at LATIN_PLACES by C12 (1), C13 (2), C14 (4): English, French, Swedish, Czech, German, Spanish, Italian."""

OTHER_WRITING = ("ara", "bel", "bul", "ell", "fas", "gre", "heb", "mac", "mkd", "per", "rus", "srp", "ukr", "urd")
"""Languages that are not written in Latin letters: shown, but not read here."""

REVERSED = bytes(int(f"{code:08b}"[::-1], 2) for code in range(256))
"""DVB sends the first bit of teletext as the highest of a byte."""


def _hamming(data: int) -> int:
    """A byte of Hamming 8/4 (EN 300 706, 8.2) with four bits of data: D1 to D4 at bits 1, 3, 5, 7."""
    d1, d2, d3, d4 = (data >> bit & 1 for bit in range(4))
    p1, p2, p3 = 1 ^ d1 ^ d3 ^ d4, 1 ^ d1 ^ d2 ^ d4, 1 ^ d1 ^ d2 ^ d3
    p4 = 1 ^ p1 ^ d1 ^ p2 ^ d2 ^ p3 ^ d3 ^ d4
    return p1 | d1 << 1 | p2 << 2 | d2 << 3 | p3 << 4 | d3 << 5 | p4 << 6 | d4 << 7


HAMMING = tuple(map(_hamming, range(16)))
NIBBLES = {code ^ flip: data for data, code in enumerate(HAMMING) for flip in (0, *(1 << bit for bit in range(8)))}
"""The four bits that a byte stands for, one wrong bit corrected."""


@dataclass(slots=True)
class _Page:
    """A subtitle page on its way: what its header says, and the rows that have come since."""

    name: str
    time: float
    letters: dict[str, str]
    erased: bool
    rows: dict[int, str] = field(default_factory=dict)


class Teletext:
    """Reads the subtitle pages of one track. A page that is not marked as one (C6) is passed over."""

    def __init__(self, language: str = "") -> None:
        self._is_read = language not in OTHER_WRITING
        self._pages: dict[int, _Page] = {}
        self._shown: dict[str, dict[int, str]] = {}
        self.seen = False
        """Whether any subtitle page has come."""

    def feed(self, data: bytes, time: float) -> Iterator[Caption]:
        """What a packet that is shown at media second `time` changes on the screen."""
        for page in self._pages.values():
            if page.rows and time - page.time > SETTLED:
                yield from self._show(page)
        for start in range(1, len(data) - UNIT + 1, UNIT):
            kind, length, _, framing = data[start : start + 4]
            if kind in UNITS and length == UNIT - 2 and framing == FRAMING:
                yield from self._line(data[start + 4 : start + UNIT].translate(REVERSED), time)

    def _line(self, line: bytes, time: float) -> Iterator[Caption]:
        low, high = NIBBLES.get(line[0]), NIBBLES.get(line[1])
        if low is None or high is None:
            return
        magazine, row = low & 7, low >> 3 | high << 1
        if row == 0:
            if (page := self._pages.pop(magazine, None)) is not None:
                yield from self._show(page)
            self._begin(magazine, line[2:10], time)
        elif row <= LAST_ROW and (page := self._pages.get(magazine)) is not None:
            page.rows[row] = _boxed(line[2:], page.letters)

    def _begin(self, magazine: int, header: bytes, time: float) -> None:
        units, tens, _, erase, _, subtitle, _, national = (NIBBLES.get(code, 0) for code in header)
        number = tens << 4 | units
        if number != TIME_FILLING and subtitle & 8:
            self.seen = True
            letters = dict(zip(map(chr, LATIN_PLACES), NATIONAL[national >> 1], strict=True))
            name = f"teletext-{magazine or 8}{number:02x}"
            self._pages[magazine] = _Page(name, time, letters, bool(erase & 8))

    def _show(self, page: _Page) -> Iterator[Caption]:
        """What a page changes on the screen. One that is sent again and says the same changes nothing."""
        before = self._shown.get(page.name, {})
        now = page.rows if page.erased else before | page.rows
        self._shown[page.name] = now
        old, rows = ([text for _, text in sorted(each.items()) if text] for each in (before, now))
        if not rows and old:
            yield Caption(page.time, page.name, self._kind(typed=False), shown=False)
        elif (words := added(old, rows)) and rows != old:
            typed = words != added([], rows)
            text = words if typed else words.lstrip("\n")
            yield Caption(page.time, page.name, self._kind(typed), text if self._is_read else "")

    def _kind(self, typed: bool) -> CaptionKind:
        if not self._is_read:
            return CaptionKind.BITMAP
        return CaptionKind.ROLL_UP if typed else CaptionKind.TEXT


def is_teletext(data: bytes) -> bool:
    return len(data) > UNIT and data[0] in IDENTIFIERS and data[1] in (*UNITS, 0xFF) and data[2] == UNIT - 2


def _boxed(row: bytes, letters: dict[str, str]) -> str:
    """The letters of a row that stand in a box: only those are shown over the picture. Wrong parity is U+FFFD."""
    codes = [code & 0x7F if code.bit_count() % 2 else WRONG for code in row]
    if BOX not in codes:
        return ""
    text = ""
    for code in codes[codes.index(BOX) :]:
        if code == BOX_END:
            break
        text += DAMAGED if code == WRONG else " " if code < 0x20 else letters.get(chr(code), chr(code))
    return " ".join(text.split())
