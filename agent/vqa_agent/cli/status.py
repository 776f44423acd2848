"""`vqa-agent status`: how the daemon is, from its status file alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from vqa_agent.cli.status_view import render
from vqa_agent.config import DEFAULT_PATH, DEFAULT_STATE_DIR, load
from vqa_agent.console import out, print_json
from vqa_agent.errors import ConfigError
from vqa_agent.service.status import Health, Status, Verdict, judge, read, status_paths

EXAMPLES = """
Examples:

  vqa-agent status

  vqa-agent status --watch

  vqa-agent status --json | jq .verdict.health
"""

WATCH_STEP = 1.0
"""Seconds between two looks of --watch."""


def status(
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", metavar="FILE", readable=False, help="The daemon's configuration, for its state_dir."
        ),
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
        print_json(_as_json(found, verdict)) if as_json else out.print(render(found, verdict))
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
            live.update(render(found, verdict), refresh=True)
            yield found, verdict


def _look(config: Path) -> tuple[Status | None, Verdict]:
    """The first status file that can be read: a service's own state directory may be closed to this user."""
    state_dir, closed = _state_dir(config)
    paths = status_paths(state_dir)
    for path in paths:
        try:
            found = read(path)
        except FileNotFoundError:
            continue
        except PermissionError:
            closed = closed or f"reading {path}: no permission; run it as root or as the agent's user"
            continue
        except (OSError, ValueError) as error:
            return None, Verdict(Health.UNKNOWN, (f"reading {path}: {error}; it may be of another version",))
        return found, judge(found)
    places = ", ".join(str(path) for path in paths)
    nowhere = f"there is no status file ({places}); was the agent ever started? Name its --config"
    return None, Verdict(Health.UNKNOWN, (closed or nowhere,))


def _state_dir(config: Path) -> tuple[Path, str]:
    """Where the daemon keeps its state, and why that is a guess, where it is one."""
    try:
        return load(config).agent.state_dir, ""
    except ConfigError as error:
        first = str(error).splitlines()[0]
        return DEFAULT_STATE_DIR, f"{first}; so its state_dir is not known, and there is no status in the usual places"


def _as_json(found: Status | None, verdict: Verdict) -> dict[str, object]:
    values = found.model_dump(mode="json") if found else {}
    age = round((datetime.now(UTC) - found.time).total_seconds(), 1) if found else None
    return {
        "verdict": {"health": verdict.health.name.lower(), "reasons": list(verdict.reasons), "age": age},
        **values,
    }
