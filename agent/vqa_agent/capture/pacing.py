"""Plays what comes faster than it should at the speed of its own clock: files as if live, segments in bursts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from time import monotonic

EARLY = 0.1
"""Seconds by which a sample may come before its time: to wait for each by itself would cost more than some looks."""


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
        if early > EARLY:
            stop.wait(early)
            early = 0.0
        return datetime.now(UTC) + timedelta(seconds=max(0.0, early))


FASTER = 1.02
"""Play-out is this much faster than the source's clock, so that a source whose clock runs faster is still followed."""


class PlayOut:
    """Plays an input that comes in bursts (segments over HTTP) evenly, so that a loss is one that a viewer sees too."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.lateness = 0.0
        """Seconds by which the newest sample came after its time."""

    def wait(self, media_time: float, stop: threading.Event) -> None:
        """Wait until `media_time` is due, or `stop` is set. What is late delays all that follows."""
        now = monotonic()
        media, moment = self._last or (media_time, now)
        if self._last is not None and media_time <= media:
            return
        due = moment + (media_time - media) / FASTER
        self.lateness = max(0.0, now - due)
        self._last = media_time, max(now, due)
        stop.wait(max(0.0, due - now))
