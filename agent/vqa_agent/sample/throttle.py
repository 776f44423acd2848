"""Holds a stream that has no speed of its own, a file that is read as fast as possible, to a share of the CPU."""

from __future__ import annotations

import threading
from time import monotonic, process_time

STRETCH = 5.0
"""Seconds over which the use is balanced; what was left unused before is forgotten."""

LEAST_PAUSE, LONGEST_PAUSE = 0.02, 1.0


class Throttle:
    """Call `pause` after each sample: it waits while this process is ahead of its allowance."""

    def __init__(self) -> None:
        self.cores: float | None = None
        """CPU seconds a second; None: as many as there are."""
        self._begin()

    def pause(self, stop: threading.Event) -> None:
        """Wait as long as it takes, at most a second, or until `stop` is set."""
        if self.cores is None:
            return
        passed = monotonic() - self._moment
        ahead = (process_time() - self._spent) / self.cores - passed
        if ahead > LEAST_PAUSE:
            stop.wait(min(ahead, LONGEST_PAUSE))
        elif passed > STRETCH:
            self._begin()

    def _begin(self) -> None:
        self._moment, self._spent = monotonic(), process_time()
