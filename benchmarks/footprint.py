"""What takes the memory: the parts of a worker one after the other, then the daemon's processes at work.

    python -m benchmarks.footprint [--streams 1 4] [--seconds 40] [--file CLIP]

First table: a fresh process imports and opens what a worker does, step by step; told is by how much its resident
memory grows. Second table: the daemon plays a drawn 1080p30 clip (or CLIP) in real time to so many streams with all
detectors, on a budget that leaves all of them on the first rung where the box can; of memory that processes share each
has its part (PSS). A clip with talking people has all networks at work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import sleep

STEPS = "--steps"
BUDGET = "200%"


def resident() -> float:
    """Resident MB of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def steps() -> None:
    """Import and open what a worker does, in this process, and print what each step added."""
    before = resident()
    print(f"| Python itself | {before:.0f} MB |")

    def step(name: str, act: Callable[[], object]) -> object:
        nonlocal before
        found = act()
        now = resident()
        print(f"| {name} | +{now - before:.1f} MB |")
        before = now
        return found

    for name, module in (
        ("NumPy", "numpy"), ("OpenCV", "cv2"), ("FFmpeg (PyAV)", "av"), ("Pydantic", "pydantic"),
        ("the rest of the agent", "vqa_agent.service.worker"),
    ):  # fmt: skip
        step(name, lambda module=module: __import__(module))  # type: ignore[misc]
    from vqa_agent.detect import detectors
    from vqa_agent.infer import open_model, read_manifest
    from vqa_agent.infer.runtimes import import_runtime
    from vqa_agent.memory import settle

    step("the detectors", detectors)
    settle()
    step("ONNX Runtime", lambda: import_runtime("onnxruntime"))
    for name in read_manifest():
        step(f"network {name}, opened and run", lambda name=name: _opened(open_model(name, "onnxruntime")))  # type: ignore[misc]


def _opened(model: object) -> object:
    """The model, after one usual look."""
    import numpy as np

    from vqa_agent.infer import Model

    assert isinstance(model, Model)
    model.run(*(np.zeros(tensor.shape, np.float32) for tensor in model.info.inputs))
    _kept.append(model)
    return model


_kept: list[object] = []


def at_work(clip: Path, streams: int, seconds: float) -> tuple[list[float], float, float]:
    """Megabytes of each worker, of the supervisor, and of what else there is, after `seconds`."""
    import psutil

    from benchmarks.daemon import configuration, running, status

    with tempfile.TemporaryDirectory(prefix="vqa-footprint-") as folder:
        config = configuration(Path(folder), BUDGET, [clip.resolve()] * streams)
        with running(config) as daemon:
            sleep(seconds)
            root = psutil.Process(daemon.pid)
            sizes = {each.pid: each.memory_full_info().pss / 1e6 for each in (root, *root.children(recursive=True))}
            workers = [sizes.pop(stream["pid"]) for stream in status(config)["streams"].values()]
    supervisor = sizes.pop(root.pid)
    return workers, supervisor, sum(sizes.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--file", type=Path, help="material; by default a clip is drawn")
    parser.add_argument(STEPS, action="store_true", help="the first table, in this process")
    options = parser.parse_args()
    if options.steps:
        steps()
        return
    from benchmarks.clips import clip_1080p30

    print("| Part of a worker | resident |\n|---|---|", flush=True)
    subprocess.run([sys.executable, "-m", "benchmarks.footprint", STEPS], check=True)
    clip = options.file or clip_1080p30()
    print("\n| Streams | all | a worker | supervisor | fork server and the like | each further stream |")
    print("|---|---|---|---|---|---|")
    first: tuple[int, float] | None = None
    for streams in options.streams:
        workers, supervisor, others = at_work(clip, streams, options.seconds)
        everything = sum(workers) + supervisor + others
        first = first or (streams, everything)
        further = f"{(everything - first[1]) / (streams - first[0]):.0f} MB" if streams > first[0] else ""
        print(
            f"| {streams} | {everything:.0f} MB | {max(workers):.0f} MB | {supervisor:.0f} MB | {others:.0f} MB "
            f"| {further} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
