"""`vqa-agent run`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqa_agent.config import DEFAULT_PATH
from vqa_agent.logs import set_up_logging
from vqa_agent.service.supervisor import Supervisor

EXAMPLES = """
Examples:

  vqa-agent run

  vqa-agent run --config ./agent.toml
"""


def run(
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", metavar="FILE", readable=False, help="The configuration; agent.d/ beside it is read too."
        ),
    ] = DEFAULT_PATH,
) -> None:
    """Watch every configured stream until told to stop.

    SIGTERM or Ctrl-C ends it within five seconds. SIGHUP reads the configuration again: streams that did not change go
    on untouched, and a configuration with a fault in it is refused while the old one stays.

    Exit status: 0 after a stop, 78 where the configuration is refused.
    """
    set_up_logging("info")
    supervisor = Supervisor(config)
    set_up_logging(supervisor.config.agent.log_level)
    supervisor.run()
