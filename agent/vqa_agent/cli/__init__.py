"""The command line: one module per command, errors as one line."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from vqa_agent.cli import (
    analyze,
    capacity,
    check,
    collect,
    demo,
    detectors,
    models,
    reference,
    run,
    samples,
    status,
    watch,
)
from vqa_agent.console import err
from vqa_agent.errors import AgentError


class Commands(TyperGroup):
    """Shows what went wrong as one line on stderr, with the exit status that the error carries."""

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
app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=status.EXAMPLES)(status.status)
app.command(epilog=analyze.EXAMPLES)(analyze.analyze)
app.command(epilog=check.EXAMPLES)(check.check)
app.command("detectors", epilog=detectors.EXAMPLES)(detectors.show_detectors)
app.command(epilog=capacity.BENCH_EXAMPLES)(capacity.bench)
app.command("plan", epilog=capacity.PLAN_EXAMPLES)(capacity.plan)
app.add_typer(models.app, name="models")
app.add_typer(samples.app, name="samples")
app.command(epilog=watch.EXAMPLES)(watch.watch)
app.command(epilog=collect.EXAMPLES)(collect.collect)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=reference.CONFIG_EXAMPLES)(reference.config)
app.command(epilog=reference.SCHEMA_EXAMPLES)(reference.schema)
app.command()(reference.version)


def main() -> None:
    """Entry point of `vqa-agent`."""
    app()
