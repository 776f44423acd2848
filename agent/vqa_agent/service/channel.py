"""The line between the supervisor and a worker. What a worker says is read as data and checked, never unpickled:
whoever takes over a decoder would otherwise run what he likes in the supervisor, which nothing seals. A message
arrives whole or not at all (SOCK_SEQPACKET), so that neither end waits for the rest of one.
"""

from __future__ import annotations

import re
import socket
from multiprocessing.connection import wait
from typing import Any

from pydantic import TypeAdapter

from vqa_agent.event import EventDraft
from vqa_agent.service.messages import Beat, Ended, SetLevel, Stop

Message = EventDraft | Beat | Ended | SetLevel | Stop

LONGEST = 64 * 1024
"""Bytes of a message."""

KINDS: dict[bytes, TypeAdapter[Any]] = {
    kind.__name__.encode(): TypeAdapter(kind) for kind in (EventDraft, Beat, Ended, SetLevel, Stop)
}
_DEFECT = re.compile(r"[a-z0-9_]{1,64}")


class Channel:
    """One end. It can be handed to a process that is being started."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, message: Message, waits: bool = True) -> None:
        """Raises OSError where the other end is gone, or (unless it `waits`) where it does not listen."""
        self._end.send(encode(message), 0 if waits else socket.MSG_DONTWAIT)

    def poll(self, timeout: float = 0.0) -> bool:
        """Whether there is something to receive within `timeout` seconds, the end among it."""
        return bool(wait([self._end], timeout))

    def receive(self) -> Message:
        """Raises EOFError at the end, OSError, or ValueError for what is no message."""
        data = self._end.recv(LONGEST)
        if not data:
            raise EOFError
        return decode(data)

    def close(self) -> None:
        self._end.close()


def encode(message: Message) -> bytes:
    kind = type(message).__name__.encode()
    return kind + b" " + KINDS[kind].dump_json(message)


def decode(data: bytes) -> Message:
    """Raises ValueError for what is no message, or an event that could not be published."""
    kind, _, body = data.partition(b" ")
    if kind not in KINDS:
        raise ValueError("a message of an unknown kind")
    message: Message = KINDS[kind].validate_json(body)
    if isinstance(message, EventDraft):
        message.numbered(1, "")
        if not _DEFECT.fullmatch(message.defect):
            raise ValueError("an event whose defect is not a name")
    return message
