"""`vqa-agent collect`: the events of all agents into a database."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

import typer

from vqa_agent.cli.watch import broker_settings
from vqa_agent.collect import Collector, Progress
from vqa_agent.collect.store import Arrival
from vqa_agent.config import DEFAULT_PATH
from vqa_agent.console import err, print_json
from vqa_agent.errors import UsageError
from vqa_agent.logs import set_up_logging

EXAMPLES = """
Examples:

  vqa-agent collect --mqtt mqtt://broker.example --store events.db

  vqa-agent collect --config collector.toml --store postgresql://vqa@db/vqa

  vqa-agent collect --json | jq 'select(.event.state == "open")'
"""

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress."""


def collect(
    context: typer.Context,
    mqtt: Annotated[
        str, typer.Option(metavar="URL", help="The broker: mqtt://HOST[:PORT]. Default: that of the configuration.")
    ] = "",
    store: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            envvar="VQA_COLLECT_STORE",
            help="An SQLite file, or postgresql://USER@HOST/DATABASE (with the extra postgres).",
        ),
    ] = "vqa-events.db",
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="A configuration, for its section mqtt.")
    ] = DEFAULT_PATH,
    name: Annotated[str, typer.Option(help="Name of this collector at the broker; must stay the same.")] = "",
    group: Annotated[str, typer.Option(help="Collectors of one group divide the events between them.")] = "vqa",
    as_json: Annotated[bool, typer.Option("--json", help="Each new event as a line, once it is stored.")] = False,
) -> None:
    """Store the events of all agents, each once, and ask the agents for those that are missing, until Ctrl-C.

    The broker forgets a message only once it is stored, and keeps what arrives while the collector is away. It needs
    MQTT 5. A password of the database belongs in VQA_COLLECT_STORE or in ~/.pgpass, not on the command line.
    """
    set_up_logging("warning")
    source = context.get_parameter_source("store")
    if source is not None and source.name == "COMMANDLINE" and urlsplit(store).password:
        raise UsageError(
            "--store holds a password, which every user of this machine can see; "
            "put the address into VQA_COLLECT_STORE, or the password into ~/.pgpass"
        )
    collector = Collector(broker_settings(mqtt, config), store, name or socket.gethostname(), group)
    if as_json:
        collector.told = _print_event
    _end_on_signals(collector.stop)
    threading.Thread(target=_tell_progress, args=(collector,), daemon=True).start()
    collector.run()
    err.print(_line(collector.progress))


def _print_event(arrival: Arrival) -> None:
    print_json(
        {
            "site": arrival.site,
            "agent": arrival.agent,
            "replayed": arrival.replayed,
            "event": arrival.event.payload(),
        }
    )


def _end_on_signals(stop: threading.Event) -> None:
    def note(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)


def _tell_progress(collector: Collector) -> None:
    while not collector.stop.wait(PROGRESS_INTERVAL):
        err.print(_line(collector.progress))


def _line(progress: Progress) -> str:
    """What this collector has done, on one line."""
    return (
        f"{'connected' if progress.connected else 'not connected'}: {progress.stored} events stored "
        f"({progress.replayed} of them replayed), {progress.duplicates} duplicates, {progress.gaps} gaps now, "
        f"{progress.requests} requests, {progress.rejected} rejected"
    )
