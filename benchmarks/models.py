"""What the networks cost: milliseconds per look on one core in INT8 and in float, on each runtime, and their memory.

    python -m benchmarks.models [--runs 100] [--fp32 DIR] [--json]

Every figure comes from a process of its own, one after the other. The float networks are what a training leaves in
`.cache/quantize` as NAME.fp32.onnx; `--fp32` names another folder, and those that are not there are left out. "Reduced"
is the twin for CPUs without an 8-bit dot product. The last line is what a worker of the agent takes with every network
opened on the runtime that "auto" chose here, beside what it takes without them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import psutil

from vqa_agent.infer import MODELS, RUNTIMES, Backend, Model, open_model, read_manifest
from vqa_agent.infer.timing import Timing, example, measure

CACHE = Path(os.environ.get("VQA_CACHE", ".cache/quantize"))


@dataclass(frozen=True)
class Case:
    """One row: a model's file on one runtime."""

    model: str
    form: str
    backend: Backend
    file: Path


def cases(fp32: Path) -> Iterator[Case]:
    """Every form that is there of every model, on every runtime."""
    for info in read_manifest().values():
        forms = {"INT8": MODELS / info.name / info.full.file}
        if info.reduced is not None:
            forms["reduced"] = MODELS / info.name / info.reduced.file
        forms["float"] = next(iter(sorted(fp32.rglob(f"{info.name}.fp32.onnx"))), Path())
        for form, file in forms.items():
            for backend in RUNTIMES:
                if file.is_file():
                    yield Case(info.name, form, backend, file)


def in_a_child(*arguments: str) -> Any:
    """The JSON that this script prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.models", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure_case(model: str, file: str, backend: str, runs: str) -> Timing:
    info = read_manifest()[model]
    return measure(lambda: Model(info, Path(file).read_bytes(), cast(Backend, backend), MODELS), int(runs))


def resident() -> dict[str, float]:
    """Megabytes of a worker's process without the networks and with all of them, each having looked once."""
    import vqa_agent.service.worker  # noqa: F401

    process = psutil.Process()
    without = process.memory_info().rss
    opened = [open_model(name) for name in read_manifest()]
    for model in opened:
        model.run(*example(model.info))
    return {"without": without / 1e6, "with": process.memory_info().rss / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--fp32", type=Path, default=CACHE, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--resident", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(asdict(measure_case(*options.case))))
    elif options.resident:
        print(json.dumps(resident()))
    else:
        report(options.fp32, options.runs, options.json)


def report(fp32: Path, runs: int, as_json: bool) -> None:
    if not as_json:
        print(f"{'model':20}{'form':10}{'runtime':14}{'ms':>8}{'least':>8}{'MB':>8}{'kB file':>10}")
    for case in cases(fp32):
        timing = Timing(**in_a_child("--case", case.model, str(case.file), case.backend, str(runs)))
        if as_json:
            print(json.dumps({"model": case.model, "form": case.form, "runtime": case.backend, **asdict(timing)}))
            continue
        print(
            f"{case.model:20}{case.form:10}{case.backend:14}"
            f"{timing.ms:8.2f}{timing.least_ms:8.2f}{timing.megabytes:8.0f}{case.file.stat().st_size / 1e3:10.0f}"
        )
    memory = in_a_child("--resident")
    if as_json:
        print(json.dumps({"resident": memory}))
    else:
        print(f"a worker: {memory['without']:.0f} MB without networks, {memory['with']:.0f} MB with all of them")


if __name__ == "__main__":
    main()
