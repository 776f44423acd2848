"""`vqa-agent models`: the networks, whether they are intact, and how fast they are here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from vqa_agent.console import err, out, print_json
from vqa_agent.errors import AgentError, ModelError, not_known
from vqa_agent.infer import MODELS, RUNTIMES, Backend, ModelInfo, open_model, read_manifest
from vqa_agent.infer.choice import remembered
from vqa_agent.infer.manifest import has_dot_product, read_verified
from vqa_agent.infer.runtimes import installed
from vqa_agent.infer.timing import RUNS, Timing, example, measure_apart

LIST_EXAMPLES = """
Examples:

  vqa-agent models list

  vqa-agent models list --json
"""
VERIFY_EXAMPLES = """
Examples:

  vqa-agent models verify && echo intact
"""
BENCH_EXAMPLES = """
Examples:

  vqa-agent models bench

  vqa-agent models bench audio_artifacts --runs 100 --json
"""

AGREEMENT = 0.05
"""Greatest difference of two runtimes' answers, as a share of the largest answer. They round to 8 bits at different
places of the network, and noise, which no network was trained on, makes the most of it."""

NUMBERS = {"kB", "ms per look", "least", "MB resident"}
"""Headings of columns that are set to the right."""

Name = Annotated[str, typer.Argument(metavar="[MODEL]", help="This one alone.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The networks: which there are, whether they are intact, how fast here.",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was verified, and what is wrong with it; empty: nothing."""

    model: str
    subject: str
    fault: str


@app.command("list", epilog=LIST_EXAMPLES)
def list_models(as_json: AsJson = False) -> None:
    """List the networks: what runs here, in which form and on which runtime."""
    models = read_manifest(MODELS)
    if as_json:
        print_json([_described(info) for info in models.values()], indent=2)
        return
    table = _table("Model", "File", "kB", "Date", "Runtime", "Classes")
    for info in models.values():
        file = info.suited
        runtime = remembered(info) or "timed at first use"
        table.add_row(info.name, file.file, f"{file.bytes / 1e3:.0f}", str(info.date), runtime, ", ".join(info.classes))
    out.print(table)
    product = "has an" if has_dot_product() else "has no"
    out.print(Text(f"runtimes installed: {', '.join(installed()) or 'none'}; this CPU {product} 8-bit dot product"))


def _described(info: ModelInfo) -> dict[str, Any]:
    values = info.model_dump(mode="json", exclude_none=True)
    return {**values, "runs": info.suited.file, "runtime": remembered(info)}


@app.command("verify", epilog=VERIFY_EXAMPLES)
def verify(name: Name = "", as_json: AsJson = False) -> None:
    """Check every file's SHA-256, and that all runtimes give the same answer.

    Exit status: 0 all is well, 1 something is not.
    """
    checks = [check for info in _chosen(name) for check in (*_check_files(info), *_check_answers(info))]
    if as_json:
        print_json([asdict(check) for check in checks], indent=2)
    else:
        for check in checks:
            mark = Text("BAD ", "bold red") if check.fault else Text("ok  ", "green")
            out.print(mark, Text(f"{check.model}: {check.subject} {check.fault}".rstrip()), soft_wrap=True)
    if any(check.fault for check in checks):
        raise typer.Exit(1)


def _check_files(info: ModelInfo) -> list[Check]:
    return [
        Check(info.name, file.file, _fault(lambda file=file: read_verified(info, file, MODELS))) for file in info.files
    ]


def _check_answers(info: ModelInfo) -> list[Check]:
    """Whether each runtime answers, and as the first one does."""
    answers: dict[Backend, list[Any]] = {}
    checks = []
    for backend in RUNTIMES:
        fault = _fault(lambda backend=backend: answers.update({backend: _answer(info, backend)}))
        checks.append(Check(info.name, f"runs on {backend}", fault))
    if len(answers) > 1:
        one, other = answers.values()
        away = max(difference(*pair) for pair in zip(one, other, strict=True))
        fault = f"({away:.1%} apart)" if away > AGREEMENT else ""
        checks.append(Check(info.name, "the same answer on all runtimes", fault))
    return checks


def _fault(attempt: Any) -> str:
    try:
        attempt()
    except AgentError as error:
        return str(error)
    return ""


def _answer(info: ModelInfo, backend: Backend) -> list[Any]:
    return open_model(info.name, backend, MODELS).run(*example(info))


def difference(one: Any, other: Any) -> float:
    """Greatest difference of two answers, as a share of the largest value in them."""
    return float(np.abs(one - other).max() / max(1e-9, np.abs(one).max(), np.abs(other).max()))


@app.command("bench", epilog=BENCH_EXAMPLES)
def bench(
    name: Name = "",
    runs: Annotated[int, typer.Option(min=1, help="Looks that are timed.")] = 4 * RUNS,
    as_json: AsJson = False,
) -> None:
    """Time a look of every network on one core, on each runtime, each in a process of its own."""
    rows = []
    for info in _chosen(name):
        for backend in installed():
            try:
                timing = measure_apart(info.name, backend, MODELS, runs)
            except ModelError as error:
                err.print(f"vqa-agent: {error}", markup=False)
                continue
            rows.append((info, backend, timing))
    if as_json:
        print_json([{"model": info.name, "runtime": each, **asdict(timing)} for info, each, timing in rows], indent=2)
    else:
        out.print(_timings(rows))
    if not rows:
        raise typer.Exit(1)


def _timings(rows: list[tuple[ModelInfo, Backend, Timing]]) -> Table:
    table = _table("Model", "Runtime", "ms per look", "least", "MB resident", "In use")
    for info, backend, timing in rows:
        in_use = "yes" if remembered(info) == backend else ""
        table.add_row(
            info.name, backend, f"{timing.ms:.2f}", f"{timing.least_ms:.2f}", f"{timing.megabytes:.0f}", in_use
        )
    return table


def _chosen(name: str) -> list[ModelInfo]:
    models = read_manifest(MODELS)
    if not models:
        raise ModelError(f"looking for models in {MODELS}: there are none; install the agent again")
    if name and name not in models:
        raise ModelError(f"there is no model {name!r}; {not_known(name, models)}")
    return [models[name]] if name else list(models.values())


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
    return table
