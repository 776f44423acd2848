"""Where the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

PIPE_WIDTH = 140
"""Columns of a table that is not written to a terminal."""

SEVERITY_STYLES = {"minor": "yellow", "major": "dark_orange", "critical": "bold red"}

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(values: Any, indent: int | None = None) -> None:
    """JSON on stdout, at once; one line unless indented."""
    separators = (",", ":") if indent is None else None
    sys.stdout.write(json.dumps(values, separators=separators, indent=indent, ensure_ascii=False) + "\n")
    sys.stdout.flush()
