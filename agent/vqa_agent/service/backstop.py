"""Fits the unit's backstop to the configuration: run by the unit as root before the agent starts.

The agent keeps to its budget by itself; `CPUQuota` and `MemoryMax` are there for the day on which it fails to. They
leave room for what the budget averages away: a worker that starts, a network that is timed for the first time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vqa_agent.config import DEFAULT_PATH, BudgetSection, load
from vqa_agent.errors import ConfigError

UNIT = "vqa-agent.service"


def backstop(budget: BudgetSection) -> list[str]:
    """Properties of the unit.

    >>> backstop(BudgetSection(cpu=0.6, memory=600_000_000))
    ['CPUQuota=140%', 'MemoryMax=1200000000']
    """
    return [f"CPUQuota={round(150 * budget.cpu + 50)}%", f"MemoryMax={2 * budget.memory}"]


def main() -> int:
    """Exit status of systemctl; 0 where the configuration is refused, which the agent itself says better."""
    try:
        budget = load(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH).budget
    except ConfigError:
        return 0
    return subprocess.run(["systemctl", "set-property", "--runtime", UNIT, *backstop(budget)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
