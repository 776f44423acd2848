"""Clean and damaged clips, cut into seconds, as the network is shown them. Kept on disk, so that it is done once.

python -m quantize.audio_artifacts.simulate --media DIR [--only train,validation,test,unseen]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from quantize.audio_artifacts import audibility, chain, defects, unseen
from quantize.audio_artifacts.defects import Damage, Make
from quantize.audio_artifacts.sources import CLASSES, Recording, recordings
from quantize.cache import FOLDER, Arrays, cached
from quantize.setup import read_config
from vqa_agent.hearing import Heard, Listener, measures
from vqa_agent.media import Samples

CONFIG = Path(__file__).with_name("config.toml")
UNKNOWN = -1
"""Truth of a class where a second shows neither clearly the defect nor clearly none. It is left out."""

AUDIBLE = {"hum": audibility.hum, "hiss": audibility.hiss, "distortion": audibility.distortion}

SHARD = 250
"""Clips that are kept together: a broken-off run goes on where it stopped."""

VERSION = 8
"""Rises when the code changes what is made."""

SETS = {"train": "train", "validation": "validation", "test": "test", "unseen": "test"}
"""Each set and the split whose recordings it uses. `unseen` uses the other generator."""


@dataclass(frozen=True, slots=True)
class Clip:
    """`wave` (n,) at `rate`; `truth` (seconds, classes) of 1, 0 or `UNKNOWN`; `severity` (classes,) or NaN."""

    wave: Samples
    rate: int
    truth: NDArray[np.int8]
    severity: NDArray[np.float32]
    name: str
    kind: str
    codec: str


@dataclass(frozen=True, slots=True)
class _Done:
    """A defect put into a clip: the sound before it, and the seconds from and to which it lasts."""

    damage: Damage
    before: Samples
    start: float
    end: float


def make_clip(
    rng: np.random.Generator, pool: list[Recording], generator: Mapping[str, Make], config: Mapping[str, Any]
) -> Clip:
    """One clip of a recording of `pool`, in three of ten cases clean."""
    recording = _drawn(rng, pool)
    settings = config["chain"]
    # Whole halves of a second: other lengths have large prime factors, at which an FFT takes many times as long.
    wave = _excerpt(rng, recording, round(2 * rng.uniform(*config["clips"]["seconds"])) / 2)
    own = set(recording.own)
    if rng.random() < settings["mixed"]:
        other = _drawn(rng, pool)
        below = chain.resampled(_excerpt(rng, other, len(wave) / recording.rate), other.rate, recording.rate)
        wave = wave + below * np.float32(10 ** (-rng.uniform(0, 20) / 20) * np.std(wave) / (np.std(below) + 1e-9))
        own |= set(other.own)
    wave, rate = chain.shaped(rng, wave, recording.rate, settings)
    if rng.random() < settings["limited"]:
        wave = chain.limited(wave, rate, rng.uniform(3, 12))
        if rng.random() < settings["mastered"]:
            wave = chain.mastered(rng, wave)
    level = active_level(wave, rate)
    gain = min(10 ** (rng.uniform(*settings["loudness"]) / 20) / level, 0.97 / float(np.abs(wave).max() + 1e-9))
    wave, level = wave * np.float32(gain), level * gain
    damaged, done = _damage(rng, wave, rate, level, generator, config["clips"])
    peak = float(np.abs(damaged).max())
    turn = np.float32(min(1.0, 0.999 / peak) if peak > 0 else 1.0)
    damaged, codec = _delivered(rng, damaged * turn, rate, settings)
    count = min(len(damaged), len(wave)) // rate
    truth = np.stack([_truth(done.get(defect), defect, rate, count) for defect in CLASSES], axis=1)
    for defect in own:
        truth[:, CLASSES.index(defect)] = UNKNOWN
    severity = np.array([done[d].damage.severity if d in done else np.nan for d in CLASSES], np.float32)
    kind = "+".join(f"{defect} {each.damage.kind}" for defect, each in done.items())
    return Clip(damaged, rate, truth, severity, recording.name, kind, codec)


def _drawn(rng: np.random.Generator, pool: list[Recording]) -> Recording:
    weights = np.array([recording.weight * (min(recording.seconds, 12.0) + 2) for recording in pool])
    return pool[int(rng.choice(len(pool), p=weights / weights.sum()))]


def active_level(wave: Samples, rate: int) -> float:
    """RMS of the parts of `wave` that are not pauses: blocks of 50 ms within 25 dB of the loudest."""
    size = max(1, rate // 20)
    power = np.mean(wave[: len(wave) // size * size].reshape(-1, size) ** 2, axis=1)
    return float(np.sqrt(power[power >= power.max() * 10**-2.5].mean())) + 1e-9


def _excerpt(rng: np.random.Generator, recording: Recording, seconds: float) -> Samples:
    """A part of a recording; a short one is repeated, faded into itself."""
    wave, rate = recording.wave, recording.rate
    count = max(round(seconds * rate), rate)
    fade = round(0.03 * rate)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    while len(wave) < count:
        seam = wave[-fade:] * (1 - ramp) + recording.wave[:fade] * ramp
        wave = np.concatenate([wave[:-fade], seam, recording.wave[fade:]])
    start = int(rng.integers(0, len(wave) - count + 1))
    return wave[start : start + count]


def _damage(
    rng: np.random.Generator,
    wave: Samples,
    rate: int,
    level: float,
    generator: Mapping[str, Make],
    settings: Mapping[str, Any],
) -> tuple[Samples, dict[str, _Done]]:
    """`wave` with none, one or two defects, and what they are."""
    done: dict[str, _Done] = {}
    if rng.random() < settings["none"]:
        return wave, done
    number = 2 if rng.random() < settings["second_defect"] else 1
    for defect in sorted(rng.choice(CLASSES, number, replace=False), key=("distortion", *CLASSES).index):
        damage = generator[defect](rng, wave, rate, level)
        start, end = 0.0, len(wave) / rate
        out = damage.wave
        if number == 1 and end > 2.5 and rng.random() < settings["partial"]:
            start, end = (0.0, rng.uniform(1, end - 1)) if rng.random() < 0.4 else (rng.uniform(1, end - 1), end)
            gain = np.float32(float(wave @ damage.wave) / max(1e-9, float(wave @ wave)))
            out = wave * (gain if defect == "distortion" else np.float32(1))
            part = slice(round(start * rate), round(end * rate))
            out[part] = damage.wave[part]
        done[str(defect)] = _Done(damage, wave, start, end)
        wave = out
    return wave, done


def _delivered(rng: np.random.Generator, wave: Samples, rate: int, settings: Mapping[str, Any]) -> tuple[Samples, str]:
    if rng.random() < settings["coded"]:
        return chain.coded(rng, wave, rate)
    return chain.rounded(rng, wave, rng.random() < settings["dithered"]), ""


def _truth(done: _Done | None, defect: str, rate: int, count: int) -> NDArray[np.int8]:
    """(count,) whether each second shows `defect`; `UNKNOWN` where it is there, but hidden by the sound itself."""
    if done is None:
        return np.zeros(count, np.int8)
    seconds = np.arange(count)
    covered = np.clip(np.minimum(seconds + 1, done.end) - np.maximum(seconds, done.start), 0, 1)
    if (moments := done.damage.moments) is None:
        shown = (covered >= 0.6) & AUDIBLE[defect](done.before, done.damage.wave, rate, count)
        return np.where(shown, 1, np.where(covered <= 0.02, 0, UNKNOWN)).astype(np.int8)
    heard = audibility.clicks(done.before, done.damage, rate) > audibility.CLICK
    inside = heard & (moments >= done.start * rate) & (moments < done.end * rate)
    struck = np.histogram(moments[inside], np.arange(count + 1) * rate)[0]
    return np.where(struck > 0, 1, np.where(covered == 0, 0, UNKNOWN)).astype(np.int8)


def seconds_of(clip: Clip, listeners: dict[int, Listener]) -> list[Heard | None]:
    """Every whole second of a clip, heard."""
    listener = listeners.setdefault(clip.rate, Listener(clip.rate))
    whole = clip.wave[: len(clip.truth) * clip.rate].reshape(-1, clip.rate)
    return [listener.listen(second) for second in whole]


def clip_of(name: str, number: int, pool: list[Recording], config: Mapping[str, Any]) -> Clip:
    """Clip `number` of the set `name`: the same in every run."""
    rng = np.random.default_rng([config["clips"]["seed"], sorted(SETS).index(name), number])
    return make_clip(rng, pool, unseen.GENERATOR if name == "unseen" else defects.GENERATOR, config)


def dataset(name: str, every: Sequence[Recording], config: Mapping[str, Any], folder: Path = FOLDER) -> Arrays:
    """The seconds of the set `name`, one row each, of the recordings of its split."""
    pool = [recording for recording in every if recording.split == SETS[name]]
    clips = int(config["clips"][SETS[name]])
    known = {part: config[part] for part in ("sources", "chain")}
    known |= {"clips": {name: value for name, value in config["clips"].items() if name not in SETS}}
    known |= {"version": VERSION, "set": name, "files": [(r.name, len(r.wave)) for r in pool]}
    shards = []
    for first in range(0, clips, SHARD):
        numbers = range(first, min(clips, first + SHARD))
        key = known | {"numbers": [numbers.start, numbers.stop]}
        shards.append(cached("audio_artifacts", key, partial(_columns, name, numbers, pool, config), folder))
    data = {key: np.concatenate([shard[key] for shard in shards]) for key in shards[0]}
    for defect, limit in config["faintest"].items():
        index = CLASSES.index(defect)
        fainter = (data["truth"][:, index] == 1) & (data["severity"][:, index] > limit)
        data["truth"][fainter, index] = UNKNOWN
    return data


def _columns(name: str, numbers: range, pool: list[Recording], config: Mapping[str, Any]) -> Arrays:
    listeners: dict[int, Listener] = {}
    progress = tqdm(numbers, desc=f"simulating {name} {numbers.start}", mininterval=5)
    rows = [row for number in progress for row in _rows(number, clip_of(name, number, pool, config), listeners)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _rows(number: int, clip: Clip, listeners: dict[int, Listener]) -> Iterator[dict[str, Any]]:
    heard = seconds_of(clip, listeners)
    for index, second in enumerate(heard):
        if second is not None:
            yield {
                "picture": second.picture.astype(np.float16),
                "measures": measures(heard, index),
                "truth": clip.truth[index],
                "severity": clip.severity,
                "clip": number,
                "second": index,
                "source": clip.name,
                "kind": clip.kind,
                "codec": clip.codec,
                "rate": clip.rate,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder with sound/ and talking/")
    parser.add_argument("--only", default=",".join(SETS), help="sets to make")
    arguments = parser.parse_args()
    config = read_config(CONFIG)
    every = list(recordings(arguments.media, config))
    for name in arguments.only.split(","):
        made = dataset(name, every, config)
        print(f"{name}: {len(made['truth'])} seconds")


if __name__ == "__main__":
    main()
