"""What the detectors cost: each one over decoding, the whole suite against decoding, and against ffmpeg's own filters.

    python -m benchmarks.cost [FILE] [--runs 3] [--seconds 20]

Everything runs in turn as processes of its own on one thread, on the same file (by default a drawn 1080p30 H.264 clip
with AAC), every picture looked at; start-up is measured apart and taken off. Networks are left out: this is about the
signal-processing suite. ffmpeg's filters are those that come nearest to it: blackdetect, freezedetect, blockdetect,
blurdetect, silencedetect, ebur128 and astats, run together by the `ffmpeg` program where it is installed. Seconds
differ from machine to machine, ratios hardly.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from statistics import median

from benchmarks.clips import clip_1080p30
from benchmarks.decode_ratio import DECODE, DECODE_START, measure
from vqa_agent.detect import detectors

ANALYSE_START = "import vqa_agent.capture, vqa_agent.pipeline; vqa_agent.pipeline.detectors()"
ANALYSE = """
import sys
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.memory import settle
from vqa_agent.pipeline import Pipeline, build_detectors, detectors
detectors()
settle()
names = sys.argv[2].split(",") if sys.argv[2] else []
pipeline = Pipeline(build_detectors(Profile.FILE, only=names) if names else [], Profile.FILE)
with open_source(Source(name="cost", url=sys.argv[1], live=False)) as capture:
    for sample in capture.samples():
        pipeline.feed(sample)
pipeline.finish()
"""
VIDEO_FILTERS = "blackdetect,freezedetect,blockdetect,blurdetect"
AUDIO_FILTERS = "silencedetect,ebur128,astats"


def suite() -> list[str]:
    """Every detector but the networks."""
    return [name for name, detector in detectors().items() if detector.cost != "neural"]


def decoding(file: Path) -> float:
    """CPU seconds of decoding alone."""
    python = [sys.executable, "-c"]
    return measure([*python, DECODE, str(file)]).cpu - measure([*python, DECODE_START]).cpu


def analysing(file: Path, names: Collection[str]) -> float:
    """CPU seconds of capture with the detectors of these names; without any, what capture itself takes."""
    python = [sys.executable, "-c"]
    return measure([*python, ANALYSE, str(file), ",".join(names)]).cpu - measure([*python, ANALYSE_START]).cpu


def filtering(file: Path) -> float:
    """CPU seconds of ffmpeg's filters, decoding included."""
    quiet = ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-filter_threads", "1", "-i", str(file)]
    return measure([*quiet, "-vf", VIDEO_FILTERS, "-af", AUDIO_FILTERS, "-f", "null", "-"]).cpu


def report_suite(file: Path, runs: int) -> None:
    """The whole suite against decoding and against ffmpeg, run by run."""
    with_ffmpeg = shutil.which("ffmpeg") is not None
    ratios, times = [], []
    for run in range(runs):
        alone, whole = decoding(file), analysing(file, suite())
        ratios.append(whole / alone)
        line = (
            f"run {run + 1}: decoding {alone:6.2f} s, all detectors {whole:6.2f} s: {whole / alone:.2f} times decoding"
        )
        if with_ffmpeg:
            filters = filtering(file)
            times.append(filters / whole)
            line += (
                f"; ffmpeg's filters {filters:6.2f} s: {filters / alone:.1f} times decoding, {times[-1]:.1f} times ours"
            )
        print(line, flush=True)
    print(f"suite: {median(ratios):.2f} times decoding alone (median)")
    if times:
        print(f"ffmpeg's filters: {median(times):.1f} times the CPU of the whole suite (median)")
    else:
        print("ffmpeg's filters: not measured, the program ffmpeg is not installed here (apt-get install ffmpeg)")


def report_detectors(file: Path, runs: int) -> None:
    """What each detector adds when it runs alone; together they cost less, because they share what they measure."""
    alone = median(decoding(file) for _ in range(runs))
    capture = median(analysing(file, ()) for _ in range(runs))
    print(f"\ncapture without any detector: {capture / alone:.2f} times decoding\n")
    print("| detector | adds, share of decoding |\n|---|---|")
    for name in suite():
        own = median(analysing(file, [name]) for _ in range(runs))
        print(f"| {name} | {max(0.0, own - capture) / alone:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a clip; by default one is drawn")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20, help="length of the drawn clip")
    parser.add_argument("--suite-only", action="store_true", help="leave out the table of detectors")
    options = parser.parse_args()
    file = options.file or clip_1080p30(options.seconds)
    report_suite(file, options.runs)
    if not options.suite_only:
        report_detectors(file, options.runs)


if __name__ == "__main__":
    main()
