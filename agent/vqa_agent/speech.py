"""Whether somebody speaks: a small linear model over two seconds of sound.

Speech changes its spectrum four to eight times a second, all bands together and unevenly; part of it is voiced, with a
pitch that glides. Music holds its notes or glides in all voices, noise does neither. Fourteen numbers say so, weighted
by a logistic regression (`python -m benchmarks.speech --fit` finds the weights again and measures what they are worth).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Sound, shared

Vector = NDArray[np.float64]

FRAMES = 4
"""Frames of the spectrum in a block of a tenth of a second: 25 ms each. The pitch is looked for in 50 ms."""

WINDOW = 20
"""Blocks that a decision looks at: two seconds."""

STEP = 10
"""Blocks from one decision to the next: a second."""

MEMORY = 3
"""Decisions whose mean counts: who speaks seldom stops after a word."""

BANDS = np.array([80, 160, 250, 350, 480, 630, 800, 1000, 1260, 1600, 2000, 2500, 3200, 4000, 5000, 6300], np.float64)
"""Edges in Hz, about one critical band apart."""

PITCH_TOP, PITCH_POINTS = 1500.0, 256
PITCH_LOW, PITCH_HIGH = 75.0, 400.0
VOICED = 0.45
"""Autocorrelation at the pitch from which on 50 ms of sound count as voiced."""

QUIET_DB = -60.0
"""A window whose loud moments are below this level in dBFS holds no programme."""

RANGE_DB, BAND_RANGE_DB, LOUD_DB = 40.0, 55.0, 25.0
"""How far below the loud moments the level, a band, and what counts as sound reach."""

DELAY = 15
"""Blocks by which a moment is told late, so that it lies in the middle of what its decision heard."""

MAX_GAP = 0.3
"""Seconds without sound after which what was heard before is forgotten."""

WEIGHTS = {
    "syllable_share": 0.1303,
    "syllable_swing": 1.8936,
    "level_spread": 0.1916,
    "flux": 0.4191,
    "flux_spread": -1.1477,
    "bands_alike": -4.6985,
    "band_depth": 0.6437,
    "centroid_spread": -1.5999,
    "voicing": 4.9523,
    "voicing_spread": 27.4816,
    "voiced_share": -1.2438,
    "voiced_runs": -5.3736,
    "pitch_smooth": -2.0095,
    "pitch_moving": 8.3524,
}
BIAS = -11.688
"""Logit of speech: the bias and so much for each unit of a feature (see `features`)."""

CERTAIN = 0.92
"""Logit from which on it is speech."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A block of sound: power in each band (4, bands), voicedness (2,) 0..1, pitch (2,) in Hz."""

    bands: Vector
    voicing: Vector
    pitch: Vector


@dataclass(frozen=True, slots=True)
class Moment:
    """A second of sound: whether somebody speaks in it, the logit, and the level in dBFS of each of its blocks."""

    start: float
    end: float
    speech: bool
    logit: float
    levels: tuple[float, ...]


class SpeechListener:
    """Listens to the blocks of one track and says of each second whether somebody speaks."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._forget()

    def _forget(self) -> None:
        self._blocks: deque[Spectrum] = deque(maxlen=WINDOW)
        self._levels: deque[float] = deque(maxlen=STEP + DELAY)
        self._logits: deque[float] = deque(maxlen=MEMORY)
        self._fresh = 0

    def hear(self, sound: Sound) -> Iterator[Moment]:
        """The moment that `sound` completes, if it does."""
        if self._due is not None and abs(sound.time - self._due) > MAX_GAP:
            self._forget()
        self._due = sound.end
        spectrum = analyse(sound)
        if spectrum is None:
            return
        self._blocks.append(spectrum)
        self._levels.append(10 * float(np.log10(spectrum.bands.sum() / FRAMES + 1e-12)))
        self._fresh += 1
        if self._fresh < STEP or len(self._levels) < STEP + DELAY:
            return
        self._fresh = 0
        self._logits.append(logit(list(self._blocks)))
        mean, end = float(np.mean(self._logits)), sound.end - DELAY / 10
        yield Moment(end - STEP / 10, end, mean >= CERTAIN, mean, tuple(self._levels)[:STEP])


@shared
def analyse(sound: Sound) -> Spectrum | None:
    """The spectrum of a block of sound; None for one too short. The centre channel speaks where there is one."""
    channels = [number for number, name in enumerate(sound.names) if name == "FC"] or list(
        range(min(2, sound.channels))
    )
    wave = sound.samples[channels].mean(axis=0)
    size = sound.rate // 40
    if len(wave) < FRAMES * size:
        return None
    frames = wave[: FRAMES * size].reshape(FRAMES, size)
    power = np.abs(np.fft.rfft(frames * _hann(size), axis=1)) ** 2 * (8 / 3 * 2 / size**2)
    voicing, pitch = _pitch(wave[: FRAMES * size].reshape(FRAMES // 2, 2 * size), sound.rate)
    return Spectrum(power @ _filters(size, sound.rate), voicing, pitch)


def logit(blocks: list[Spectrum]) -> float:
    """How much `blocks` (two seconds) sound like speech; far below zero where there is no programme."""
    found = features(blocks)
    if found is None:
        return -10.0
    return BIAS + sum(weight * found[name] for name, weight in WEIGHTS.items())


def features(blocks: list[Spectrum]) -> dict[str, float] | None:
    """What tells speech, over consecutive `blocks`; None where there is hardly any sound. Levels are in dB."""
    power = np.concatenate([block.bands for block in blocks])
    total = power.sum(axis=1)
    level = 10 * np.log10(total + 1e-12)
    top = float(np.percentile(level, 95))
    if top < QUIET_DB:
        return None
    bands = np.maximum(10 * np.log10(power + 1e-12), top - BAND_RANGE_DB)
    loud = level.reshape(-1, 2).max(axis=1) > top - LOUD_DB
    return {
        **_rhythm(np.sqrt(total)),
        **_change(np.maximum(level, top - RANGE_DB), bands, top),
        **_melody(
            np.concatenate([block.voicing for block in blocks]), np.concatenate([block.pitch for block in blocks]), loud
        ),
    }


def _rhythm(envelope: Vector) -> dict[str, float]:
    """How much the envelope swings at the rate of syllables (2-8 Hz): its share, and how much in all (log10)."""
    swing = envelope / (envelope.mean() + 1e-9) - 1
    spectrum = np.abs(np.fft.rfft(swing * np.hanning(len(swing)))) ** 2
    rates = np.fft.rfftfreq(len(swing), 0.1 / FRAMES)
    syllables = float(spectrum[(rates >= 2) & (rates <= 8)].sum())
    return {
        "syllable_share": syllables / (float(spectrum.sum()) + 1e-9),
        "syllable_swing": float(np.log10(syllables + 1e-4)),
    }


def _change(level: Vector, bands: Vector, top: float) -> dict[str, float]:
    """How the level and the spectrum change from frame to frame."""
    flux = np.abs(np.diff(bands, axis=0)).mean(axis=1)
    centred = bands - bands.mean(axis=0)
    depth = centred.std(axis=0) + 0.5
    likeness = (centred / depth).T @ (centred / depth) / len(bands)
    weight = bands - (top - BAND_RANGE_DB)
    centroid = (weight @ np.arange(bands.shape[1])) / (weight.sum(axis=1) + 1e-9)
    return {
        "level_spread": float(level.std()),
        "flux": float(flux.mean()),
        "flux_spread": float(flux.std()),
        "bands_alike": float(likeness.mean()),
        "band_depth": float(depth.mean()),
        "centroid_spread": float(centroid.std()),
    }


def _melody(voicing: Vector, pitch: Vector, loud: NDArray[np.bool_]) -> dict[str, float]:
    """How much of it is voiced, and whether the pitch glides."""
    voiced = (voicing > VOICED) & loud
    pairs = voiced[1:] & voiced[:-1]
    step = np.abs(np.diff(np.log2(pitch)))
    smooth = pairs & (step < 0.25)
    known = voicing[loud] if loud.any() else np.zeros(1)
    return {
        "voicing": float(known.mean()),
        "voicing_spread": float(known.std()),
        "voiced_share": float(voiced.mean()),
        "voiced_runs": float(pairs.mean()),
        "pitch_smooth": float(smooth.sum() / (pairs.sum() + 2.0)),
        "pitch_moving": float((smooth & (step > 0.012)).sum() / (pairs.sum() + 2.0)),
    }


def _pitch(frames: Vector, rate: int) -> tuple[Vector, Vector]:
    """Voicedness and pitch of each frame, from the autocorrelation of its compressed spectrum up to PITCH_TOP."""
    size = frames.shape[1]
    step = rate / size
    spectrum = np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * _hann(size), axis=1))
    spectrum = spectrum[:, : int(PITCH_TOP / step) + 1]
    spectrum[:, : int(PITCH_LOW / step) + 1] = 0
    likeness = np.fft.irfft(spectrum, PITCH_POINTS, axis=1)
    first, last = int(PITCH_POINTS * step / PITCH_HIGH), int(PITCH_POINTS * step / PITCH_LOW)
    search = likeness[:, first : last + 1] / (likeness[:, :1] + 1e-12)
    best = search.argmax(axis=1)
    return search.max(axis=1), PITCH_POINTS * step / (first + best)


@cache
def _hann(size: int) -> Vector:
    return np.hanning(size)


@cache
def _filters(size: int, rate: int) -> Vector:
    """(bins, bands) 1 where a bin of the spectrum lies in a band."""
    bins = np.fft.rfftfreq(size, 1 / rate)[:, None]
    return ((bins >= BANDS[:-1]) & (bins < BANDS[1:])).astype(np.float64)
