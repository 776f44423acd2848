"""CEA-708 (DTVCC) packets to captions: as much of the standard as it takes to know which text appears, and when.

FFmpeg does not decode CEA-708. Where the text stands, its pen and its colours are read over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vqa_agent.media import Caption, CaptionKind

PAIR = 3
WINDOWS = range(8)

CLEAR, DISPLAY, HIDE, TOGGLE, DELETE, RESET = 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8F
C1_PARAMETERS = dict.fromkeys(range(136, 142), 1) | {0x90: 2, 0x91: 3, 0x92: 2, 0x97: 4}
C1_PARAMETERS |= dict.fromkeys(range(0x98, 0xA0), 6)
"""How many bytes follow a command of the set C1 (CTA-708-E, table 12 and on)."""

BACKSPACE, FORM_FEED, RETURN, EXTENDED, WIDE = 0x08, 0x0C, 0x0D, 0x10, 0x18
MUSIC_NOTE = 0x7F

NOT_TOLD, TYPED = 0, -1
"""How much of a window's text was told before any was: prepared out of sight, or written where it is seen."""


@dataclass(slots=True)
class _Window:
    """A window of a service: whether it is seen, its text, and how much of that was told."""

    seen: bool = False
    text: str = ""
    told: int = 0
    """Letters of it that were told, or NOT_TOLD, or TYPED."""


@dataclass(slots=True)
class _Service:
    """One caption service: its windows, and what its last data changed."""

    name: str
    windows: dict[int, _Window] = field(default_factory=dict)
    current: int = 0

    def take(self, data: bytes) -> None:
        """Obey the codes of one service block."""
        at = 0
        while at < len(data):
            code = data[at]
            at += 1
            if code in (EXTENDED, WIDE) or code < 0x20:
                at += self._control(code, data[at : at + 2])
            elif 0x80 <= code < 0xA0:
                count = C1_PARAMETERS.get(code, 0)
                self._command(code, data[at : at + count])
                at += count
            else:
                self._write("♪" if code == MUSIC_NOTE else chr(code))

    def changes(self, time: float, before: bool) -> Iterator[Caption]:
        """What is new on the screen since the last call; `before`: whether there was any text then."""
        for window in self.windows.values():
            if window.seen and window.told < len(window.text):
                typed, begins = window.told != NOT_TOLD, window.told == TYPED
                text = "\n" * begins + window.text[max(0, window.told) :]
                window.told = len(window.text)
                if text.strip():
                    yield Caption(time, self.name, CaptionKind.ROLL_UP if typed else CaptionKind.POP_ON, text)
        if before and not self.shows_text:
            yield Caption(time, self.name, CaptionKind.POP_ON, shown=False)

    @property
    def shows_text(self) -> bool:
        return any(window.seen and window.text.strip() for window in self.windows.values())

    def _window(self) -> _Window:
        return self.windows.setdefault(self.current, _Window())

    def _write(self, text: str) -> None:
        window = self._window()
        if window.seen and not window.text:
            window.told = TYPED
        window.text += text

    def _control(self, code: int, following: bytes) -> int:
        """A code of the set C0 or an extended one; how many of the bytes that follow belong to it."""
        if code == RETURN:
            self._write("\n")
        elif code == FORM_FEED:
            self._erase(self._window())
        elif code == BACKSPACE:
            self._window().text = self._window().text[:-1]
        elif code == WIDE and len(following) == 2:
            self._write(chr(int.from_bytes(following, "big")))
        elif code == EXTENDED and following:
            return self._extended(following[0])
        return 2 if code >= WIDE else 1 if code > EXTENDED else 0

    def _extended(self, code: int) -> int:
        """A code of the sets C2, C3, G2 or G3: their letters are marks and symbols."""
        if code < 0x20:
            return 1 + code // 8
        if 0x80 <= code < 0x90:
            return 5 if code < 0x88 else 6
        self._write(" ")
        return 1

    def _command(self, code: int, parameters: bytes) -> None:
        if code < CLEAR:
            self.current = code - 0x80
        elif code == RESET:
            self.windows.clear()
        elif code >= 0x98 and parameters:
            self.current = code - 0x98
            self._window().seen = bool(parameters[0] & 0x20)
        elif code <= DELETE and parameters:
            for number in WINDOWS:
                if parameters[0] >> number & 1 and number in self.windows:
                    self._change(code, number)

    def _change(self, code: int, number: int) -> None:
        window = self.windows[number]
        if code == CLEAR:
            self._erase(window)
        elif code == DELETE:
            del self.windows[number]
        else:
            window.seen = code == DISPLAY or (code == TOGGLE and not window.seen)
            window.told = NOT_TOLD if window.seen else window.told

    @staticmethod
    def _erase(window: _Window) -> None:
        window.text, window.told = "", NOT_TOLD


class Dtvcc:
    """The caption services of one programme's CEA-708 data. Triplets come in the order in which they are presented."""

    def __init__(self) -> None:
        self._services: dict[int, _Service] = {}
        self._packet = bytearray()

    def feed(self, triplets: bytes, time: float) -> Iterator[Caption]:
        """What the triplets of one picture, presented at media second `time`, change on the screen."""
        for start in range(0, len(triplets) - PAIR + 1, PAIR):
            header = triplets[start]
            if header & 3 == 3:
                self._packet.clear()
            if header & 4 and header & 2 and (header & 1 or self._packet):
                self._packet += triplets[start + 1 : start + PAIR]
                if len(self._packet) >= _length(self._packet):
                    yield from self._read(bytes(self._packet[1 : _length(self._packet)]), time)
                    self._packet.clear()

    def _read(self, blocks: bytes, time: float) -> Iterator[Caption]:
        """The service blocks of a whole packet."""
        at = 0
        while at < len(blocks):
            number, size = blocks[at] >> 5, blocks[at] & 0x1F
            at += 1
            if number == 7 and size and at < len(blocks):
                number, at = blocks[at] & 0x3F, at + 1
            if not number:
                return
            service = self._services.setdefault(number, _Service(f"708-{number}"))
            before = service.shows_text
            service.take(blocks[at : at + size])
            yield from service.changes(time, before)
            at += size


def _length(packet: bytes | bytearray) -> int:
    """Bytes of a packet with its header, which tells them."""
    return 2 * (packet[0] & 0x3F) or 128
