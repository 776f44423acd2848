"""What the voice activity measure is worth, on real speech against music and noises.

    python -m benchmarks.speech --media DIR [--fit]

Speech is in sound/speech and talking, what is not in sound/music (songs, too) and sound/environment. Speech counts
where at least a third of the two seconds has sound. Each recording of speech is heard once more over music, 8 to 20 dB
below it. Scores are given for the weights that are built in, and, with --fit, for weights found on five sixths of the
sources and tried on the last (sources, not segments, are split); the weights found on everything are then printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vqa_agent import speech
from vqa_agent.capture.sound import SoundAssembler
from vqa_agent.media import Sound

Vector = NDArray[np.float64]

FOLDS = 6
RIDGE = 3.0
"""Strength with which weights are held near zero."""

FALSE_RATE = 0.04
"""Share of windows of music and noise that may count as speech: it sets the threshold."""

HOP = 5
LEAST_SOUND = 1 / 3


@dataclass(frozen=True)
class Windows:
    """Features (windows, features) of one recording."""

    name: str
    source: str
    is_speech: bool
    values: Vector


def blocks_of(file: Path, seconds: float = 60.0) -> list[Sound]:
    """The first sound track of a file in blocks."""
    blocks: list[Sound] = []
    with av.open(str(file)) as container:
        if not container.streams.audio:
            return []
        assembler, time = SoundAssembler(), 0.0
        try:
            for frame in container.decode(container.streams.audio[0]):
                blocks += assembler.add(frame, time)
                time += frame.samples / frame.sample_rate
                if time > seconds:
                    break
        except av.error.FFmpegError:
            return []
    return blocks


def over_bed(blocks: list[Sound], bed: list[Sound], rng: np.random.Generator) -> list[Sound]:
    """Speech over music that is 8 to 20 dB quieter."""
    rate = blocks[0].rate
    wave = np.concatenate([block.samples.mean(axis=0) for block in blocks])
    music = np.concatenate([block.samples.mean(axis=0) for block in bed])
    music = np.interp(np.arange(len(wave)) * bed[0].rate / rate % len(music), np.arange(len(music)), music)
    gain = np.sqrt(np.mean(wave**2) / (np.mean(music**2) + 1e-12)) * 10 ** (-rng.uniform(8, 20) / 20)
    mixed = (wave + gain * music).astype(np.float32)[None]
    size = rate // 10
    return [Sound(time=at / rate, rate=rate, samples=mixed[:, at : at + size]) for at in range(0, len(wave), size)]


def windows_of(blocks: list[Sound], is_speech: bool) -> Vector:
    """Features of each window of a recording, and None where there is too little of it."""
    spectra = [spectrum for block in blocks if (spectrum := speech.analyse(block)) is not None]
    rows = []
    for start in range(0, len(spectra) - speech.WINDOW + 1, HOP):
        window = spectra[start : start + speech.WINDOW]
        found = speech.features(window)
        level = 10 * np.log10(np.concatenate([block.bands.sum(axis=1) for block in window]) + 1e-12)
        filled = np.mean(level > np.percentile(level, 95) - speech.LOUD_DB)
        if found is not None and (not is_speech or filled >= LEAST_SOUND):
            rows.append(list(found.values()))
    return np.array(rows)


def gather(media: Path) -> Iterator[Windows]:
    """The windows of all recordings."""
    rng = np.random.default_rng(0)
    others = sorted([*(media / "sound/music").glob("*"), *(media / "sound/environment").glob("*")])
    beds = [blocks for file in others if "music" in str(file) and len(blocks := blocks_of(file)) > 20]
    for file in others:
        if len(values := windows_of(blocks_of(file), False)):
            yield Windows(file.name, file.name, False, values)
    for file in sorted([*(media / "sound/speech").glob("*"), *(media / "talking").rglob("*.mkv")]):
        blocks = blocks_of(file)
        if len(blocks) < speech.WINDOW:
            continue
        source = file.parent.name if file.parent.parent.name == "talking" else file.name[:5]
        for name, heard in (
            (file.name, blocks),
            (f"{file.name} over music", over_bed(blocks, beds[rng.integers(len(beds))], rng)),
        ):
            if len(values := windows_of(heard, True)):
                yield Windows(name, source, True, values)


def fit(recordings: list[Windows]) -> tuple[Vector, float]:
    """Logistic regression: weights and bias. Every recording counts alike within its class, both classes alike."""
    values = np.concatenate([each.values for each in recordings])
    truth = np.concatenate([np.full(len(each.values), float(each.is_speech)) for each in recordings])
    weight = np.concatenate([np.full(len(each.values), len(each.values) ** -0.5) for each in recordings])
    for kind in (0.0, 1.0):
        weight[truth == kind] *= len(truth) / 2 / weight[truth == kind].sum()
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scaled = np.column_stack([(values - mean) / scale, np.ones(len(values))])
    found = np.zeros(scaled.shape[1])
    ridge = np.diag([*np.full(len(mean), RIDGE), 1e-6])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-scaled @ found))
        slope = scaled.T @ (weight * (truth - chance)) - ridge @ found
        curve = (scaled * (weight * chance * (1 - chance))[:, None]).T @ scaled + ridge
        found += np.linalg.solve(curve, slope)
    return found[:-1] / scale, float(found[-1] - (found[:-1] / scale) @ mean)


def decisions(recording: Windows, weights: Vector, bias: float) -> Vector:
    """Logits as the listener forms them: means of up to three decisions a second apart."""
    logits = recording.values @ weights + bias
    step = speech.STEP // HOP
    past = [
        np.concatenate([np.full(min(lag, len(logits)), np.nan), logits[: -lag or None]])[: len(logits)]
        for lag in range(0, speech.MEMORY * step, step)
    ]
    return np.asarray(np.nanmean(past, axis=0))


def score(recordings: list[Windows], logits: list[Vector], threshold: float) -> str:
    """Recall and false rate, by windows and by recordings of which most is called speech."""
    lines = []
    for kind in ("speech", "speech over music", "music and noises"):
        chosen = [
            found
            for each, found in zip(recordings, logits, strict=True)
            if each.is_speech == kind.startswith("speech") and ("over music" in each.name) == ("over" in kind)
        ]
        called = np.concatenate(chosen) >= threshold
        whole = np.mean([np.mean(found >= threshold) > 0.5 for found in chosen])
        lines.append(f"| {kind} | {len(chosen)} | {len(called)} | {called.mean():.3f} | {whole:.3f} |")
    head = [
        "| sound | recordings | windows | windows called speech | recordings called speech |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines])


def cross_validated(recordings: list[Windows]) -> list[Vector]:
    """Logits of each recording by weights that were found without its source."""
    sources = sorted({each.source for each in recordings})
    order = np.random.default_rng(1).permutation(len(sources))
    fold = {source: int(order[number]) % FOLDS for number, source in enumerate(sources)}
    found = [fit([each for each in recordings if fold[each.source] != number]) for number in range(FOLDS)]
    return [decisions(each, *found[fold[each.source]]) for each in recordings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    started = process_time()
    recordings = list(gather(options.media))
    names = list(speech.features([speech.Spectrum(np.ones((4, 15)), np.ones(2), np.full(2, 100.0))] * 20) or ())
    print(f"{sum(len(each.values) for each in recordings)} windows, {process_time() - started:.0f} s of CPU")
    if options.fit:
        held_out = cross_validated(recordings)
        others = np.concatenate([found for each, found in zip(recordings, held_out, strict=True) if not each.is_speech])
        threshold = float(np.quantile(others, 1 - FALSE_RATE))
        print(f"\nWeights found without the recording's source, threshold {threshold:.2f}:\n")
        print(score(recordings, held_out, threshold))
        for each, found in zip(recordings, held_out, strict=True):
            if np.mean(found >= threshold) > 0.5 and not each.is_speech:
                print(f"called speech: {each.name}")
        weights, bias = fit(recordings)
        print(f"\nBIAS = {bias:.3f}\nCERTAIN = {threshold:.2f}")
        print("\n".join(f'    "{name}": {weight:.4f},' for name, weight in zip(names, weights, strict=True)))
    if speech.WEIGHTS:
        built_in = np.array([speech.WEIGHTS[name] for name in names])
        print(f"\nWeights built in, threshold {speech.CERTAIN:.2f}:\n")
        print(score(recordings, [decisions(each, built_in, speech.BIAS) for each in recordings], speech.CERTAIN))


if __name__ == "__main__":
    main()
