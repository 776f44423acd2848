"""Streams that lost packets on their way and were not encoded again: what the agent finds, with what it knows of it.

Datagrams of pictures, or of sound alone, are lost in bursts in the middle of a transport stream, which the agent then
reads. `knows` is the agent as it is; without it, no picture counts as doubtful.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from quantize.block_corruption.coding import DATAGRAM, PACKET, RATE, draw_coding
from quantize.block_corruption.decide import LASTING, event_score
from quantize.block_corruption.material import Library, draw
from quantize.block_corruption.simulate import to_planes
from quantize.block_corruption.truth import CLEAN, DAMAGED, Planes, find_damage
from quantize.bounds import by_source
from vqa_agent.capture import Source, open_source
from vqa_agent.detect.interface import Profile
from vqa_agent.event import State
from vqa_agent.media import Picture
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate import sounds
from vqa_agent.simulate.encode import encode

CLIPS, PICTURES = 80, 150
LOOKS = 5
"""Pictures from look to look of the agent."""
VIDEO, SOUND = 256, 257
"""PIDs that FFmpeg's multiplexer gives."""
BEGIN, END = 0.35, 0.65
"""Shares of a stream between which packets are lost."""

Ways = dict[tuple[Profile, bool], bool]
"""Whether an event opened, by the profile and by whether the agent knew what was lost."""


@dataclass(frozen=True)
class Case:
    """A clip: whether its damage lasts, what the agent found, and its false events in what shows no damage."""

    source: str
    lasting: bool
    found: Ways
    false: int
    clean_seconds: float


def measure(media: Path, config: Mapping[str, Any], split: str = "test", clips: int = CLIPS) -> dict[str, Any]:
    """Shares of the damaged clips in which an event opens, with bounds; false events and the hours without damage."""
    library = Library(media, config, split, "damaged")
    cases = []
    for number in tqdm(range(clips), desc="transport", mininterval=10):
        with TemporaryDirectory() as folder:
            cases.append(_case(library, np.random.default_rng([config["seed"], number]), Path(folder), config))
    damaged = [case for case in cases if case.lasting]
    sources = np.array([case.source for case in damaged])
    report: dict[str, Any] = {}
    for profile, knows in product(Profile, (False, True)):
        hits = np.array([case.found[profile, knows] for case in damaged], float)
        report[f"{profile}, {'with' if knows else 'without'}"] = (
            float(hits.mean()),
            *by_source(lambda one: float(one.mean()), sources, hits),
            len(hits),
        )
    hours = sum(case.clean_seconds for case in cases) / 3600
    return report | {"false": sum(case.false for case in cases), "hours": hours}


def _case(library: Library, rng: np.random.Generator, folder: Path, config: Mapping[str, Any]) -> Case:
    clip = library.clip(rng, PICTURES)
    coding = draw_coding(draw(rng, config["damage"]["codecs"]), rng, (0.3, 1.0))
    tone = sounds.tone(len(clip.images) / float(RATE))
    path = folder / "whole.ts"
    encode(path, clip.images, tone, video_codec=coding.encoder, audio_codec="mp2", options=coding.options)
    lost, silent = (lose(path, pid, rng, folder / f"{pid}.ts") for pid in (VIDEO, SOUND))
    truth = what_it_shows(lost, path, config["labels"])
    clean = [path, silent, *([lost] if (truth == CLEAN).all() else [])]
    return Case(
        source=clip.source,
        lasting=event_score((truth[::LOOKS] == DAMAGED).astype(float), *LASTING) > 0,
        found={(profile, knows): opens(lost, profile, knows) for profile, knows in product(Profile, (False, True))},
        false=sum(opens(each, Profile.FILE) for each in clean),
        clean_seconds=len(clean) * len(clip.images) / float(RATE),
    )


def lose(whole: Path, pid: int, rng: np.random.Generator, path: Path) -> Path:
    """A copy of a transport stream that lacks some datagrams' packets of one track."""
    data = np.frombuffer(whole.read_bytes(), np.uint8).reshape(-1, PACKET)
    pids = (data[:, 1].astype(int) & 0x1F) << 8 | data[:, 2]
    among = np.flatnonzero(pids == pid)
    among = among[int(BEGIN * len(among)) : int(END * len(among)) + 1]
    begin, burst = float(rng.choice([0.002, 0.01, 0.04])), float(rng.choice([1, DATAGRAM, 3 * DATAGRAM]))
    kept = np.ones(len(data), bool)
    starts = np.flatnonzero(rng.random(len(among)) < begin / burst)
    for start in starts if len(starts) else [int(rng.integers(len(among)))]:
        kept[among[start : start + int(burst)]] = False
    path.write_bytes(data[kept].tobytes())
    return path


def pictures(path: Path) -> Iterator[Picture]:
    """The pictures that the agent reads."""
    with open_source(Source(name=path.stem, url=str(path), live=False)) as capture:
        yield from (sample for sample in capture.samples() if isinstance(sample, Picture))


def what_it_shows(lost: Path, whole: Path, labels: Mapping[str, float]) -> NDArray[np.uint8]:
    """(n,) whether each picture of a stream that lost something is damaged, clean, or doubtful."""
    clean: list[Planes] = [to_planes(picture.frame) for picture in pictures(whole)]
    shown = []
    for picture in pictures(lost):
        planes, place = to_planes(picture.frame), round(picture.time * float(RATE))
        if place < len(clean):
            same = np.array_equal(planes.luma, clean[place].luma)
            shown.append(CLEAN if same else find_damage(planes, clean, place, labels).picture)
    return np.array(shown, np.uint8)


def opens(path: Path, profile: Profile, knows: bool = True) -> bool:
    """Whether the agent opens an event."""
    pipeline = Pipeline(build_detectors(profile, only=["block_corruption"]), profile)
    decisions = []
    for picture in pictures(path):
        picture.doubtful = picture.doubtful and knows
        decisions += pipeline.feed(picture).decisions
    return any(decision.state is State.CLOSED for decision in decisions + pipeline.finish().decisions)
