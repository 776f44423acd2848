"""Opens one model, times it, and prints the `Timing` as JSON: `python -m vqa_agent.infer MODEL BACKEND FOLDER RUNS`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import cast

from vqa_agent.errors import ModelError
from vqa_agent.infer.model import open_model
from vqa_agent.infer.runtimes import Backend
from vqa_agent.infer.timing import measure


def main(name: str, backend: str, folder: str, runs: str) -> None:
    try:
        timing = measure(lambda: open_model(name, cast(Backend, backend), Path(folder)), int(runs))
    except ModelError as error:
        sys.exit(str(error))
    print(json.dumps(asdict(timing)))


if __name__ == "__main__":
    main(*sys.argv[1:])
