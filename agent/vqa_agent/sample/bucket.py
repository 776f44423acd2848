"""A token bucket of CPU time that all processes of the agent share, so that no second lies far above the budget.

The governor holds the average of 10 s. Within these, key pictures, fragments for lip sync and files that begin again
may fall together; whoever comes then waits for a fraction of a second. Each process tells what it has used in a place
of its own, in memory that all of them see, and reads those of all. Nothing is locked: a process that is killed holds
nobody up.
"""

from __future__ import annotations

import threading
from multiprocessing.sharedctypes import RawArray
from time import monotonic, process_time
from typing import Any

PLACES = 256
"""Processes that a bucket is shared by, at most."""

DEPTH = 0.03
"""CPU seconds that may be used at once before anybody waits."""

LONGEST_DELAY = 0.8
"""Seconds by which a sample is late, at most, because of this: less than what counts as falling behind."""


class Bucket:
    """The bucket as one process sees it: `tell` or `pause` after each piece of work. It may be handed to a worker."""

    def __init__(self, cells: Any, place: int) -> None:
        self._cells, self._place = cells, place
        self._base: float | None = None
        self._ahead = 0.0

    def tell(self) -> None:
        """Note what this process has used by now."""
        if self._base is None:
            self._base = self._cells[self._place] - process_time()
            self._moment, self._used = monotonic(), sum(self._cells[1:])
        self._cells[self._place] = self._base + process_time()

    def pause(self, late: float, stop: threading.Event) -> None:
        """Wait while all processes together are ahead of the budget, or until `stop` is set.

        `late`: seconds by which this process is behind its input already, of which it is not made more than
        `LONGEST_DELAY`.
        """
        self.tell()
        now, used, rate = monotonic(), sum(self._cells[1:]), self._cells[0]
        ahead = self._ahead + used - self._used - rate * (now - self._moment)
        self._moment, self._used = now, used
        self._ahead = min(max(ahead, 0.0), DEPTH + rate * LONGEST_DELAY)
        if self._ahead > DEPTH and late < LONGEST_DELAY:
            stop.wait(min((self._ahead - DEPTH) / rate, LONGEST_DELAY - late))


class SharedUse:
    """What the processes have used, and how many cores they may use together (`rate`). The supervisor's own."""

    def __init__(self, rate: float) -> None:
        self._cells = RawArray("d", 1 + PLACES)
        self._own, *self._free = (Bucket(self._cells, place) for place in range(1, PLACES + 1))
        self.allow(rate)

    def allow(self, rate: float) -> None:
        """From now on, `rate` cores (above 0) may be used together."""
        self._cells[0] = rate

    def bucket(self) -> Bucket | None:
        """That of another process; None where there are too many."""
        return self._free.pop() if self._free else None

    def give_back(self, bucket: Bucket | None) -> None:
        """The process of this bucket has ended."""
        if bucket is not None:
            self._free.append(bucket)

    def tell(self) -> None:
        """Note what the supervisor itself has used by now."""
        self._own.tell()
