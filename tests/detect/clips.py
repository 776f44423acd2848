"""Drawn pictures that several tests look at, drawn once, and the way through an encoder and a file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.detect import samples
from vqa_agent.capture import Source, open_source
from vqa_agent.detect import Profile
from vqa_agent.judge import Decision
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes
from vqa_agent.simulate.encode import encode
from vqa_agent.simulate.scenes import Image

CODECS = ("libx264", "mpeg2video", "libx265")
SECONDS = 8.0


@cache
def clip(content: str, seconds: float = SECONDS, size: tuple[int, int] = samples.SIZE) -> list[Image]:
    """Clean pictures of one of the drawn scenes. Not to be written to."""
    return list(scenes.SCENES[content](seconds, size))


def found(defect: str, images: Iterable[Image], profile: Profile = Profile.FILE, rate: int = 25, **settings) -> list:
    """The events of one detector on pictures as they are."""
    chosen = {defect: settings} if settings else {}
    return samples.events(samples.pictures(images, rate), profile, only=[defect], **chosen)


def found_behind(codec: str, defect: str, images: Iterable[Image], folder: Path) -> list[Decision]:
    """The events of one detector on pictures that went through an encoder."""
    file = encode(folder / f"{defect}.mkv", images, video_codec=codec)
    with open_source(Source(name=defect, url=str(file), live=False)) as capture:
        pictures = (sample for sample in capture.samples() if isinstance(sample, Picture))
        return samples.events(pictures, only=[defect])
