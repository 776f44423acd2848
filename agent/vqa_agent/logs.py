"""Logs go to stderr: in the form the journal reads under systemd, with the time of day elsewhere."""

from __future__ import annotations

import logging
import os
import sys

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog(3) priorities of Python's levels."""

TALKATIVE = ("amqtt", "transitions", "libav", "asyncio")
"""Libraries of which only errors are of interest."""


class JournalFormatter(logging.Formatter):
    """Lines that systemd reads the priority of, from `<N>`; it adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def set_up_logging(level: str) -> None:
    """Log to stderr from `level` on ("debug", "info", "warning", "error")."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ or "INVOCATION_ID" in os.environ:
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.ERROR)
