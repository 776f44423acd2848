"""`vqa-agent watch`: the events as a subscriber sees them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vqa_agent.config import DEFAULT_PATH, MqttSection, load, validate
from vqa_agent.console import SEVERITY_STYLES, out, print_json
from vqa_agent.event import Event, State
from vqa_agent.logs import set_up_logging
from vqa_agent.publish.subscriber import EVERYTHING, subscribe

EXAMPLES = """
Examples:

  vqa-agent watch

  vqa-agent watch --mqtt mqtt://broker.example --topic 'vqa/v1/+/+/event/#'

  vqa-agent watch --json | jq 'select(.state == "open")'
"""

ROWS = 30
"""Events that the table holds: those that are open, and the newest of the others."""

STATE_STYLES = {State.OPEN: "bold red", State.UPDATE: "yellow", State.CLOSED: "green"}


def watch(
    mqtt: Annotated[
        str, typer.Option(metavar="URL", help="The broker: mqtt://HOST[:PORT]. Default: that of the configuration.")
    ] = "",
    topic: Annotated[str, typer.Option(help="What to subscribe to.")] = EVERYTHING,
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration, for its section mqtt.")
    ] = DEFAULT_PATH,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every message, events or not, as a line with its topic and payload.")
    ] = False,
) -> None:
    """Show the events as central monitoring sees them, until Ctrl-C.

    A table on a terminal, a line per event elsewhere. Works with every agent that publishes to this broker.
    """
    set_up_logging("warning")
    settings = broker_settings(mqtt, config)
    messages = subscribe(settings, topic)
    if as_json:
        for name, payload in messages:
            print_json({"topic": name, "payload": payload})
    elif out.is_terminal:
        _show_table(events_of(messages))
    else:
        for event in events_of(messages):
            out.print(event_line(event), soft_wrap=True)


def broker_settings(url: str, config: Path) -> MqttSection:
    """The broker at `url`, or the configured one. Raises ConfigError."""
    settings = load(config).mqtt if not url else validate({"mqtt": {"url": url}}, path=Path("--mqtt")).mqtt
    if not settings.url:
        raise typer.BadParameter("the configuration names no broker; give its address", param_hint="--mqtt")
    return settings


def events_of(messages: Iterator[tuple[str, Any]]) -> Iterator[Event]:
    """The events among the messages; what is on an event's topic but is none is left out."""
    for topic, payload in messages:
        if "/event/" in topic:
            try:
                yield Event.model_validate(payload)
            except ValidationError as error:
                out.print(
                    f"a message on {topic} is not an event of version 1: {error.error_count()} faults", style="red"
                )


def event_line(event: Event) -> Text:
    """One event message on one line."""
    line = Text(f"{event.start:%H:%M:%S}  ")
    line.append(f"{event.state:<6} ", STATE_STYLES[event.state])
    line.append(f"{event.severity:<8} ", SEVERITY_STYLES[event.severity])
    line.append(f"{event.stream}  {event.defect}  {event.duration:.1f} s  ", "bold")
    line.append(measured(event), "dim")
    return line


def measured(event: Event) -> str:
    """What the event's detail says, in words."""
    return ", ".join(f"{key} {value}" for key, value in event.detail.items())


def _show_table(events: Iterator[Event], stop: threading.Event | None = None) -> None:
    shown: dict[str, Event] = {}
    order: deque[str] = deque()
    with Live(console=out, auto_refresh=False) as live:
        live.update(_table([]), refresh=True)
        for event in events:
            if event.id not in shown:
                order.appendleft(event.id)
            shown[event.id] = event
            while len(order) > ROWS:
                oldest = next((name for name in reversed(order) if shown[name].state is State.CLOSED), order[-1])
                order.remove(oldest)
                del shown[oldest]
            live.update(_table([shown[name] for name in order]), refresh=True)
            if stop is not None and stop.is_set():
                return


def _table(events: list[Event]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0), caption="Ctrl-C ends this", expand=True)
    for heading in ("Began (UTC)", "Stream", "Defect", "State", "Severity", "Seconds"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Measured", ratio=1)
    for event in events:
        table.add_row(
            f"{event.start:%H:%M:%S}",
            event.stream,
            event.defect,
            Text(event.state, STATE_STYLES[event.state]),
            Text(event.severity, SEVERITY_STYLES[event.severity]),
            f"{event.duration:.1f}",
            Text(measured(event), "dim"),
        )
    return table
