"""The text of one WebVTT segment of HLS, on the time stamps of the pictures beside it (RFC 8216, section 3.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TICKS = 90_000

HEAD = re.compile(rb"(?:\xef\xbb\xbf)?WEBVTT(?=[\s]|$)")
STAMP = r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})"
MAP = re.compile(r"^X-TIMESTAMP-MAP=(?=.*MPEGTS:(\d+))(?=.*LOCAL:" + STAMP + ")", re.MULTILINE)
CUE = re.compile(rf"^{STAMP}[ \t]+-->[ \t]+{STAMP}[^\n]*((?:\n.+)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TimedText:
    """Text shown from `start` to `end`, in seconds of presentation time; with the tags of WebVTT."""

    start: float
    end: float
    text: str


def is_webvtt(data: bytes) -> bool:
    return HEAD.match(data) is not None


def timed_text(data: bytes, begins: float = 0.0) -> Iterator[TimedText]:
    """The cues of a segment. Where it does not say how its time relates to that of the pictures, 0 is at `begins`.

    >>> head = "WEBVTT\\nX-TIMESTAMP-MAP=LOCAL:00:00:02.000,MPEGTS:900000\\n\\n"
    >>> list(timed_text((head + "00:03.000 --> 00:04.500 line:0\\nHello\\nthere\\n").encode()))
    [TimedText(start=11.0, end=12.5, text='Hello\\nthere')]
    """
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    head = text.partition("\n\n")[0]
    if (related := MAP.search(head)) is not None:
        begins = int(related[1]) / TICKS - _seconds(*related.groups()[1:])
    for cue in CUE.finditer(text):
        *stamps, words = cue.groups()
        start, end = _seconds(*stamps[:4]), _seconds(*stamps[4:])
        if end > start:
            yield TimedText(start + begins, end + begins, words.strip("\n"))


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths) / 1000
