"""Drawn scenes and made sounds as samples, without a codec: what detectors are shown in these tests."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from vqa_agent.detect import Detector, Profile
from vqa_agent.event import State
from vqa_agent.judge import Decision
from vqa_agent.media import Fact, FactKind, Picture, Sample, Samples, Sound
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

SIZE = (320, 180)


def pictures(images: Iterable[Image], rate: int = RATE, start: float = 0.0) -> Iterator[Picture]:
    """RGB images as limited-range BT.601 pictures."""
    before: Picture | None = None
    for number, image in enumerate(images):
        before = picture(image, start + number / rate, 1 / rate, before)
        yield before


def picture(image: Image, time: float = 0.0, duration: float = 0.04, previous: Picture | None = None) -> Picture:
    height = image.shape[0] // 2 * 2
    planes = cv2.cvtColor(np.ascontiguousarray(image[:height]), cv2.COLOR_RGB2YUV_I420)
    width = image.shape[1]
    quarter = height // 4
    chroma = [
        plane.reshape(height // 2, width // 2)
        for plane in (planes[height : height + quarter], planes[height + quarter : height + 2 * quarter])
    ]
    return Picture(
        time=time,
        duration=duration,
        luma=planes[:height],
        chroma=(chroma[0], chroma[1]),
        previous=previous,
        index=round(time / duration),
    )


def sound_blocks(
    sound: Samples, rate: int = SAMPLE_RATE, names: tuple[str, ...] = (), start: float = 0.0
) -> Iterator[Sound]:
    """Sound in blocks of 100 ms."""
    size = rate // 10
    for place in range(0, sound.shape[1], size):
        yield Sound(time=start + place / rate, rate=rate, samples=sound[:, place : place + size], names=names)


def signal(seconds: float, start: float = 0.0) -> Iterator[Fact]:
    """A healthy signal, stated twice a second."""
    for half in range(round(seconds * 2)):
        yield Fact(FactKind.SIGNAL, start + half / 2, 0.5, detail={"video": True, "audio": True})


def merge(*streams: Iterable[Sample]) -> Iterator[Sample]:
    """Samples of several kinds in order of their time."""
    return heapq.merge(*streams, key=lambda sample: sample.time)


def events(
    samples: Iterable[Sample], profile: Profile = Profile.FILE, only: Iterable[str] = (), **settings: dict
) -> list[Decision]:
    """The closed events that the whole way (detectors, judge) makes of `samples`."""
    pipeline = Pipeline(build_detectors(profile, settings, only=list(only)), profile)
    decisions = [decision for sample in samples for decision in pipeline.feed(sample).decisions]
    decisions += pipeline.finish().decisions
    for name, account in pipeline.suite.accounts.items():
        assert not account.failures, f"{name}: {account.last_failure}"
    return [decision for decision in decisions if decision.state is State.CLOSED]


def names(decisions: Iterable[Decision]) -> list[str]:
    return [decision.defect for decision in decisions]


def fresh(name: str, profile: Profile = Profile.FILE) -> Detector:
    """One detector with its defaults."""
    return build_detectors(profile, only=[name])[0]
