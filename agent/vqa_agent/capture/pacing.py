"""Plays a file at the speed of its own clock, as if it were live."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from time import monotonic


class Pace:
    """Holds samples back until their media time has come."""

    def __init__(self) -> None:
        self._began: float | None = None
        self.late = 0.0
        """Seconds by which the last sample came after its time."""

    def wait(self, media_time: float, stop: threading.Event) -> datetime:
        """Wait until `media_time` is due, or `stop` is set; the wall-clock time (UTC) at which it is."""
        if self._began is None:
            self._began = monotonic() - media_time
        early = self._began + media_time - monotonic()
        self.late = max(0.0, -early)
        if early > 0:
            stop.wait(early)
        return datetime.now(UTC)
