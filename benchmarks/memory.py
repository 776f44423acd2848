"""Whether memory grows: a clip looped at speed through capture, detectors and judge, resident memory over media time.

    python -m benchmarks.memory [--minutes 10]

Told is the slope after a warm-up of a fifth, in MB an hour of media. A test runs a short form of it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import psutil

from vqa_agent.capture import Source, open_source
from vqa_agent.detect.coverage import CoverageMeter
from vqa_agent.detect.interface import Profile
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate import defects, encode, scenes, sounds

STEP = 10.0
"""Media seconds between two measurements."""

WARM_UP = 0.2


@dataclass(frozen=True)
class Growth:
    """Resident megabytes at the end, growth since the warm-up, and the slope of a line through it per media hour."""

    end: float
    growth: float
    slope: float
    media_seconds: float


def looped_clip(folder: Path) -> Path:
    """Twelve seconds of 320x180 with black, a freeze and a mute in them, so that events open and close."""
    pictures = defects.freeze(defects.black(scenes.pan(12, (320, 180)), 2, 5), 7, 10)
    return encode.encode(folder / "loop.ts", pictures, defects.mute(sounds.speech(12), 3, 7))


def measure(clip: Path, seconds: float) -> Growth:
    """Play `clip` again and again for `seconds` of wall time."""
    process = psutil.Process()
    pipeline = Pipeline(build_detectors(Profile.FILE), Profile.FILE)
    coverage = CoverageMeter(pipeline.suite)
    points: list[tuple[float, float]] = []
    until, due = monotonic() + seconds, 0.0
    with open_source(Source("loop", str(clip), live=False, loop=True)) as capture:
        for sample in capture.samples():
            pipeline.feed(sample)
            if pipeline.media_time >= due:
                due += STEP
                coverage.measure()
                points.append((pipeline.media_time, process.memory_info().rss / 1e6))
                if monotonic() >= until:
                    break
    times, sizes = np.array(points[int(len(points) * WARM_UP) :]).T
    slope = float(np.polyfit(times, sizes, 1)[0]) * 3600
    return Growth(float(sizes[-1]), float(sizes[-1] - sizes[0]), slope, float(times[-1] - times[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    with tempfile.TemporaryDirectory(prefix="vqa-memory-") as folder:
        found = measure(looped_clip(Path(folder)), parser.parse_args().minutes * 60)
    print(
        f"{found.media_seconds / 60:.0f} media minutes: {found.end:.0f} MB resident, {found.growth:+.1f} MB since the"
    )
    print(f"warm-up, slope {found.slope:+.2f} MB per media hour")


if __name__ == "__main__":
    main()
