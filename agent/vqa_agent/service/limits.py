"""What a worker may take of the machine, whatever its stream makes the decoder do."""

from __future__ import annotations

import resource

MEMORY_FLOOR = 4 * 2**30
"""Least limit of address space: networks map far more than they ever touch."""

MEMORY_FACTOR = 6
"""Address space in multiples of the agent's memory budget, where that is more."""

LARGEST_FILE = 2**30
OPEN_FILES = 512


def confine(memory: int) -> None:
    """Bound this process and what it starts: a hostile stream ends its worker, not the machine.

    `memory` is the agent's budget in bytes. A limit that is already lower stays.
    """
    for kind, limit in (
        (resource.RLIMIT_AS, max(MEMORY_FLOOR, MEMORY_FACTOR * memory)),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        soft, hard = resource.getrlimit(kind)
        known = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
        resource.setrlimit(kind, (min(known), min(known)))
