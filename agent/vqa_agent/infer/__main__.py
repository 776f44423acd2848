"""Opens one model, times it, and prints the `Timing` as JSON.

    python -m vqa_agent.infer MODEL BACKEND FOLDER RUNS SHARE

It uses SHARE of a core on the average; what is timed is CPU, so that pauses do no harm.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import cast

from vqa_agent.errors import ModelError
from vqa_agent.infer.model import open_model
from vqa_agent.infer.runtimes import Backend
from vqa_agent.infer.timing import measure
from vqa_agent.sample.throttle import Throttle

SLICE = 0.01
"""CPU seconds after which it is looked whether a pause is due."""


def main(name: str, backend: str, folder: str, runs: str, share: str) -> None:
    hold_to(float(share))
    try:
        timing = measure(lambda: open_model(name, cast(Backend, backend), Path(folder)), int(runs))
    except ModelError as error:
        sys.exit(str(error))
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(asdict(timing)))


def hold_to(share: float) -> None:
    """From now on, have this process use `share` of a core on the average."""
    if share >= 1:
        return
    throttle = Throttle()
    throttle.cores = share
    # An event of its own each time: a signal may come while the handler of the one before still waits.
    signal.signal(signal.SIGPROF, lambda number, frame: throttle.pause(threading.Event()))
    signal.setitimer(signal.ITIMER_PROF, SLICE, SLICE)


if __name__ == "__main__":
    main(*sys.argv[1:])
