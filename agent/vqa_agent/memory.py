"""The memory of a process: what it is spared, and what it gives back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8
"""Parameter of mallopt(3), from malloc.h of the GNU C library."""


def settle() -> None:
    """For the entry of a process, once, when all is imported.

    What was imported and built lives as long as the process: it is left out of garbage collections, which saves a
    twentieth of an analysis' CPU. Threads share one arena of the C library's heap: the few that there are seldom
    allocate at the same time, and each arena keeps what was freed in it.
    """
    gc.freeze()
    with suppress(OSError, AttributeError):  # Other C libraries have no arenas.
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the heap's free pages to the system: OpenVINO's compiler leaves 10 MB, a stream's first minutes 50 MB."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
