"""`vqa-agent status`: how the daemon is, from its status file alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vqa_agent.config import DEFAULT_PATH, DEFAULT_STATE_DIR, load
from vqa_agent.console import SEVERITY_STYLES, out, print_json
from vqa_agent.errors import ConfigError
from vqa_agent.service.messages import Signal
from vqa_agent.service.status import Health, Status, StreamStatus, Verdict, judge, read, status_paths

EXAMPLES = """
Examples:

  vqa-agent status

  vqa-agent status --watch

  vqa-agent status --json | jq .verdict.health
"""

STYLES = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "bold red", Health.UNKNOWN: "magenta"}

WATCH_STEP = 1.0
"""Seconds between two looks of --watch."""


def status(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration, for its state_dir.")
    ] = DEFAULT_PATH,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with the verdict in it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every second until Ctrl-C.")] = False,
) -> None:
    """Tell how the daemon is. Works when it is dead.

    Healthy means that every stream is watched and events are delivered. Defects of the streams are listed, but they
    are what the agent is there to find: they do not make it ill.

    Exit status: 0 healthy, 1 degraded, 2 down, 3 cannot tell.
    """
    if not watch:
        found, verdict = _look(config)
        print_json(_as_json(found, verdict)) if as_json else out.print(_render(found, verdict))
        raise typer.Exit(int(verdict.health))
    for found, verdict in _looks(config) if as_json else _shown_live(config):
        if as_json:
            print_json(_as_json(found, verdict))


def _looks(config: Path) -> Iterator[tuple[Status | None, Verdict]]:
    while True:
        yield _look(config)
        time.sleep(WATCH_STEP)


def _shown_live(config: Path) -> Iterator[tuple[Status | None, Verdict]]:
    with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
        for found, verdict in _looks(config):
            live.update(_render(found, verdict), refresh=True)
            yield found, verdict


def _look(config: Path) -> tuple[Status | None, Verdict]:
    paths = status_paths(_state_dir(config))
    for path in paths:
        try:
            found = read(path)
        except FileNotFoundError:
            continue
        except PermissionError:
            return None, Verdict(
                Health.UNKNOWN, (f"reading {path}: no permission; run it as root or as the agent's user",)
            )
        except (OSError, ValueError) as error:
            return None, Verdict(Health.UNKNOWN, (f"reading {path}: {error}; it may be of another version",))
        return found, judge(found)
    places = ", ".join(str(path) for path in paths)
    return None, Verdict(
        Health.UNKNOWN, (f"there is no status file ({places}); was the agent ever started? Name its --config",)
    )


def _state_dir(config: Path) -> Path:
    with suppress(ConfigError):
        return load(config).agent.state_dir
    return DEFAULT_STATE_DIR


def _as_json(found: Status | None, verdict: Verdict) -> dict[str, object]:
    values = found.model_dump(mode="json") if found else {}
    age = round((datetime.now(UTC) - found.time).total_seconds(), 1) if found else None
    return {
        "verdict": {"health": verdict.health.name.lower(), "reasons": list(verdict.reasons), "age": age},
        **values,
    }


def _render(found: Status | None, verdict: Verdict) -> RenderableType:
    parts: list[RenderableType] = [Text(verdict.health.name, STYLES[verdict.health])]
    parts += [Text(f"  {reason}") for reason in verdict.reasons]
    if found is not None:
        parts += [_head(found), _streams(found)]
        if any(stream.open for stream in found.streams.values()):
            parts.append(_open_defects(found))
    return Group(*parts)


def _head(found: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    running = (found.time - found.started).total_seconds()
    delivery = found.delivery
    broker = "not configured" if not delivery.configured else "not connected"
    if delivery.connected:
        broker = f"connected (MQTT {delivery.protocol})"
    for name, value in (
        ("agent", f"{found.agent} at {found.site}, version {found.version}, process {found.pid}"),
        ("running", f"for {running / 3600:.1f} h, since {found.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("CPU", f"{found.cpu:.0%} of a core, budget {found.budget:.0%}"),
        ("memory", f"{found.rss / 1e6:.0f} MB, budget {found.memory / 1e6:.0f} MB"),
        ("broker", f"{broker}, {delivery.pending} events wait, last event number {delivery.seq}"),
    ):
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _streams(found: Status) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("Stream", "State", "Signal", "Format", "Looks", "CPU", "Latency", "Coverage", "Blind", "Defects"):
        table.add_column(heading, no_wrap=heading != "Format")
    for name, stream in found.streams.items():
        signal = Text(stream.signal, "green" if stream.signal is Signal.OK else "yellow")
        table.add_row(
            name, stream.state, signal, _format(stream), stream.level_name, f"{stream.cpu:.0%}",
            f"{stream.latency:.1f} s", _coverage(stream), str(len(stream.blind) or ""), str(len(stream.open) or ""),
        )  # fmt: skip
    return table


def _format(stream: StreamStatus) -> str:
    known = stream.format
    picture = f"{known.get('width')}x{known.get('height')} {known.get('rate', 0):g}" if known.get("width") else ""
    sound = f"{known['audio_codec']} {known.get('layout', '')}" if known.get("audio_codec") else ""
    return ", ".join(part for part in (picture, sound) if part)


def _coverage(stream: StreamStatus) -> str:
    """The least of all detectors that had something to look at."""
    shares = [share for share in stream.coverage.values() if share is not None]
    return f"{min(shares):.0%}" if shares else ""


def _open_defects(found: Status) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("Open defect", "Stream", "Severity", "Since (UTC)"):
        table.add_column(heading)
    for name, stream in found.streams.items():
        for defect in stream.open:
            severity = Text(defect.severity, SEVERITY_STYLES[defect.severity])
            table.add_row(defect.defect, name, severity, f"{defect.start:%H:%M:%S}")
    return table
