"""DVB subtitles (ETSI EN 300 743), made: bitmaps with a bar for each letter.

add_dvb_subtitles("a.ts", "b.ts", cues, language="deu")
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from vqa_agent.simulate.captions import Cue
from vqa_agent.simulate.encode import mux_beside

PAGE, REGION, CLUT, OBJECT, END = 0x10, 0x11, 0x12, 0x13, 0x80
PAGE_ID, WIDTH, HEIGHT = 1, 640, 40
TIMEOUT = 30
"""Seconds after which a decoder clears the page by itself."""

LETTER, GROUND = 1, 2
COLOURS = bytes((LETTER, 0x5F, 235, 128, 128, 0, GROUND, 0x5F, 16, 128, 128, 0))
"""White and black, opaque, in a table of sixteen: each as number, kind, Y, Cr, Cb, transparency."""


def drawn(text: str, version: int) -> bytes:
    """A display set with a row of bars, one for each letter of `text`; without text, one that clears the screen."""
    turn = (version & 15) << 4
    if not text:
        return _segment(PAGE, bytes((TIMEOUT, turn | 3))) + _segment(END, b"")
    pixels = b"".join(b"\x11" * 3 + b"\x22" for _ in text.replace("\n", " ")[: WIDTH // 8]).ljust(WIDTH // 2, b"\x22")
    line = b"\x11" + pixels + b"\x00\xf0"
    field = line * (HEIGHT // 2)
    region = struct.pack(">BBHHBBBBHHH", 0, turn | 15, WIDTH, HEIGHT, 2 << 5 | 2 << 2 | 3, 0, 0, 0x03, 1, 0, 0xF000)
    return b"".join((
        _segment(PAGE, struct.pack(">BBBBHH", TIMEOUT, turn | 2 << 2 | 3, 0, 0xFF, 40, 500)),
        _segment(REGION, region),
        _segment(CLUT, bytes((0, turn | 15)) + COLOURS),
        _segment(OBJECT, struct.pack(">HBHH", 1, turn | 1, len(field), len(field)) + field * 2),
        _segment(END, b""),
    ))  # fmt: skip


def add_dvb_subtitles(source: Path, path: Path, cues: Iterable[Cue], language: str = "") -> Path:
    """Copy `source` to `path`, a transport stream, with a track of bitmaps for `cues`. A cue without text clears."""
    changes = [change for cue in cues for change in ((cue.start, cue.text), (cue.end, ""))]
    timed = [(Fraction(time), drawn(text, number)) for number, (time, text) in enumerate(changes)]
    return mux_beside(source, path, "dvb_subtitle", timed, language)


def _segment(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBHH", 0x0F, kind, PAGE_ID, len(data)) + data
