"""Clean sound, made: each function gives (channels, n) float32 at full scale +-1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

SAMPLE_RATE = 48_000


def tone(
    seconds: float, hertz: float = 1000.0, dbfs: float = -18.0, channels: int = 2, rate: int = SAMPLE_RATE
) -> Samples:
    """A sine whose RMS is `dbfs`."""
    moments = np.arange(round(seconds * rate)) / rate
    wave = np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * moments)
    return _spread(wave, channels)


def silence(seconds: float, channels: int = 2, rate: int = SAMPLE_RATE) -> Samples:
    """Digital zero."""
    return np.zeros((channels, round(seconds * rate)), np.float32)


def room(seconds: float, dbfs: float = -70.0, channels: int = 2, rate: int = SAMPLE_RATE, seed: int = 0) -> Samples:
    """The noise of an empty room or of an open, unused microphone, independent in each channel."""
    rng = np.random.default_rng(seed)
    noise = np.stack([_pink(round(seconds * rate), rng) for _ in range(channels)])
    return (noise * 10 ** (dbfs / 20)).astype(np.float32)


def speech(seconds: float, dbfs: float = -24.0, channels: int = 2, rate: int = SAMPLE_RATE, seed: int = 0) -> Samples:
    """Like speech: voiced syllables at 4 a second with pauses between sentences, over a quiet room."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    moments = np.arange(count) / rate
    pitch = 118 + 18 * np.sin(2 * np.pi * 0.43 * moments) + 6 * np.sin(2 * np.pi * 2.1 * moments)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum((np.sin(phase * partial) / partial for partial in range(1, 24)), np.zeros(count))
    fricative = _pink(count, rng)
    syllables = np.clip(np.sin(2 * np.pi * 4.0 * moments + np.sin(2 * np.pi * 0.7 * moments)), 0, None) ** 0.7
    sentence = (np.sin(2 * np.pi * moments / 5.0 + 1.2) > -0.8).astype(float)
    wave = (voice + 0.25 * fricative) * syllables * sentence
    wave *= 10 ** (dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(wave**2))))
    mixed: Samples = _spread(wave, channels) + room(seconds, -68.0, channels, rate, seed)
    return np.asarray(np.clip(mixed, -1, 1), dtype=np.float32)


def music(seconds: float, dbfs: float = -20.0, channels: int = 2, rate: int = SAMPLE_RATE, seed: int = 0) -> Samples:
    """Chords of decaying partials, spread over the channels."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    out = np.zeros((channels, count))
    beat = round(0.5 * rate)
    moments = np.arange(2 * beat) / rate
    for start in range(0, count, beat):
        for note in rng.choice([0, 3, 5, 7, 10, 12], 3, replace=False):
            hertz = 110 * 2 ** ((int(note) + 12 * int(rng.integers(0, 2))) / 12)
            pluck = sum((np.sin(2 * np.pi * hertz * k * moments) / k**1.5 for k in range(1, 7)), np.zeros(len(moments)))
            pluck *= np.exp(-moments * 3.0)
            end = min(count, start + len(pluck))
            gains = rng.uniform(0.5, 1.0, channels)[:, None]
            out[:, start:end] += gains * pluck[: end - start]
    out *= 10 ** (dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(out**2))))
    return np.clip(out, -1, 1).astype(np.float32)


def _pink(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.normal(size=max(2, count)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, max(2, count))[:count]
    return np.asarray(noise / max(1e-12, float(noise.std())))


def _spread(wave: NDArray[np.float64], channels: int) -> Samples:
    return np.repeat(wave[None, :], channels, axis=0).astype(np.float32)
