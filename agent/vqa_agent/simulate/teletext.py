"""Subtitles in teletext pages (ETSI EN 300 706), made: packets of a DVB transport stream (EN 300 472).

add_teletext("a.ts", "b.ts", cues, seconds, language="deu")
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vqa_agent.capture.teletext import BOX, BOX_END, FRAMING, HAMMING, LATIN_PLACES, NATIONAL, REVERSED, TIME_FILLING
from vqa_agent.simulate.captions import Cue, with_parity
from vqa_agent.simulate.encode import mux_beside

STEP = Fraction(1, 25)
COLUMNS = 40
ERASE, SUBTITLE = 8, 8
"""C4 and C6 in their halves of bytes."""


def header(page: int, *, subtitle: bool = True, national: int = 0) -> bytes:
    """The 42 bytes of the header (row 0) of a page, numbered as 0x888 is."""
    magazine, number = page >> 8 & 7, page & 0xFF
    flags = [number & 15, number >> 4, 0, ERASE, 0, SUBTITLE * subtitle, 0, national << 1]
    return bytes(HAMMING[code] for code in (magazine, 0, *flags)) + bytes(map(with_parity, b" " * 32))


def row(page: int, number: int, text: str, national: int = 0) -> bytes:
    """The 42 bytes of a row of text in a box."""
    places = dict(zip(NATIONAL[national], LATIN_PLACES, strict=True))
    codes = [BOX, BOX, *(places.get(letter, ord(letter) & 0x7F) for letter in text[: COLUMNS - 4]), BOX_END, BOX_END]
    codes += [0x20] * (COLUMNS - len(codes))
    address = page >> 8 & 7 | number << 3
    return bytes((HAMMING[address & 15], HAMMING[address >> 4])) + bytes(map(with_parity, codes))


def packet(lines: Iterable[bytes]) -> bytes:
    """What one packet (PES) carries: each line as a data unit of subtitles, filled up to whole transport packets."""
    units = [bytes((3, 44, 0xE0 | 7 + at % 16, FRAMING)) + line.translate(REVERSED) for at, line in enumerate(lines)]
    units += [b"\xff\x2c" + b"\xff" * 44] * (-(len(units) + 1) % 4)
    return b"\x10" + b"".join(units)


def add_teletext(
    source: Path,
    path: Path,
    cues: Sequence[Cue],
    seconds: float,
    *,
    page: int = 0x888,
    language: str = "",
    national: int = 0,
    subtitle: bool = True,
    parity_errors: float = 0.0,
) -> Path:
    """Copy `source` to `path` with teletext beside it: a page for each cue, and one that is empty at its end.

    A share `parity_errors` of the letters has the wrong parity.
    """
    rng = np.random.default_rng(7)
    shown: dict[int, Sequence[str]] = {}
    for cue in cues:
        shown |= {round(cue.start / STEP): cue.text.split("\n"), round(cue.end / STEP): ()}
    timed = []
    for number in range(round(seconds / STEP)):
        lines = [header(page & 0xF00 | TIME_FILLING, subtitle=False)]
        if (rows := shown.get(number)) is not None:
            written = [row(page, 20 + 2 * at, text, national) for at, text in enumerate(rows)]
            written = [_damaged(line, parity_errors, rng) for line in written]
            lines = [header(page, subtitle=subtitle, national=national), *written, *lines]
        timed.append((number * STEP, packet(lines)))
    return mux_beside(source, path, "dvb_teletext", timed, language)


def _damaged(line: bytes, share: float, rng: np.random.Generator) -> bytes:
    return line[:2] + bytes(code ^ 0x80 if rng.uniform() < share else code for code in line[2:])
