"""Recordings of people talking to mouths and sound, and from these the training sequences, drawn anew each time.

The mouths come the way that the agent takes: `MouthFollower` on the agent's own pictures, twice: with the faces that
our own detector finds, and with those of the labels, made to tremble. Both sides are then damaged as broadcasting does
it, never in a way that moves one against the other, and the same way whatever the offset: shifts are made by slicing.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from quantize.cache import Arrays, cached
from vqa_agent.capture import Source, open_source
from vqa_agent.infer.manifest import read_manifest
from vqa_agent.lipsync import mouth
from vqa_agent.lipsync.embed import windows_of
from vqa_agent.lipsync.faces import Face, FaceFinder
from vqa_agent.lipsync.follow import Find, MouthFollower
from vqa_agent.lipsync.mouth import HEIGHT, WIDTH
from vqa_agent.lipsync.voice import STEP, WINDOW, normalise, spectrum
from vqa_agent.media import Picture, Sound

VERSION = 2
"""Rises when prepared recordings must be made again."""

MARGIN = (12, 16)
"""Rows and columns around a cut that are kept, so that a training sequence can be moved and turned."""

RATE = 16_000
"""Samples a second of the sound that is kept."""

Floats = NDArray[np.float32]
Labels = dict[tuple[str, int], list[Face]]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: `cuts` (n, rows, columns) for the slots from `first` on, and its sound from media second 0 on.

    `offset` is the recording's own, in seconds: positive when its sound is late. `faces` says who found the mouth.
    """

    name: str
    speaker: str
    kind: str
    first: int
    cuts: NDArray[np.uint8]
    wave: Floats
    offset: float = 0.0
    faces: str = "labels"

    @property
    def slots(self) -> int:
        return int(self.cuts.shape[0])


def talking(media: Path, same: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Speaker and kind (real or generated) of each recording, by file name. Takes of one person are one speaker."""
    with (media / "index.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("talking/")]
    speakers = {row["file"]: speaker_of(row["file"], same) for row in rows}
    generated = {speakers[row["file"]] for row in rows if row["kind"] == "generated"}
    return {file: (speaker, "generated" if speaker in generated else "real") for file, speaker in speakers.items()}


def speaker_of(file: str, same: Mapping[str, str]) -> str:
    """
    >>> speaker_of("talking/grid_s1/bbaz7a.mkv", {}), speaker_of("talking/tys.mkv", {"tys": "vasa_13"})
    ('grid_s1', 'vasa_13')
    """
    path = Path(file)
    name = path.parent.name if path.parent.name != "talking" else path.stem
    return same.get(name, name)


def read_labels(path: Path) -> Labels:
    """The teacher's faces by file and number of the picture."""
    with gzip.open(path, "rt") as lines:
        entries = [json.loads(line) for line in lines]
    return {(entry["file"], entry["frame"]): [_face(each) for each in entry["faces"]] for entry in entries}


def _face(label: Mapping[str, Any]) -> Face:
    points = [label[name] for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")]
    return Face(tuple(label["box"]), np.array(points, np.float32), 1.0)


class TremblingLabels:
    """Faces of the labels, with the errors of a small detector: a bias of its own for each clip, and a tremble."""

    def __init__(self, labels: Labels, file: str, tremble: float, seed: int) -> None:
        self._labels, self._file, self._tremble = labels, file, tremble
        self._rng = np.random.default_rng(seed)
        self._bias = self._rng.normal(0, tremble, (5, 2)).astype(np.float32)

    def __call__(self, picture: Picture) -> Sequence[Face]:
        return [self._moved(face) for face in self._labels.get((self._file, picture.index), [])]

    def _moved(self, face: Face) -> Face:
        noise = self._bias + self._rng.normal(0, self._tremble, (5, 2)).astype(np.float32)
        return Face(face.box, face.points + noise * face.box[2:], face.score)


class ConfirmedFaces:
    """What our own detector finds, where the labels say that somebody is."""

    def __init__(self, labels: Labels, file: str, finder: FaceFinder) -> None:
        self._labels, self._file, self._finder = labels, file, finder

    def __call__(self, picture: Picture) -> Sequence[Face]:
        known = self._labels.get((self._file, picture.index), [])
        return [face for face in self._finder.find(picture) if any(_inside(face, each) for each in known)]


def _inside(face: Face, other: Face) -> bool:
    """Whether the middle of one face lies in the other."""
    (x, y, width, height), (left, top, across, down) = face.box, other.box
    return 0 <= x + width / 2 - left <= across and 0 <= y + height / 2 - top <= down


def read_clip(media: Path, file: str, find: Find) -> Arrays:
    """The mouth of the longest track, and the sound, as arrays of one recording; no cuts where there is no face."""
    shape = HEIGHT + 2 * MARGIN[0], WIDTH + 2 * MARGIN[1]
    follower = MouthFollower(find, shape)
    sounds: list[Sound] = []
    with open_source(Source(name=file, url=str(media / file), live=False)) as capture:
        for sample in capture.samples():
            if isinstance(sample, Picture):
                follower.watch(sample)
            elif isinstance(sample, Sound):
                sounds.append(sample)
    follower.settle()
    longest = max(follower.mouths.values(), key=lambda mouth: len(mouth.slots), default=None)
    first, cuts = longest.film() if longest else (0, np.zeros((0, *shape), np.uint8))
    return {"first": np.array(first), "cuts": cuts, "wave": _wave(sounds)}


def _wave(sounds: Sequence[Sound]) -> Floats:
    """The mean of the channels from media second 0 on, at `RATE`."""
    rate, start = sounds[0].rate, sounds[0].time
    wave = np.concatenate([sound.samples.mean(axis=0) for sound in sounds])
    moments = np.arange(int((start + len(wave) / rate) * RATE)) / RATE
    heard = start + np.arange(len(wave)) / rate
    return np.interp(moments, heard, lowpass(wave, rate, RATE / 2), left=0).astype(np.float32)


def lowpass(wave: Floats, rate: int, edge: float) -> Floats:
    """Without what lies above `edge` Hz; no delay."""
    if edge >= rate / 2:
        return wave
    size = _fast(len(wave))
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    bins = np.fft.rfft(wave, size) * np.clip((edge - frequencies) / (0.1 * edge) + 1, 0, 1).astype(np.float32)
    return np.fft.irfft(bins, size)[: len(wave)].astype(np.float32)


def _fast(count: int) -> int:
    """A length of at least `count` that Fourier transforms like."""
    return 1 << (count - 1).bit_length()


def prepare(media: Path, config: Mapping[str, Any]) -> list[Clip]:
    """Every recording of `media`/talking, once for each way to find its faces, from the cache where it was made before.

    The first of a recording's clips has the faces of the labels.
    """
    labels = read_labels(media / "labels" / "faces_talking.jsonl.gz")
    finder, model = FaceFinder(), read_manifest()["face"].full.sha256
    clips = []
    for file, (speaker, kind) in sorted(talking(media, config["same"]).items()):
        about = {"version": VERSION, "file": file, "size": (media / file).stat().st_size}
        trembling = TremblingLabels(labels, file, config["tremble"], config["seed"])
        ways: dict[str, tuple[Find, dict[str, Any]]] = {
            "labels": (trembling, {"tremble": config["tremble"], "seed": config["seed"]}),
            "own": (ConfirmedFaces(labels, file, finder), {"face": model}),
        }
        for way, (find, follows_from) in ways.items():
            made = cached("sync-clip", {**about, **follows_from}, partial(read_clip, media, file, find))
            cuts, wave = np.array(made["cuts"]), np.array(made["wave"])
            clips.append(Clip(file, speaker, kind, int(made["first"]), cuts, wave, faces=way))
    return clips


def noises(media: Path) -> list[Floats]:
    """Music and noises to put under voices, at `RATE`."""
    waves = []
    for file in sorted(media.glob("sound/music/*.flac"))[::4] + sorted(media.glob("sound/environment/*.flac")):
        with open_source(Source(name=file.name, url=str(file), live=False)) as capture:
            waves.append(_wave([sample for sample in capture.samples() if isinstance(sample, Sound)]))
    return [wave for wave in waves if len(wave) > RATE]


class Sequencer:
    """Draws training sequences: `length` slots of stacked cuts and of voice windows that belong to them."""

    def __init__(self, noise: Sequence[Floats], config: Mapping[str, Any], seed: int) -> None:
        self.noise, self.config = noise, config
        self.rng = np.random.default_rng(seed)
        self._grain = self.rng.standard_normal(1 << 20, np.float32)

    def draw(self, clip: Clip, length: int) -> tuple[Floats, Floats]:
        """Stacks (length, 5, rows, columns) and windows (length, 1, BANDS, 20) from a random place of `clip`."""
        rng, stack = self.rng, self.config["stack"]
        speed = rng.uniform(1 - self.config["speed"], 1 + self.config["speed"])
        reach = (length + stack) * speed
        begin = rng.uniform(0, max(0.0, clip.slots - reach))
        places = begin + (np.arange(length + stack - 1) - stack // 2) * speed
        nearest = np.rint(places).astype(int)
        cuts = self._filmed(clip.cuts[np.clip(nearest, 0, clip.slots - 1)])
        # What rounding moved the pictures by, on average, moves the sound too.
        begin += float((nearest - places).mean())
        stacks = np.lib.stride_tricks.sliding_window_view(cuts, stack, axis=0).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(stacks), self._heard(clip, begin, speed, length)

    def _filmed(self, cuts: NDArray[np.uint8]) -> Floats:
        """Moved, turned, mirrored, lit, blurred and coded, alike over the sequence but for a tremble."""
        rng, config = self.rng, self.config
        moves = np.stack([_wander(len(cuts), config["drift"], rng) + rng.normal(0, config["move"]) for _ in range(2)])
        turn, scale = rng.normal(0, config["turn"]), np.exp(rng.normal(0, config["scale"]))
        mirrored = rng.random() < 0.5
        small = rng.choice([1.0, rng.uniform(0.25, 1.0)]) if rng.random() < config["small"] else 1.0
        quality = int(rng.integers(15, 70)) if rng.random() < config["coded"] else None
        out = []
        for cut, (dx, dy) in zip(cuts, moves.T, strict=True):
            rows, columns = cut.shape
            warp = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(np.degrees(turn)), float(scale))
            warp[:, 2] += dx - MARGIN[1], dy - MARGIN[0]
            image = cv2.warpAffine(cut, warp, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            out.append(_coded(np.asarray(image, np.uint8), small, quality))
        film = np.stack(out)
        return self._exposed(film[:, :, ::-1] if mirrored else film)

    def _exposed(self, cuts: NDArray[np.uint8]) -> Floats:
        rng, config = self.rng, self.config
        gamma = np.exp(rng.normal(0, 0.3)) if rng.random() < 0.5 else 1.0
        film = np.asarray((255 * (np.arange(256) / 255) ** gamma)[cuts], np.float32)
        if rng.random() < 0.3:
            across, down = np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT)[:, None]
            film = film + (rng.normal(0, 20) * across + rng.normal(0, 20) * down).astype(np.float32)
        grain = self._grain[int(rng.integers(self._grain.size - film.size)) :][: film.size].reshape(film.shape)
        film = film + np.float32(rng.uniform(0, config["grain"])) * grain
        return mouth.normalise(np.clip(film, 0, 255))

    def _heard(self, clip: Clip, begin: float, speed: float, length: int) -> Floats:
        """The windows of the slots from `begin` on: late by the clip's own offset, in a room, with something under."""
        rng, config = self.rng, self.config
        around = 0.4
        seconds = 0.04 * length + 2 * around
        start = 0.04 * (clip.first + begin) + clip.offset - around * speed
        moments = start + np.arange(round(seconds * RATE)) / RATE * speed
        wave = np.interp(moments, np.arange(len(clip.wave)) / RATE, clip.wave, left=0, right=0).astype(np.float32)
        if rng.random() < config["reverb"]:
            wave = _in_a_room(wave, rng)
        level = float(np.sqrt(np.mean(wave**2))) + 1e-5
        if rng.random() < config["noise"]:
            wave = wave + self._under(len(wave)) * np.float32(level * 10 ** (-rng.uniform(*config["noise_db"]) / 20))
        if rng.random() < config["narrow"]:
            wave = lowpass(wave, RATE, float(rng.uniform(3000, 7000)))
        wave = wave + rng.normal(0, level * 10 ** (-rng.uniform(35, 70) / 20), len(wave)).astype(np.float32)
        return windows_of(normalise(voice_rows(wave)), round(around / STEP), length)

    def _under(self, count: int) -> Floats:
        """Music or noise of RMS 1."""
        wave = self.noise[int(self.rng.integers(len(self.noise)))]
        part = np.resize(np.roll(wave, -int(self.rng.integers(len(wave)))), count)
        return np.asarray(part / (float(np.sqrt(np.mean(part**2))) + 1e-6), np.float32)


def _wander(count: int, by: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count,) a line through random knots, one for each look for faces."""
    knots = np.arange(0, count + 5, 5)
    return np.interp(np.arange(count), knots, rng.normal(0, by, len(knots)))


def _coded(image: NDArray[np.uint8], small: float, quality: int | None) -> NDArray[np.uint8]:
    """As a small face and a thin codec leave it."""
    if small < 1.0:
        size = max(8, round(WIDTH * small)), max(6, round(HEIGHT * small))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if quality is not None:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8)


def _in_a_room(wave: Floats, rng: np.random.Generator) -> Floats:
    """The direct sound, and behind it an exponential tail of 0.1 to 0.6 s."""
    decay = rng.uniform(0.1, 0.6)
    tail = rng.normal(0, 1, round(decay * RATE)) * np.exp(-6.9 * np.arange(round(decay * RATE)) / (decay * RATE))
    tail *= rng.uniform(0.1, 0.6) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = _fast(len(wave) + len(tail))
    room = np.fft.rfft(tail.astype(np.float32), size)
    return np.fft.irfft(np.fft.rfft(wave, size) * room, size)[: len(wave)].astype(np.float32)


def voice_rows(wave: Floats) -> Floats:
    """Rows of the voice for a wave at `RATE`; row n is the spectrum around second n * STEP of it."""
    half = round(RATE * WINDOW / 2)
    padded = np.pad(wave, half)[None]
    count = int(len(wave) / RATE / STEP)
    return spectrum(padded, RATE, np.rint(np.arange(count) * STEP * RATE).astype(np.int64))


def sequences(clips: Sequence[Clip], sequencer: Sequencer, batch: int, length: int) -> Iterator[tuple[Floats, Floats]]:
    """Batches without end: `batch` sequences, each of another speaker where there are enough.

    A speaker is drawn as often as the square root of what there is of him: one has half of all the sound.
    """
    speakers = sorted({clip.speaker for clip in clips})
    of = {name: [clip for clip in clips if clip.speaker == name and clip.slots > length] for name in speakers}
    speakers = [name for name in speakers if of[name]]
    weight = np.sqrt([sum(clip.slots for clip in of[name]) for name in speakers])
    while True:
        chosen = sequencer.rng.choice(len(speakers), batch, replace=False, p=weight / weight.sum())
        drawn = []
        for number in chosen:
            choices = of[speakers[number]]
            drawn.append(sequencer.draw(choices[sequencer.rng.integers(len(choices))], length))
        yield np.concatenate([each[0] for each in drawn]), np.concatenate([each[1] for each in drawn])
