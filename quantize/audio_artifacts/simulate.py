"""Clean and damaged clips, cut into seconds, as the network is shown them. Kept in a folder, so that it is done once.

python -m quantize.audio_artifacts.simulate --media ../shared/media --cache DIR [--only train,validation,test,unseen]
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from quantize.audio_artifacts import chain, defects, unseen
from quantize.audio_artifacts.defects import Damage, Make
from quantize.audio_artifacts.sources import CLASSES, Recording, recordings
from vqa_agent.hearing import Heard, Listener, measures
from vqa_agent.media import Samples

CONFIG = Path(__file__).with_name("config.toml")
UNKNOWN = -1
"""Truth of a class where a second shows neither clearly the defect nor clearly none. It is left out."""

SHARD = 500
"""Clips in one file of the cache: a broken-off run goes on where it stopped."""

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


def make_clip(
    rng: np.random.Generator, pool: list[Recording], generator: Mapping[str, Make], config: Mapping[str, Any]
) -> Clip:
    """One clip of a recording of `pool`, in three of ten cases clean."""
    weights = np.array([recording.weight * (min(recording.seconds, 12.0) + 2) for recording in pool])
    recording = pool[int(rng.choice(len(pool), p=weights / weights.sum()))]
    settings = config["chain"]
    wave = _excerpt(rng, recording, rng.uniform(*config["clips"]["seconds"]))
    wave, rate = chain.shaped(rng, wave, recording.rate, settings)
    if rng.random() < settings["limited"]:
        wave = chain.limited(wave, rate, rng.uniform(3, 12))
    level = active_level(wave, rate)
    gain = min(10 ** (rng.uniform(*settings["loudness"]) / 20) / level, 0.97 / float(np.abs(wave).max() + 1e-9))
    wave, level = wave * np.float32(gain), level * gain
    damaged, done = _damage(rng, wave, rate, level, generator, config["clips"])
    peak = float(np.abs(damaged).max())
    turn = np.float32(min(1.0, 0.999 / peak) if peak > 0 else 1.0)
    damaged, codec = _delivered(rng, damaged * turn, rate, settings)
    count = min(len(damaged), len(wave)) // rate
    truth = np.stack([_truth(defect, done, wave, rate, count) for defect in CLASSES], axis=1)
    for defect in recording.own:
        truth[:, CLASSES.index(defect)] = UNKNOWN
    severity = np.array([done[d][0].severity if d in done else np.nan for d in CLASSES], np.float32)
    kind = "+".join(f"{defect} {damage.kind}" for defect, (damage, _, _) in done.items())
    return Clip(damaged, rate, truth, severity, recording.name, kind, codec)


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
) -> tuple[Samples, dict[str, tuple[Damage, float, float]]]:
    """`wave` with none, one or two defects, and each defect with the seconds from and to which it lasts."""
    done: dict[str, tuple[Damage, float, float]] = {}
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
        done[str(defect)] = (damage, start, end)
        wave = out
    return wave, done


def _delivered(rng: np.random.Generator, wave: Samples, rate: int, settings: Mapping[str, Any]) -> tuple[Samples, str]:
    if rng.random() < settings["coded"]:
        return chain.coded(rng, wave, rate)
    return chain.rounded(rng, wave, rng.random() < settings["dithered"]), ""


def _truth(
    defect: str, done: Mapping[str, tuple[Damage, float, float]], clean: Samples, rate: int, count: int
) -> NDArray[np.int8]:
    """(count,) whether each second shows `defect`."""
    if defect not in done:
        return np.zeros(count, np.int8)
    damage, start, end = done[defect]
    seconds = np.arange(count)
    covered = np.clip(np.minimum(seconds + 1, end) - np.maximum(seconds, start), 0, 1)
    if damage.moments is not None:
        inside = damage.moments[(damage.moments >= start * rate) & (damage.moments < end * rate)] / rate
        struck = np.histogram(inside, np.arange(count + 1))[0]
        return np.where(struck > 0, 1, np.where(covered == 0, 0, UNKNOWN)).astype(np.int8)
    truth = np.where(covered >= 0.6, 1, np.where(covered <= 0.02, 0, UNKNOWN))
    if defect == "distortion":
        damaged = distorted_share(clean, damage.wave, rate, count)
        truth = np.where((truth == 1) & (damaged < 0.003), UNKNOWN, truth)
    return truth.astype(np.int8)


def distorted_share(clean: Samples, damaged: Samples, rate: int, count: int) -> NDArray[np.float64]:
    """(count,) share of each second's samples that are not the clean ones at the clip's usual gain."""
    usual = np.abs(clean) < np.quantile(np.abs(clean), 0.7)
    gain = float(clean[usual] @ damaged[usual]) / max(1e-12, float(clean[usual] @ clean[usual]))
    off = np.abs(damaged - gain * clean) > 0.01 * np.abs(damaged).max()
    return np.asarray(off[: count * rate].reshape(count, rate).mean(axis=1))


def seconds_of(clip: Clip, listeners: dict[int, Listener]) -> list[Heard | None]:
    """Every whole second of a clip, heard."""
    listener = listeners.setdefault(clip.rate, Listener(clip.rate))
    whole = clip.wave[: len(clip.truth) * clip.rate].reshape(-1, clip.rate)
    return [listener.listen(second) for second in whole]


def simulate(name: str, pool: list[Recording], config: Mapping[str, Any], cache: Path) -> None:
    """Write the set `name` to `cache`, a shard at a time."""
    generator = unseen.GENERATOR if name == "unseen" else defects.GENERATOR
    clips = int(config["clips"][SETS[name]])
    for shard in range(0, clips, SHARD):
        path = cache / f"{name}_{shard:06d}.npz"
        if not path.exists():
            rows = list(_rows(name, range(shard, min(clips, shard + SHARD)), pool, generator, config))
            columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
            part = path.with_suffix(".part.npz")
            np.savez(part, **columns)
            part.rename(path)


def _rows(
    name: str, numbers: range, pool: list[Recording], generator: Mapping[str, Make], config: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    listeners: dict[int, Listener] = {}
    for number in tqdm(numbers, desc=f"{name} {numbers.start}", mininterval=5):
        rng = np.random.default_rng([config["clips"]["seed"], sorted(SETS).index(name), number])
        clip = make_clip(rng, pool, generator, config)
        heard = seconds_of(clip, listeners)
        for index, second in enumerate(heard):
            if second is not None:
                yield {
                    "picture": second.picture.astype(np.float16),
                    "measures": measures(heard, index).astype(np.float32),
                    "truth": clip.truth[index],
                    "severity": clip.severity,
                    "clip": number,
                    "source": clip.name,
                    "kind": clip.kind,
                    "codec": clip.codec,
                    "rate": clip.rate,
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True, help="folder with sound/ and talking/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what is made; may grow to some GB")
    parser.add_argument("--only", default=",".join(SETS), help="sets to make")
    arguments = parser.parse_args()
    config = tomllib.loads(CONFIG.read_text())
    every = list(recordings(arguments.media, config))
    arguments.cache.mkdir(parents=True, exist_ok=True)
    for name in arguments.only.split(","):
        simulate(name, [recording for recording in every if recording.split == SETS[name]], config, arguments.cache)


if __name__ == "__main__":
    main()
