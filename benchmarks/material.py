"""Real clean material as arrays, for benchmarks that put defects into it.

Short clips are played forwards and backwards in turn until they last long enough, so that no cut is made that was not
there. Pictures are brought to one size and rate; sound is played likewise, forwards only, with a cross-fade.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np

from vqa_agent.media import Samples
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

SIZE = (640, 360)
MAX_PICTURES = 260
CROSS_FADE = 0.05


@dataclass(frozen=True)
class Material:
    """A clean recording: (n,) pictures of (height, width, 3) RGB at `RATE`, and (2, m) sound at `SAMPLE_RATE`."""

    name: str
    images: list[Image]
    sound: Samples

    def pictures(self, seconds: float) -> Iterator[Image]:
        """`seconds` of the pictures, to and fro."""
        there_and_back = [*self.images, *self.images[-2:0:-1]]
        return islice(cycle(there_and_back), round(seconds * RATE))

    def listen(self, seconds: float) -> Samples:
        """`seconds` of the sound."""
        count = round(seconds * SAMPLE_RATE)
        out = self.sound
        fade = np.linspace(0, 1, round(CROSS_FADE * SAMPLE_RATE), dtype=np.float32)
        while out.shape[1] < count:
            seam = out[:, -len(fade) :] * (1 - fade) + self.sound[:, : len(fade)] * fade
            out = np.concatenate([out[:, : -len(fade)], seam, self.sound[:, len(fade) :]], axis=1)
        return np.ascontiguousarray(out[:, :count])


def load(picture_file: Path, sound_file: Path) -> Material:
    """The pictures of one file with the sound of another (or of the same)."""
    return Material(picture_file.stem, list(read_pictures(picture_file)), read_sound(sound_file))


def read_pictures(file: Path) -> Iterator[Image]:
    """At most `MAX_PICTURES` pictures of `file`, scaled to `SIZE`, whatever their own rate."""
    with av.open(str(file)) as container:
        for frame in islice(container.decode(video=0), MAX_PICTURES):
            image: Image = frame.reformat(width=SIZE[0], height=SIZE[1], format="rgb24").to_ndarray()  # type: ignore[assignment]
            yield image


def read_sound(file: Path) -> Samples:
    """The sound of `file` as stereo at `SAMPLE_RATE`."""
    resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)
    with av.open(str(file)) as container:
        blocks = [block.to_ndarray() for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1)


def has_sound(file: Path) -> bool:
    with av.open(str(file)) as container:
        return bool(container.streams.audio)


def clean_material(media: Path, limit: int) -> list[Material]:
    """Up to `limit` recordings: scenes and talkers in turn, each with its own sound or with one from sound/."""
    scenes = sorted((media / "scenes").glob("*.m*"))
    talkers = sorted((media / "talking").glob("*.mkv"))
    files = [file for pair in zip(scenes, talkers, strict=False) for file in pair][:limit]
    sounds = cycle(sorted((media / "sound" / "music").glob("*.flac"))[:: max(1, limit)])
    return [load(file, file if has_sound(file) else next(sounds)) for file in files]
