"""`vqa-agent demo`: all of it on one machine."""

from __future__ import annotations

from typing import Annotated

import typer

from vqa_agent.demo.demo import run_demo
from vqa_agent.logs import set_up_logging

EXAMPLES = """
Examples:

  vqa-agent demo

  vqa-agent demo --mqtt mqtt://broker.example
"""


def demo(
    mqtt: Annotated[str, typer.Option(metavar="URL", help="Use this broker instead of one inside the demo.")] = "",
) -> None:
    """Show the whole way in a minute: a live stream with real defects, the agent, a broker, and what a subscriber sees.

    The stream is drawn, encoded, and sent over UDP on this machine. It turns black, freezes, falls silent, and stops.

    Exit status: 0 when every defect that was sent arrived over MQTT, 1 when not.
    """
    set_up_logging("error")
    if not run_demo(mqtt):
        raise typer.Exit(1)
