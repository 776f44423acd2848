"""Damaged clips, seeded: does any of them hang a worker, or take more than it may?

    python -m benchmarks.hostile --clips 1000 [--seed 1] [CLIP ...]

Each clip is changed at random (bytes, blocks, lengths, order, ends) and read with every detector in a process that is
confined and sealed as a worker is. A process that a clip ends is counted and a new one begun, as the supervisor does;
one that takes longer than 10 s on a clip hangs, which fails. Without clips, two are drawn: an MPEG transport stream and
an MP4.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

from vqa_agent.capture import Source, open_source
from vqa_agent.config import Config, StreamSection
from vqa_agent.detect.interface import Profile
from vqa_agent.errors import AgentError
from vqa_agent.infer import prefer
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.service.limits import confine, seal
from vqa_agent.simulate import scenes, sounds
from vqa_agent.simulate.encode import encode

HANG = 10.0
BUDGET = 600_000_000


@dataclass
class Outcome:
    """How the clips ended: read to their end, refused with one line, or with the end of the process."""

    read: int = 0
    refused: int = 0
    crashed: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    slowest: float = 0.0
    most_memory: int = 0


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data`, changed in one to five places."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        if not changed:
            break
        place, length = rng.randrange(len(changed)), rng.choice((1, 4, 188, 2000))
        match rng.randrange(6):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                changed[place : place + length] = rng.randbytes(length)
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length]
            case 4:
                changed[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
            case 5:
                del changed[max(188, place) :]
    return bytes(changed)


def watch(path: str) -> str:
    """Read a clip with every detector; what the refusal said, or nothing."""
    pipeline = Pipeline(build_detectors(Profile.FILE), Profile.FILE)
    try:
        with open_source(Source(name="clip", url=path, live=False, limit=20.0)) as capture:
            for sample in capture.samples():
                pipeline.feed(sample)
        pipeline.finish()
    except AgentError as error:
        return str(error)
    return ""


def _work(pipe: Connection) -> None:
    confine(BUDGET)
    prefer("auto", times=False)
    seal(StreamSection(name="clip", url="clip"), Config())
    while (path := pipe.recv()) is not None:
        pipe.send((watch(path), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


class Process:
    """One confined process that reads clips."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def run(clips: Sequence[Path], count: int, seed: int, patience: float = HANG) -> Outcome:
    """Read `count` mutations of `clips`."""
    rng, outcome, process = random.Random(seed), Outcome(), Process()
    originals = [(clip.suffix, clip.read_bytes()) for clip in clips]
    with tempfile.TemporaryDirectory() as folder:
        process.pipe.send(str(clips[0]))
        process.pipe.recv()
        for number in range(count):
            suffix, data = originals[number % len(originals)]
            path = Path(folder) / f"clip{suffix}"
            path.write_bytes(mutate(data, rng))
            if not _read(process, path, f"clip {number} of seed {seed}", outcome, patience):
                process.end()
                process = Process()
    process.end()
    return outcome


def _read(process: Process, path: Path, name: str, outcome: Outcome, patience: float) -> bool:
    """Whether the process is still good for the next."""
    began = monotonic()
    process.pipe.send(str(path))
    if not process.pipe.poll(patience):
        outcome.hung.append(name)
        return False
    try:
        refusal, memory = process.pipe.recv()
    except EOFError:
        outcome.crashed.append(name)
        return False
    outcome.slowest = max(outcome.slowest, monotonic() - began)
    outcome.most_memory = max(outcome.most_memory, memory)
    outcome.refused += bool(refusal)
    outcome.read += not refusal
    return True


def draw(folder: Path) -> list[Path]:
    """Two short clips."""
    size = (320, 180)
    return [encode(folder / f"whole{suffix}", scenes.pan(1, size), sounds.tone(1)) for suffix in (".ts", ".mp4")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(arguments.files or draw(Path(folder)), arguments.clips, arguments.seed)
    print(f"{outcome.read} read, {outcome.refused} refused, {len(outcome.crashed)} ended the process")
    print(f"slowest {outcome.slowest:.1f} s, most memory {outcome.most_memory / 1e6:.0f} MB")
    for name in outcome.crashed:
        print(f"ended the process: {name}")
    for name in outcome.hung:
        print(f"HUNG: {name}")
    return 1 if outcome.hung else 0


if __name__ == "__main__":
    sys.exit(main())
