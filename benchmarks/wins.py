"""What makes looking cheap: each saving is taken back, one at a time, and the cost told against the agent as it ships.

    python -m benchmarks.wins [FILE] [--seconds 5] [--runs 3] [--only NAME ...]

Every run is a process of its own on the same file (by default a drawn 1080p30 H.264 clip), all detectors and networks,
the first rung with the rules of live streams. Start-up is taken off. The last rows keep the code as it is and go up or
down the ladder. With and without take turns, one directly after the other; told are the median of their ratios, the
least and the greatest, and "proven" where every turn says more than `PROVEN`. Memory is the greatest resident set.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.decode_ratio import measure

CHILD = "import sys; from benchmarks.wins import look; look(sys.argv[1], sys.argv[2], float(sys.argv[3]))"

AS_IT_SHIPS = "as it ships"
RUNGS = {
    "networks look five times a second": 1,
    "pictures that nothing depends on are decoded too": 3,
    "other than key pictures are decoded too": 5,
}
"""What the lower rungs give up: their number on the ladder."""

PROVEN = 1.05
"""Ratio from which a saving is one that the noise between two runs does not make."""


def share_nothing() -> None:
    """Each detector measures for itself what several of them need of a picture."""
    from functools import cached_property

    from vqa_agent.detect.runner import Suite
    from vqa_agent.media import Picture

    cached = [name for name, value in vars(Picture).items() if isinstance(value, cached_property)]
    guard = Suite._guard

    def measure_anew(self: Suite, seat: Any, ask: Any, *shown: Any) -> Any:
        for picture in (sample for sample in shown if isinstance(sample, Picture)):
            picture.measures.clear()
            for name in cached:
                picture.__dict__.pop(name, None)
        return guard(self, seat, ask, *shown)

    Suite._guard = measure_anew  # type: ignore[method-assign]


def convert_pictures() -> None:
    """Every picture is converted to BGR, as most readers of video hand it out, although detectors want the planes."""
    from vqa_agent.capture.picture import PictureMaker

    make = PictureMaker.make

    def converted(self: PictureMaker, frame: Any, *rest: Any, **named: Any) -> Any:
        frame.to_ndarray(format="bgr24")
        return make(self, frame, *rest, **named)

    PictureMaker.make = converted  # type: ignore[method-assign]


def reduce_in_one_step() -> None:
    """Pictures are reduced in a single step instead of halved twice."""
    import cv2
    import numpy as np

    from vqa_agent import media

    def at_once(plane: Any, depth: int, width: int) -> Any:
        while_wide, rows = plane.shape[1], plane.shape[0]
        while while_wide > width and min(rows, while_wide) >= 4:
            while_wide, rows = while_wide // 2, rows // 2
        small = cv2.resize(plane, (while_wide, rows), interpolation=cv2.INTER_AREA) if rows < plane.shape[0] else plane
        return np.ascontiguousarray(small >> (depth - 8) if depth > 8 else small, dtype=np.uint8)

    media.reduce_plane = at_once


def look_with_networks_at_everything() -> None:
    """The networks look at every picture instead of five a second."""
    from vqa_agent.sample import Sampler

    Sampler.wants_neural = lambda self, picture: True  # type: ignore[method-assign]


def watch_every_lip() -> None:
    """Lip sync is judged all the time instead of four seconds out of thirty."""
    from vqa_agent.detect.av_sync import AvSync

    AvSync._pause = 0.0  # type: ignore[assignment]


def hear_all_for_lips() -> None:
    """Lip sync listens all the time instead of around its fragments."""
    from vqa_agent.detect import av_sync

    av_sync.LISTENS_BEFORE = float("inf")


def measure_at_every_picture() -> None:
    """What changes slowly (blur, noise, colour, range, exposure, banding) is measured at every picture."""
    from vqa_agent.history import Pace

    Pace.due = lambda self, time: True  # type: ignore[method-assign]


def comb_every_picture() -> None:
    """Combs are looked for in every picture instead of every third."""
    from vqa_agent.detect import combing

    combing.EVERY = 1


def find_blocks_in_every_picture() -> None:
    """The grid of blocks is measured in every picture instead of five a second."""
    from vqa_agent.detect import blockiness

    blockiness.INTERVAL = 0.0


def hardly_reduce() -> None:
    """Detectors measure pictures of up to 1920 instead of 480 columns."""
    from vqa_agent import media

    media.SMALL_WIDTH = 1920


def tell_formats_anew() -> None:
    """The format of every picture and block of sound is made and compared, instead of its marks."""
    from vqa_agent.capture import decode

    def no_marks(frame: object) -> tuple[object]:
        return (object(),)

    decode._picture_marks, decode._sound_marks = no_marks, no_marks


def collect_everything() -> None:
    """What lives as long as the process is walked through by every garbage collection."""
    gc.freeze = lambda: None


def keep_every_arena() -> None:
    """The C library has an arena for each thread."""
    from vqa_agent import memory

    memory._M_ARENA_MAX = 0


def run_networks_on_many_threads() -> None:
    """ONNX Runtime takes as many threads as it likes."""
    import onnxruntime

    class Options(onnxruntime.SessionOptions):  # type: ignore[misc]
        intra_op_num_threads = inter_op_num_threads = property(lambda self: 0, lambda self, value: None)

    onnxruntime.SessionOptions = Options


def run_networks_on_openvino() -> None:
    """The networks run on OpenVINO."""
    from vqa_agent.infer import prefer

    prefer("openvino")


SAVINGS: dict[str, Callable[[], None]] = {
    "measures are not shared by the detectors": share_nothing,
    "pictures are converted to BGR": convert_pictures,
    "pictures are reduced in one step": reduce_in_one_step,
    "the networks look at every picture": look_with_networks_at_everything,
    "lip sync is judged all the time": watch_every_lip,
    "lip sync listens all the time": hear_all_for_lips,
    "slow measures are taken at every picture": measure_at_every_picture,
    "combs are looked for in every picture": comb_every_picture,
    "the grid of blocks is measured in every picture": find_blocks_in_every_picture,
    "pictures are hardly reduced": hardly_reduce,
    "formats are told anew for every frame": tell_formats_anew,
    "everything is walked by garbage collections": collect_everything,
    "an arena for every thread": keep_every_arena,
    "networks on as many threads as there are": run_networks_on_many_threads,
    "networks on OpenVINO": run_networks_on_openvino,
}


def look(saving: str, file: str, seconds: float) -> None:
    """Analyse the beginning of a file without `saving`. Runs in a process of its own; seconds 0: start alone."""
    from vqa_agent.capture import Source, open_source
    from vqa_agent.detect import Profile
    from vqa_agent.infer import prefer
    from vqa_agent.memory import settle
    from vqa_agent.pipeline import Pipeline, build_detectors
    from vqa_agent.sample import LADDER, Sampler

    prefer("onnxruntime")
    SAVINGS.get(saving, lambda: None)()
    rung = RUNGS.get(saving, 0)
    pipeline = Pipeline(build_detectors(Profile.LIVE), Profile.LIVE, Sampler(rung))
    settle()
    if not seconds:
        return
    with open_source(Source("wins", file, live=False, limit=seconds)) as capture:
        capture.level = LADDER[rung]
        for sample in capture.samples():
            pipeline.feed(sample)


def cost(saving: str, file: Path, seconds: float) -> tuple[float, float]:
    """CPU seconds of a whole run, and megabytes."""
    found = measure([sys.executable, "-c", CHILD, saving, str(file), str(seconds)])
    return found.cpu, found.rss / 1e6


def row(saving: str, file: Path, seconds: float, runs: int) -> str:
    """One line of the table: with and without in turn, the start of each taken off."""
    start, start_without = cost(AS_IT_SHIPS, file, 0.0)[0], cost(saving, file, 0.0)[0]
    ratios, sizes = [], []
    for _ in range(runs):
        shipped, without = cost(AS_IT_SHIPS, file, seconds), cost(saving, file, seconds)
        ratio = (without[0] - start_without) / (shipped[0] - start)
        ratios.append(1 / ratio if saving in RUNGS else ratio)
        sizes.append((without[1], shipped[1]))
    sizes_of = [max(column) for column in zip(*sizes, strict=True)]
    verdict = "proven" if min(ratios) > PROVEN else ""
    return (
        f"| {saving} | {median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} | {verdict} "
        f"| {sizes_of[0]:.0f} MB, {sizes_of[1]:.0f} MB |"
    )


def main() -> None:
    from benchmarks.clips import clip_1080p30

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a clip; by default one is drawn")
    parser.add_argument("--seconds", type=float, default=5.0, help="how much of it is looked at")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*SAVINGS, *RUNGS], help="these alone")
    options = parser.parse_args()
    file = options.file or clip_1080p30()
    print("| Without the saving | CPU, as it ships = 1 | least to greatest | | memory, as it ships |")
    print("|---|---|---|---|---|")
    for saving in options.only or [*SAVINGS, *RUNGS]:
        print(row(saving, file, options.seconds, options.runs), flush=True)


if __name__ == "__main__":
    main()
