"""Real clean material, for benchmarks that put defects into it.

Short clips are played forwards and backwards in turn until they last long enough, so that no cut is made that was not
there. Pictures are brought to one size and rate; sound is played likewise, forwards only, with a cross-fade.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

from vqa_agent.media import Samples
from vqa_agent.simulate.scenes import RATE, Image
from vqa_agent.simulate.sounds import SAMPLE_RATE

SIZE = (640, 360)
MAX_PICTURES = 200
CROSS_FADE = 0.05
LOUD = 10 ** (-30 / 20)
"""Least RMS of sound that a defect is put into."""
STEADY = 0.05
"""Least RMS of its quietest second, as a share of the whole: a pause hides a defect."""

FLAWS = {
    ("sound/environment/2-100648-A-43.flac", "clipping"): "1657 flat tops of 3 to 9 samples at full scale",
    ("sound/environment/5-156999-C-19.flac", "clipping"): "160 flat tops of 10 samples and more at full scale",
    ("sound/music/cat_purrrr.flac", "clipping"): "flat tops of 10 to 16 samples at full scale",
    ("sound/music/cat_purrrr24bit.flac", "clipping"): "flat tops of 10 to 16 samples at full scale",
    (
        "sound/music/echomorph-nohpf.flac",
        "clipping",
    ): "an effect's demonstration: up to 99 % of the samples of a second at 85 % of the peak and above",
    ("sound/music/epic.flac", "clipping"): "25 flat tops of 10 samples and more at -1 dBFS",
    ("sound/music/loop_amen_full.flac", "clipping"): "221 flat tops of 3 samples and more at the greatest value",
    ("sound/environment/5-156999-C-19.flac", "audio_distortion"): "the same flat tops",
    ("sound/music/loop_amen_full.flac", "audio_distortion"): "the same flat tops",
    ("sound/music/echomorph-nohpf.flac", "audio_distortion"): "the same samples near the peak",
    (
        "sound/music/arovane_beat_b.flac",
        "audio_clicks",
    ): "an effect's glitches: second differences 26 to 30 dB above all within 20 ms, more than once a second",
    ("sound/environment/noise1.flac", "audio_hum"): "steady lines at multiples of the mains",
    ("sound/environment/noise3.flac", "audio_hum"): "steady lines at multiples of the mains",
    ("sound/music/guit_e_fifths.flac", "audio_hum"): "steady lines at 60.07, 120.04 and 180.01 Hz",
    ("sound/music/03_BN3-119-G_solo_mic.flac", "silence"): "-96 dBFS from beginning to end",
    ("sound/environment/1-100032-A-0.flac", "silence"): "digital zero before and after 0.4 s of sound",
    ("scenes/01_dog.mp4", "silence"): "digital zero from beginning to end",
    ("scenes/02_cups.mp4", "silence"): "digital zero from beginning to end",
    ("scenes/04_coffee.mp4", "silence"): "digital zero from beginning to end",
}
"""Defects that recordings came with, found by looking at their samples: no false alarms, and told apart from them."""


@dataclass(frozen=True)
class Material:
    """A clean recording: (n,) pictures of (height, width, 3) RGB at `RATE`."""

    name: str
    images: list[Image]

    def pictures(self, seconds: float) -> Iterator[Image]:
        """`seconds` of the pictures, to and fro."""
        there_and_back = [*self.images, *self.images[-2:0:-1]]
        return islice(cycle(there_and_back), round(seconds * RATE))


@dataclass(frozen=True)
class Hearing:
    """A clean recording: (2, m) sound at `SAMPLE_RATE`."""

    name: str
    sound: Samples

    def listen(self, seconds: float) -> Samples:
        """`seconds` of the sound."""
        count = round(seconds * SAMPLE_RATE)
        out = self.sound
        fade = np.linspace(0, 1, round(CROSS_FADE * SAMPLE_RATE), dtype=np.float32)
        while out.shape[1] < count:
            seam = out[:, -len(fade) :] * (1 - fade) + self.sound[:, : len(fade)] * fade
            out = np.concatenate([out[:, : -len(fade)], seam, self.sound[:, len(fade) :]], axis=1)
        return np.ascontiguousarray(out[:, :count])


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


def moving(media: Path, first: int, count: int) -> Iterator[Material]:
    """`count` recordings from the `first` on: scenes and talkers in turn."""
    scenes = sorted((media / "scenes").glob("*.m*"))
    talkers = sorted((media / "talking").glob("*.mkv"))
    files = [file for pair in zip(scenes, talkers, strict=False) for file in pair]
    for file in files[first : first + count]:
        yield Material(file.stem, list(read_pictures(file)))


def sounding(media: Path, first: int, count: int) -> Iterator[Hearing]:
    """`count` recordings from the `first` on: speech and music in turn, of those that are loud enough throughout."""
    speech, music = (sorted((media / "sound" / kind).glob("*.flac")) for kind in ("speech", "music"))
    files = (file for pair in zip(speech, music[:: len(music) // len(speech)], strict=False) for file in pair)
    hearings = (Hearing(file.stem, read_sound(file)) for file in files)
    yield from islice((each for each in hearings if _is_loud(each.sound)), first, first + count)


def _is_loud(sound: Samples) -> bool:
    seconds = sound.shape[1] // SAMPLE_RATE
    if seconds < 2:
        return False
    power = (sound[:, : seconds * SAMPLE_RATE] ** 2).reshape(2, seconds, SAMPLE_RATE).mean(axis=2)
    rms = np.sqrt(power.mean(axis=1))
    return bool(rms.min() >= LOUD and np.sqrt(power.min(axis=1)).min() >= STEADY * rms.max())


def panned(file: Path, seconds: float, number: int) -> Iterator[Image]:
    """A camera that glides over a photograph and closes in on it."""
    photograph = cv2.imread(str(file))
    assert photograph is not None, file
    image = cv2.cvtColor(photograph, cv2.COLOR_BGR2RGB)
    rng = np.random.default_rng(number)
    height, width = image.shape[:2]
    largest = min(width / SIZE[0], height / SIZE[1])
    (x, y), (dx, dy) = rng.uniform(0, 1, 2), rng.uniform(-1, 1, 2)
    for moment in itertools.count():
        if moment >= seconds * RATE:
            return
        part = moment / (seconds * RATE)
        scale = largest * (0.95 - 0.25 * part)
        room = width - SIZE[0] * scale, height - SIZE[1] * scale
        left, top = np.clip(x + dx * part / 2, 0, 1) * room[0], np.clip(y + dy * part / 2, 0, 1) * room[1]
        matrix = np.array([[scale, 0, left], [0, scale, top]], np.float32)
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP if scale > 1 else cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        yield np.asarray(cv2.warpAffine(image, matrix, SIZE, flags=flags), np.uint8)
