"""Made speech: a voice with a gliding pitch, moving formants, hissed consonants and pauses for breath."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

RATE = 16_000
CONTROL = 200
"""Values a second of pitch, loudness and formants."""

VOWELS = np.array(
    [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410], [660, 1720, 2410]]
)
"""First three formants in Hz of a man's vowels (Peterson and Barney, 1952)."""

BANDWIDTHS = np.array([80.0, 100.0, 140.0])
HARMONICS = 36

Track = NDArray[np.float64]


@dataclass(frozen=True)
class Phrase:
    """Words spoken on one breath, from `start` to `end` in seconds."""

    start: float
    end: float


def talk(seconds: float, dbfs: float = -24.0, channels: int = 2, seed: int = 0) -> tuple[Samples, list[Phrase]]:
    """Sound at RATE, and when its phrases are spoken."""
    rng = np.random.default_rng(seed)
    phrases = list(_phrases(seconds, rng))
    count = round(seconds * CONTROL)
    loudness, hiss, pitch = np.zeros(count), np.zeros(count), np.full(count, 120.0)
    formants = np.tile(VOWELS[0].astype(float), (count, 1))
    for phrase in phrases:
        _speak(phrase, loudness, hiss, pitch, formants, rng)
    smooth = np.hanning(11) / np.hanning(11).sum()
    formants = np.stack([np.convolve(track, smooth, "same") for track in formants.T], axis=1)
    wave = _voice(loudness, pitch, formants, round(seconds * RATE)) + _hiss(hiss, round(seconds * RATE), rng)
    wave *= 10 ** (dbfs / 20) / float(np.sqrt(np.mean(wave[np.abs(wave) > 1e-4] ** 2)))
    wave += rng.normal(0, 10 ** (-70 / 20), len(wave))
    return np.repeat(np.clip(wave, -1, 1).astype(np.float32)[None], channels, axis=0), phrases


def _phrases(seconds: float, rng: np.random.Generator) -> Iterator[Phrase]:
    time = 0.4
    while (end := time + float(rng.uniform(1.2, 4.5))) < seconds - 0.3:
        yield Phrase(time, end)
        time = end + float(rng.choice([0.35, 0.6, 1.1, 2.2], p=[0.4, 0.3, 0.2, 0.1]))


def _speak(
    phrase: Phrase, loudness: Track, hiss: Track, pitch: Track, formants: Track, rng: np.random.Generator
) -> None:
    """Enter the syllables of a phrase: a consonant, half of them hissed, and a vowel, under a falling pitch."""
    at, last = round(phrase.start * CONTROL), round(phrase.end * CONTROL)
    pitch[at:last] = np.linspace(rng.uniform(130, 170), rng.uniform(85, 110), last - at)
    while at < last - 20:
        consonant, vowel = int(rng.integers(6, 18)), int(rng.integers(14, 44))
        if rng.uniform() < 0.5:
            hiss[at : at + consonant] = rng.uniform(0.03, 0.15)
        at += consonant
        end = min(last, at + vowel)
        shape = np.sin(np.linspace(0.0, 3.14, end - at)) ** 0.5 * rng.uniform(0.4, 1.0)
        loudness[at:end] = shape
        pitch[at:end] *= 1 + rng.uniform(-0.12, 0.2) * np.linspace(0, 1, end - at)
        formants[at:end] = VOWELS[rng.integers(len(VOWELS))] * rng.uniform(0.95, 1.05)
        at = end


def _voice(loudness: Track, pitch: Track, formants: Track, count: int) -> Track:
    """Harmonics of the pitch, each as loud as the formants let it be."""
    moments, control = np.arange(count) / RATE, np.arange(len(pitch)) / CONTROL
    phase = 2 * np.pi * np.cumsum(np.interp(moments, control, pitch)) / RATE
    wave = np.zeros(count)
    for harmonic in range(1, HARMONICS + 1):
        distance = (harmonic * pitch[:, None] - formants) / BANDWIDTHS
        gain = (1 / (1 + distance**2)).sum(axis=1) / harmonic**0.5 * loudness
        wave += np.interp(moments, control, gain) * np.sin(harmonic * phase)
    return wave


def _hiss(loudness: Track, count: int, rng: np.random.Generator) -> Track:
    noise = np.diff(rng.normal(0, 1, count + 1))
    return noise * np.interp(np.arange(count) / RATE, np.arange(len(loudness)) / CONTROL, loudness)
