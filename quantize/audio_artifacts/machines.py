"""Music as machines play it, made by name: what sounds electric, overdriven or held by intent.

Each function gives (n,) float64 at `RATE`, some seconds long. Tempo, notes and sounds are drawn anew for every take.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

RATE = 48_000

Wave = NDArray[np.float64]
Rng = np.random.Generator

SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11), (0, 3, 5, 7, 10))


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE)) / RATE


def _beats(rng: Rng, seconds: float, a_beat: int) -> Wave:
    """Seconds of the steps of a bar, `a_beat` of them in each beat, at a tempo between 70 and 175."""
    return np.arange(0, seconds - 0.05, 60 / rng.uniform(70, 175) / a_beat)


def _notes(rng: Rng, count: int, lowest: float) -> Wave:
    """(count,) Hz in a random scale over two octaves above `lowest`, a note of A = 440 Hz in equal temperament."""
    scale = SCALES[int(rng.integers(len(SCALES)))]
    steps = rng.choice(scale, count) + 12 * rng.integers(0, 2, count)
    root = 440 * 2 ** (np.round(12 * np.log2(lowest / 440)) / 12)
    return np.asarray(root * 2 ** ((steps + rng.integers(0, 12)) / 12))


def _wave(rng: Rng, phase: Wave) -> Wave:
    """One of a synthesiser's waves; `phase` in turns."""
    kind = rng.integers(4)
    if kind == 0:
        return np.sin(2 * np.pi * phase)
    if kind == 1:
        return 2 * (phase % 1.0) - 1
    if kind == 2:
        return np.where(phase % 1.0 < rng.uniform(0.1, 0.5), 1.0, -1.0)
    return np.sin(2 * np.pi * phase + rng.uniform(1, 6) * np.sin(2 * np.pi * phase * rng.integers(1, 5)))


def _played(rng: Rng, seconds: float, starts: Wave, lowest: float, ring: float) -> Wave:
    """A line of notes, each with a short rise and `ring` seconds of decay, through a resonant low-pass filter."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for start, note in zip(starts, _notes(rng, len(starts), lowest), strict=True):
        at = int(start * RATE)
        rest = time[: min(len(time) - at, int(4 * ring * RATE))]
        body = _wave(rng, rest * note) * np.minimum(1, rest / 0.004) * np.exp(-rest / ring)
        wave[at : at + len(rest)] += body
    return _low_pass(wave, rng.uniform(300, 8000), rng.uniform(0.5, 0.95))


def _low_pass(wave: Wave, hertz: float, damping: float) -> Wave:
    """Two poles; less damping, more resonance."""
    turn = 2 * np.pi * min(hertz, 0.4 * RATE) / RATE
    radius = np.exp(-turn * damping)
    pole = [1, -2 * radius * np.cos(turn * np.sqrt(1 - damping**2)), radius**2]
    return np.asarray(lfilter([sum(pole)], pole, wave))


def _pressed(rng: Rng, wave: Wave) -> Wave:
    """Through a compressor: the level of the last 50 ms turned down towards its mean."""
    level = np.sqrt(lfilter([1 / 2400], [1, -1 + 1 / 2400], wave**2) + 1e-6 * np.mean(wave**2))
    return wave / level ** rng.uniform(0.2, 0.8)


def synth_bass(rng: Rng, seconds: float) -> Wave:
    """Held notes of a bass, exactly in tune, some for many seconds."""
    starts = np.arange(0, seconds - 0.05, rng.choice([0.5, 1.0, 2.0, 4.0]))
    return _played(rng, seconds, starts, rng.uniform(32, 90), float(rng.choice([0.3, 1.0, 4.0, 20.0])))


def drum_machine(rng: Rng, seconds: float) -> Wave:
    """Kicks that slide down to 40 to 65 Hz, snares and hats, pressed together."""
    time = _time(seconds)
    wave = 1e-5 * rng.normal(size=len(time))
    end, slide, ring = rng.uniform(40, 65), rng.uniform(80, 400), rng.uniform(0.08, 0.5)
    for number, start in enumerate(_beats(rng, seconds, 4)):
        at = int(start * RATE)
        rest = time[: min(len(time) - at, RATE)]
        noise = rng.normal(size=len(rest))
        hit = rng.choice([0.0, 0.3], p=[0.4, 0.6]) * np.diff(noise, prepend=0) * np.exp(-rest / 0.03)
        if number % 4 == 0 or rng.random() < 0.15:
            turns = end * rest + slide * 0.03 * (1 - np.exp(-rest / 0.03))
            hit = hit + 2 * np.sin(2 * np.pi * turns) * np.exp(-rest / ring)
        if number % 8 == 4:
            hit = hit + (0.5 * noise + np.sin(2 * np.pi * 190 * rest)) * np.exp(-rest / 0.09)
        wave[at : at + len(rest)] += hit
    return _pressed(rng, wave)


def wobble_bass(rng: Rng, seconds: float) -> Wave:
    """Growling bass of dance music: modulated waves through a filter that swings with the beat."""
    time = _time(seconds)
    note = _notes(rng, 1, rng.uniform(32, 60))[0]
    swings = rng.choice([1, 2, 3, 4, 6], len(time) // RATE + 1)[time.astype(int)]
    swing = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(swings) / RATE)
    depth = rng.uniform(2, 9) * swing
    wave = np.sin(2 * np.pi * note * time + depth * np.sin(2 * np.pi * note * rng.integers(1, 5) * time))
    wave = wave + 0.5 * (((1.003 * note * time) % 1.0) - 0.5)
    dull = _low_pass(wave, rng.uniform(150, 500), 0.8)
    return _pressed(rng, (swing * wave + (1 - swing) * dull) * (1 + 0.5 * swing))


def lead_guitar(rng: Rng, seconds: float) -> Wave:
    """Single notes through a valve amplifier, more on one side than on the other, and its loudspeaker."""
    time = _time(seconds)
    line = _played(rng, seconds, _beats(rng, seconds, 2), rng.uniform(110, 330), rng.uniform(0.2, 1.0))
    line = line / (np.abs(line).max() + 1e-9)
    driven = np.tanh(rng.uniform(2, 15) * line + rng.uniform(0, 0.6))
    spectrum = np.fft.rfft(driven - driven.mean())
    hertz = np.fft.rfftfreq(len(time), 1 / RATE)
    spectrum *= (hertz / (hertz + 90)) ** 2 / (1 + (hertz / rng.uniform(2500, 5500)) ** 6)
    wave = np.fft.irfft(spectrum, len(time))
    echo = np.roll(wave, int(rng.uniform(0.1, 0.4) * RATE))
    return np.asarray(wave + rng.uniform(0, 0.4) * echo)


def electronica(rng: Rng, seconds: float) -> Wave:
    """Bells, bleeps and sweeps by frequency modulation, with echoes."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for start in np.sort(rng.uniform(0, seconds, int(rng.uniform(1, 8) * seconds))):
        at = int(start * RATE)
        rest = time[: min(len(time) - at, int(rng.uniform(0.05, 1.5) * RATE))]
        hertz = 2 ** rng.uniform(6, 11.5) * np.exp(rng.normal() * rest)
        turns = np.cumsum(hertz) / RATE
        index = rng.uniform(0, 8) * np.exp(-rest / rng.uniform(0.05, 1))
        fade = np.minimum(1, np.minimum(rest, rest[-1] - rest) / 0.003) * np.exp(-rest / rng.uniform(0.05, 0.8))
        tone = np.sin(2 * np.pi * turns + index * np.sin(2 * np.pi * turns * rng.choice([0.5, 1, 1.41, 2, 3.5])))
        wave[at : at + len(rest)] += rng.lognormal(0, 0.5) * fade * tone
    for _ in range(2):
        wave = wave + rng.uniform(0, 0.5) * np.roll(wave, int(rng.uniform(0.05, 0.5) * RATE))
    return wave


def dance(rng: Rng, seconds: float) -> Wave:
    """A whole mix: drums, bass, chords and a tune, mastered loud."""
    parts = [
        drum_machine(rng, seconds),
        _played(rng, seconds, _beats(rng, seconds, 2), rng.uniform(35, 70), 0.25),
        _played(rng, seconds, _beats(rng, seconds, 4), rng.uniform(200, 500), 0.3),
        *(_played(rng, seconds, _beats(rng, seconds, 1), rng.uniform(120, 300), 1.0) for _ in range(3)),
    ]
    mixed = sum((rng.lognormal(0, 0.5) * part / (part.std() + 1e-9) for part in parts), np.zeros(len(parts[0])))
    return np.tanh(_pressed(rng, mixed / mixed.std()) / rng.uniform(3, 6))


KINDS = (synth_bass, drum_machine, wobble_bass, lead_guitar, electronica, dance)
