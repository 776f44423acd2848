"""`vqa-agent check`: the configuration, its inputs and the broker, explained line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from vqa_agent.checkup import Answer, Grade, check_machine, check_network
from vqa_agent.config import DEFAULT_PATH, load
from vqa_agent.console import err, out
from vqa_agent.errors import ConfigError
from vqa_agent.logs import set_up_logging

EXAMPLES = """
Examples:

  vqa-agent check

  vqa-agent check --config ./agent.toml --offline
"""

MARKS = {Grade.GOOD: ("ok  ", "green"), Grade.DOUBTFUL: ("note", "yellow"), Grade.BAD: ("BAD ", "bold red")}


def check(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", readable=False, help="The configuration.")
    ] = DEFAULT_PATH,
    offline: Annotated[
        bool, typer.Option("--offline", help="The configuration and this machine only: no input, no broker.")
    ] = False,
) -> None:
    """Check the configuration, read every input for a few seconds, reach the broker, and say what to do.

    Exit status: 0 all is well, 1 something does not work, 78 the configuration is refused.
    """
    set_up_logging("error")
    try:
        loaded = load(config)
    except ConfigError as error:
        for line in str(error).splitlines():
            _show(Answer(Grade.BAD, "configuration", line))
        raise typer.Exit(error.exit_code) from None
    _show(Answer(Grade.GOOD, "configuration", f"{config}: {len(loaded.stream)} streams"))
    answers = check_machine(loaded)
    for answer in answers:
        _show(answer)
    if not offline:
        for answer in check_network(loaded):
            _show(answer)
            answers.append(answer)
    bad = sum(answer.grade is Grade.BAD for answer in answers)
    if bad:
        err.print(f"{bad} of {len(answers) + 1} checks failed", style="bold red")
        raise typer.Exit(1)


def _show(answer: Answer) -> None:
    mark, style = MARKS[answer.grade]
    line = Text(mark, style)
    line.append(f"  {answer.subject}: ", "bold")
    line.append(answer.text)
    out.print(line, soft_wrap=True)
