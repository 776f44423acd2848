"""The command line: one module per command, imported when it is asked for; errors as one line."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from vqa_agent.console import err
from vqa_agent.errors import AgentError


class Place(NamedTuple):
    """Where a command is: in which module of this package, as which function or group, its examples as which name."""

    module: str
    name: str
    examples: str = "EXAMPLES"

    def load(self, command: str) -> Any:
        module = import_module(f"vqa_agent.cli.{self.module}")
        found = getattr(module, self.name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(rich_markup_mode="rich", add_completion=False, pretty_exceptions_enable=False)
            alone.command(command, epilog=getattr(module, self.examples, None))(found)
            found = alone
        loaded = typer.main.get_command(found)
        loaded.name = command
        return loaded


PLACES = {
    "run": Place("run", "run"),
    "status": Place("status", "status"),
    "analyze": Place("analyze", "analyze"),
    "check": Place("check", "check"),
    "detectors": Place("detectors", "show_detectors"),
    "bench": Place("capacity", "bench", "BENCH_EXAMPLES"),
    "plan": Place("capacity", "plan", "PLAN_EXAMPLES"),
    "models": Place("models", "app"),
    "samples": Place("samples", "app"),
    "watch": Place("watch", "watch"),
    "collect": Place("collect", "collect"),
    "demo": Place("demo", "demo"),
    "config": Place("reference", "config", "CONFIG_EXAMPLES"),
    "schema": Place("reference", "schema", "SCHEMA_EXAMPLES"),
    "version": Place("reference", "version"),
}


class OnDemand(UserDict[str, Any]):
    """Commands by name. What one of them needs stays out of the daemon, which lives for months, and out of the way."""

    def __getitem__(self, name: str) -> Any:
        place: Place = super().__getitem__(name)
        return place.load(name)


class Commands(TyperGroup):
    """Shows what went wrong as one line on stderr, with the exit status that the error carries."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = OnDemand(PLACES)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AgentError as error:
            for line in str(error).splitlines():
                err.print(f"vqa-agent: {line}", markup=False)
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    cls=Commands,
    name="vqa-agent",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Watches live pictures and sound under a CPU budget and publishes defect events over MQTT.",
    epilog="Begin with: vqa-agent demo, or vqa-agent analyze FILE",
)


@app.callback()
def every_command() -> None:
    """Nothing comes before a command; but without this there would be no group of them."""


def main() -> None:
    """Entry point of `vqa-agent`."""
    app()
