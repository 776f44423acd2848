"""Where the CPU goes: by step and detector, and by library.

    python -m benchmarks.profiling [FILE] [--top 12]

The file (by default a drawn 1080p30 H.264 clip) is analysed once in this process with every detector at full rate. The
first table has capture (demuxing, decoding, sound), each detector, and the rest (judge, bookkeeping). A measure that
several detectors share is with the one that asked first. The second table is of a run of its own under `perf`, where
that is installed: samples of the CPU clock by library, imports included.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.clips import clip_1080p30
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.memory import settle
from vqa_agent.pipeline import Pipeline, build_detectors

NAMES = {
    "libavcodec": "decoding (FFmpeg)",
    "libpython": "Python",
    "_multiarray": "NumPy",
    "cv2": "OpenCV",
    "[kernel": "the system",
    "libc": "C library: copying, allocating",
    "libopenvino": "networks (OpenVINO)",
    "[JIT]": "networks (OpenVINO)",
    "onnxruntime": "networks (ONNX Runtime)",
}
"""What a library is, by how its name begins."""


def by_step(file: Path) -> dict[str, float]:
    """CPU seconds of capture, of each detector, and of the rest."""
    pipeline = Pipeline(build_detectors(Profile.FILE), Profile.FILE)
    settle()
    capturing, began = 0.0, process_time()
    with open_source(Source("profile", str(file), live=False)) as capture:
        samples = capture.samples()
        moment = process_time()
        for sample in samples:
            capturing += process_time() - moment
            pipeline.feed(sample)
            moment = process_time()
    pipeline.finish()
    parts = {name: account.cpu_seconds for name, account in pipeline.suite.accounts.items()}
    rest = process_time() - began - capturing - sum(parts.values())
    return {"capture": capturing, "judge and bookkeeping": rest, **parts}


def by_library(file: Path) -> dict[str, float]:
    """Shares of the samples of the CPU clock, by what each library is. Raises CalledProcessError where perf may not."""
    with tempfile.TemporaryDirectory(prefix="vqa-perf-") as folder:
        data = f"{folder}/perf.data"
        analyse = [sys.executable, "-m", "vqa_agent", "analyze", "--json", str(file)]
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "500", "-o", data, "--", *analyse]
        subprocess.run(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        report = ["perf", "report", "-i", data, "--sort", "dso", "--stdio"]
        lines = subprocess.run(report, capture_output=True, text=True, check=True).stdout.splitlines()
    shares: dict[str, float] = {}
    for line in lines:
        share, _, library = line.strip().partition("%")
        if library and not line.startswith("#"):
            name = next((name for begin, name in NAMES.items() if library.strip().startswith(begin)), "other")
            shares[name] = shares.get(name, 0.0) + float(share) / 100
    return shares


def _print(title: str, parts: dict[str, float], top: int) -> None:
    whole = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    print(f"| {title} | share |\n|---|---|")
    for name, cost in ordered[:top]:
        print(f"| {name} | {cost / whole:.1%} |")
    if rest := sum(cost for _, cost in ordered[top:]):
        print(f"| {len(ordered) - top} others | {rest / whole:.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a clip; by default one is drawn")
    parser.add_argument("--top", type=int, default=12, help="rows of a table")
    options = parser.parse_args()
    file = options.file or clip_1080p30()
    _print("Step", by_step(file), options.top)
    print()
    if shutil.which("perf"):
        _print("Library", by_library(file), options.top)
    else:
        print("by library: not measured, the program perf is not installed here")


if __name__ == "__main__":
    main()
