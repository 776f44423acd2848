"""`vqa-agent config`, `schema` and `version`: what others build on, printed."""

from __future__ import annotations

import sys

import typer

from vqa_agent import __version__
from vqa_agent.console import print_json
from vqa_agent.event import schema as event_schema
from vqa_agent.sample_config import sample

CONFIG_EXAMPLES = """
Examples:

  vqa-agent config > /etc/vqa-agent/agent.toml
"""

SCHEMA_EXAMPLES = """
Examples:

  vqa-agent schema > event.schema.json
"""


def config() -> None:
    """Print a sample configuration: every key, its default and what it does."""
    sys.stdout.write(sample())


def schema() -> None:
    """Print the JSON Schema of an event."""
    print_json(event_schema(), indent=2)


def version() -> None:
    """Print the version."""
    typer.echo(f"vqa-agent {__version__}")
