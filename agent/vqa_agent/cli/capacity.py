"""`vqa-agent bench` and `vqa-agent plan`: what this box can carry, before anything is deployed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from vqa_agent.capacity import Capacity, FormName, Plan, measure, read_capacity, write_capacity
from vqa_agent.capacity import plan as planned
from vqa_agent.capture.hardware import WAYS, refusal
from vqa_agent.config import DEFAULT_PATH, DEFAULT_STATE_DIR, BudgetSection, load
from vqa_agent.console import err, out, print_json
from vqa_agent.errors import ConfigError, UsageError
from vqa_agent.infer import prefer
from vqa_agent.sample import LADDER

BENCH_EXAMPLES = """
Examples:

  vqa-agent bench

  vqa-agent bench --json
"""
PLAN_EXAMPLES = """
Examples:

  vqa-agent plan --streams 4 --budget 150%

  vqa-agent plan --streams 8 --budget 60% --form 720p25
"""

WORTHWHILE = 0.1
"""Share of a stream's CPU that decoding by hardware must save."""

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The daemon's configuration, for its state_dir.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


def bench(config: ConfigPath = DEFAULT_PATH, as_json: AsJson = False) -> None:
    """Measure what a stream costs on this box on each rung of the ladder. Takes under a minute.

    CPU time is measured, so that other load on the box changes the result little. It is kept for `vqa-agent plan`.
    """
    state_dir = _state_dir(config)
    prefer("auto", state_dir)
    found = measure(lambda text: err.print(text, style="dim"))
    path = write_capacity(state_dir, found)
    if as_json:
        print_json(asdict(found), indent=2)
    else:
        out.print(_costs(found))
        out.print(Text("\n".join(_hardware(found))))
        out.print(Text(f"kept in {path}", "dim"))


def _costs(found: Capacity) -> Table:
    cores = os.cpu_count() or 1
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Looks")
    for form in found.cores:
        table.add_column(form, justify="right")
        table.add_column("streams a core", justify="right")
        table.add_column(f"on {cores} cores", justify="right")
    for rung, level in enumerate(LADDER):
        cells = []
        for costs in found.cores.values():
            cells += [f"{costs[rung]:.1%}", str(int(1 / costs[rung])), str(int(cores / costs[rung]))]
        table.add_row(level.name, *cells)
    return table


def _hardware(found: Capacity) -> Iterator[str]:
    """What decoding by hardware saves, and why it cannot be had."""
    for decode in WAYS:
        if reason := refusal(decode):
            yield f"decode = {decode}: {reason}"
        for form, costs in found.hardware.items():
            if decode in costs:
                saved = 1 - costs[decode] / found.cores[form][0]
                advice = "it pays" if saved >= WORTHWHILE else "not worth setting"
                yield f"{form}, decode = {decode}: {costs[decode]:.1%}, {saved:.0%} less than in software: {advice}"


def plan(
    streams: Annotated[int, typer.Option("--streams", min=1, help="How many streams.")],
    budget: Annotated[str, typer.Option("--budget", help="Share of one core, as in the configuration: 150%.")],
    form: Annotated[FormName, typer.Option("--form", help="What they are like.")] = "1080p30",
    config: ConfigPath = DEFAULT_PATH,
    as_json: AsJson = False,
) -> None:
    """Tell how closely that many streams can be looked at within a budget, from what `vqa-agent bench` measured.

    Exit status: 0 the budget can be kept, 1 it cannot even on the last rung.
    """
    cores = _cores(budget)
    found = planned(read_capacity(_state_dir(config)), form, streams, cores)
    if as_json:
        print_json({**asdict(found), "rungs": {LADDER[rung].name: count for rung, count in found.rungs.items()}})
    else:
        out.print(Text(_told(found, form, streams, cores)))
    if not found.kept:
        raise typer.Exit(1)


def _told(found: Plan, form: str, streams: int, budget: float) -> str:
    if not found.kept:
        return (
            f"{streams} streams of {form} need {found.cores:.0%} of a core even on the last rung "
            f"({LADDER[-1].name}); {budget:.0%} carries {found.most}"
        )
    lines = [f"  {count} with {LADDER[rung].name!r}" for rung, count in found.rungs.items()]
    head = f"{streams} streams of {form} within {budget:.0%} of a core take about {found.cores:.0%}:"
    return "\n".join([head, *lines])


def _cores(budget: str) -> float:
    try:
        return BudgetSection.model_validate({"cpu": budget}).cpu
    except ValueError:
        raise UsageError(f"--budget {budget}: it must be a share of one core such as 60% or 150%") from None


def _state_dir(config: Path) -> Path:
    with suppress(ConfigError):
        return load(config).agent.state_dir
    return DEFAULT_STATE_DIR
