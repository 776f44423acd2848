"""Logs go to the journal with fields under systemd, to stderr with the time of day elsewhere."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog(3) priorities of Python's levels."""

TALKATIVE = ("amqtt", "transitions", "libav", "asyncio")
"""Libraries of which only errors are of interest."""

IDENTIFIER = "vqa-agent"
JOURNAL = Path("/run/systemd/journal/socket")


class JournalFormatter(logging.Formatter):
    """Lines that systemd reads the priority of, from `<N>`; it adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class JournalHandler(logging.Handler):
    """Sends each record to journald with the fields of `fields(...)`, so that `journalctl STREAM=main` finds it.

    What journald does not take (it is being restarted, the message is too long) goes to stderr.
    """

    def __init__(self, address: Path) -> None:
        super().__init__()
        self._address = str(address)
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._instead = logging.StreamHandler(sys.stderr)
        self._instead.setFormatter(JournalFormatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        values = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            **getattr(record, "journal", {}),
        }
        try:
            self._channel.sendto(native(values), self._address)
        except OSError:
            self._instead.emit(record)

    def close(self) -> None:
        self._channel.close()
        super().close()


def fields(**values: str) -> dict[str, dict[str, str]]:
    """Fields of the journal for one record: `log.info(..., extra=fields(STREAM="main"))`."""
    return {"journal": values}


def native(values: Mapping[str, str]) -> bytes:
    r"""Fields in the journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

    >>> native({"STREAM": "main"})
    b'STREAM=main\n'
    >>> native({"MESSAGE": "two\nlines"})
    b'MESSAGE\n\t\x00\x00\x00\x00\x00\x00\x00two\nlines\n'
    """
    parts = []
    for name, text in values.items():
        value = text.encode(errors="replace")
        head = name.encode() + (b"\n" + len(value).to_bytes(8, "little") if b"\n" in value else b"=")
        parts.append(head + value + b"\n")
    return b"".join(parts)


def set_up_logging(level: str) -> None:
    """Log from `level` on ("debug", "info", "warning", "error")."""
    logging.basicConfig(level=level.upper(), handlers=[_handler()], force=True)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.ERROR)


def _handler() -> logging.Handler:
    if "JOURNAL_STREAM" in os.environ and JOURNAL.exists():
        return JournalHandler(JOURNAL)
    handler = logging.StreamHandler(sys.stderr)
    by_systemd = "JOURNAL_STREAM" in os.environ or "INVOCATION_ID" in os.environ
    handler.setFormatter(JournalFormatter("%(message)s") if by_systemd else _with_time())
    return handler


def _with_time() -> logging.Formatter:
    return logging.Formatter("%(asctime)s %(levelname)s %(message)s")
