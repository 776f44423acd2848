"""Clean sounds that look like a defect, made by name: drones like hum, rain like hiss, castanets like clicks.

Each function gives (n,) float32 at `RATE`, some seconds long, at about full scale.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from quantize.audio_artifacts import machines
from quantize.cache import cached
from vqa_agent.media import Samples
from vqa_agent.simulate import sounds

RATE = 48_000
TAKES = 10
"""Made takes of each kind. The fifth validates, the sixth tests."""

VERSION = 1
"""Rises when a sound is made otherwise."""

Wave = NDArray[np.float64]


def every() -> Mapping[str, Samples]:
    """Every take of every kind, by name; kept on disk."""
    return cached("audio_negatives", {"version": VERSION, "kinds": list(KINDS), "takes": TAKES}, _made)


def _made() -> dict[str, Samples]:
    made = {}
    for order, (name, make) in enumerate(KINDS.items()):
        for take in range(TAKES):
            rng = np.random.default_rng([order, take])
            wave = make(rng, round(2 * rng.uniform(5.0, 9.0)) / 2)
            made[f"{name}_{take}"] = (0.9 * wave / np.abs(wave).max()).astype(np.float32)
    return made


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE)) / RATE


def band(rng: np.random.Generator, count: int, low: float, high: float, slope: float = 0.0) -> Wave:
    """(count,) Gaussian noise between two frequencies, `slope` in dB per octave."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 1.0)
    shape = (hertz / 1000) ** (slope / 6.02) / (1 + (low / hertz) ** 4) / (1 + (hertz / high) ** 8)
    wave: Wave = np.fft.irfft(spectrum * shape, count)
    return wave / wave.std()


def _slow(rng: np.random.Generator, count: int, hertz: float) -> Wave:
    """(count,) a wandering value with unit deviation that changes about `hertz` times a second."""
    knots = max(4, round(count / RATE * hertz) + 3)
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.normal(size=knots))


def _note(rng: np.random.Generator) -> float:
    """Hz of a low note in equal temperament, sometimes out of tune."""
    return float(32.703 * 2 ** (rng.integers(0, 25) / 12) * 2 ** (rng.normal() * 0.01))


def drone(rng: np.random.Generator, seconds: float) -> Wave:
    """Bass synthesiser: detuned saws through a filter."""
    time, note = _time(seconds), _note(rng)
    wave = sum(((time * note * (1 + rng.normal() * 0.003) + rng.random()) % 1.0) - 0.5 for _ in range(3))
    pole = float(np.exp(-2 * np.pi * rng.uniform(150, 1500) / RATE))
    return np.asarray(lfilter([1 - pole], [1, -pole], wave) * (1 + 0.3 * _slow(rng, len(time), 1.0)))


def organ(rng: np.random.Generator, seconds: float) -> Wave:
    """Chords of steady pipes with wind noise."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    length = len(time) // int(rng.integers(1, 4)) + 1
    for start in range(0, len(time), length):
        part = time[start : start + length]
        fade = np.minimum(1, np.minimum(part - part[0], part[-1] - part) / 0.04)
        root = _note(rng)
        for interval in rng.choice([0, 7, 12, 16, 19, 24], 4):
            for rank, strength in ((1, 1.0), (2, 0.6), (3, 0.2), (4, 0.4)):
                hertz = root * 2 ** (interval / 12) * rank
                tone = strength * np.sin(2 * np.pi * (hertz * part + rng.random()))
                wave[start : start + length] += fade * tone
    return wave + 0.02 * band(rng, len(time), 200, 4000, -3)


def bowed_bass(rng: np.random.Generator, seconds: float) -> Wave:
    """Contrabassoon or bowed bass: a long low note with many partials, little vibrato and a little breath."""
    time, note = _time(seconds), _note(rng)
    hertz = note * (1 + 0.002 * np.sin(2 * np.pi * rng.uniform(3, 6) * time) + 0.001 * _slow(rng, len(time), 2.0))
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    tilt = rng.uniform(0.6, 1.6)
    wave = sum((np.sin(phase * k + rng.uniform(0, 6)) / k**tilt for k in range(1, 30)), np.zeros(len(time)))
    return np.asarray(wave * (1 + 0.2 * _slow(rng, len(time), 3.0)) + 0.03 * band(rng, len(time), 100, 5000, -4))


def engine(rng: np.random.Generator, seconds: float) -> Wave:
    """Firing strokes at a wandering speed, with road noise."""
    time = _time(seconds)
    hertz = rng.uniform(18, 75) * (1 + 0.06 * _slow(rng, len(time), 0.7))
    phase = np.cumsum(hertz) / RATE
    stroke = np.exp(-((phase % 1.0) * rng.uniform(4, 12)))
    return np.asarray(stroke - stroke.mean() + 0.2 * band(rng, len(time), 40, 3000, -6))


def applause(rng: np.random.Generator, seconds: float) -> Wave:
    """Hundreds of claps a second, each a few milliseconds of coloured noise."""
    count = round(seconds * RATE)
    hits = np.zeros(count)
    claps = rng.integers(0, count, int(rng.uniform(40, 400) * seconds))
    np.add.at(hits, claps, rng.lognormal(0, 0.7, len(claps)) * rng.choice([-1, 1], len(claps)))
    body = rng.normal(size=600) * np.exp(-np.arange(600) / rng.uniform(60, 160))
    kernel = np.fft.irfft(np.fft.rfft(body, 2048) * np.exp(-0.5 * ((np.arange(1025) * 23.4 - 1800) / 1500) ** 2), 2048)
    return np.asarray(np.fft.irfft(np.fft.rfft(hits) * np.fft.rfft(kernel, count), count))


def rain(rng: np.random.Generator, seconds: float) -> Wave:
    """Dense drops over a bed of noise."""
    count = round(seconds * RATE)
    drops = np.where(rng.random(count) < rng.uniform(0.002, 0.02), rng.lognormal(0, 1, count), 0) * rng.normal(
        size=count
    )
    return np.asarray(lfilter([1], [1, -0.7], drops) + rng.uniform(0.05, 0.3) * band(rng, count, 500, 12000, -2))


def surf(rng: np.random.Generator, seconds: float) -> Wave:
    """Waves that swell and break."""
    count = round(seconds * RATE)
    swell = np.exp(0.9 * _slow(rng, count, 0.6))
    return np.asarray(swell * band(rng, count, 80, rng.uniform(3000, 12000), -4))


def cymbals(rng: np.random.Generator, seconds: float) -> Wave:
    """Crashes and hats: dense high partials and noise that ring down."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for start in np.sort(rng.uniform(0, seconds, int(rng.uniform(1, 6) * seconds))):
        at = int(start * RATE)
        rest = time[: len(time) - at]
        wave[at:] += (
            rng.lognormal(0, 0.5) * np.exp(-rest / rng.uniform(0.03, 1.2)) * band(rng, len(time), 3000, 16000)[at:]
        )
    return wave + 1e-4 * rng.normal(size=len(time))


def fricatives(rng: np.random.Generator, seconds: float) -> Wave:
    """Long s and sh between voiced sounds."""
    time = _time(seconds)
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 230) * (1 + 0.1 * _slow(rng, len(time), 3))) / RATE
    voice = sum((np.sin(phase * k) / k**1.3 for k in range(1, 25)), np.zeros(len(time)))
    turn = np.clip(2 * np.sin(2 * np.pi * rng.uniform(1, 3) * time + _slow(rng, len(time), 1)), -1, 1)
    hiss = band(rng, len(time), rng.uniform(2000, 5000), 11000)
    return np.asarray(
        np.clip(turn, 0, 1) * voice + 0.4 * np.clip(-turn, 0, 1) * hiss + 0.001 * rng.normal(size=len(time))
    )


def distorted_guitar(rng: np.random.Generator, seconds: float) -> Wave:
    """Power chords through a saturating amplifier and its loudspeaker: distortion by intent, rounded by the box."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for start in np.arange(0, seconds, rng.uniform(0.3, 0.9)):
        at, root = int(start * RATE), 82.4 * 2 ** (rng.integers(0, 10) / 12)
        rest = time[: len(time) - at]
        for ratio in (1, 1.5, 2):
            saw = ((rest * root * ratio * (1 + rng.normal() * 1e-3)) % 1.0) - 0.5
            wave[at:] += np.exp(-rest / 0.8) * saw * (rest < 1.2)
    driven = np.tanh(rng.uniform(3, 20) * wave)
    box = np.fft.rfft(driven) / (1 + (np.fft.rfftfreq(len(time), 1 / RATE) / rng.uniform(3000, 5000)) ** 6)
    return np.asarray(np.fft.irfft(box, len(time)))


def _struck(rng: np.random.Generator, seconds: float, a_second: float, hertz: tuple[float, float], ring: float) -> Wave:
    """Strokes that ring at `hertz` for about `ring` seconds, each behind a short onset."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for start in np.sort(rng.uniform(0, seconds, max(2, int(a_second * seconds)))):
        at = int(start * RATE)
        rest = time[: min(len(time) - at, int(12 * ring * RATE))]
        modes = sum(rng.random() * np.sin(2 * np.pi * rng.uniform(*hertz) * rest) for _ in range(4))
        stroke = np.asarray(modes) + 0.5 * rng.normal(size=len(rest)) * np.exp(-rest / (ring / 4))
        rise = np.minimum(1, rest / rng.uniform(1e-4, 2e-3))
        wave[at : at + len(rest)] += (
            rng.lognormal(0, 0.6) * rise * np.exp(-rest / (ring * rng.uniform(0.6, 1.6))) * stroke
        )
    return wave + 10 ** rng.uniform(-4, -2.3) * band(rng, len(time), 50, 8000, -4)


def castanets(rng: np.random.Generator, seconds: float) -> Wave:
    """Wood on wood, up to fifteen strokes a second."""
    return _struck(rng, seconds, rng.uniform(4, 15), (1200, 5000), 0.008)


def keyboard(rng: np.random.Generator, seconds: float) -> Wave:
    """Typing."""
    return _struck(rng, seconds, rng.uniform(3, 9), (400, 6000), 0.004)


def doors(rng: np.random.Generator, seconds: float) -> Wave:
    """Bangs and knocks."""
    return _struck(rng, seconds, rng.uniform(0.5, 2), (60, 900), 0.06)


def chiptune(rng: np.random.Generator, seconds: float) -> Wave:
    """Square waves with vibrato, band-limited: flat by intent."""
    time = _time(seconds)
    wave = np.zeros(len(time))
    for _ in range(2):
        steps = 110 * 2 ** (rng.integers(0, 25, int(seconds * 6) + 2) / 12)
        hertz = steps[(time * 6).astype(int)] * (1 + 0.004 * np.sin(2 * np.pi * 6 * time))
        phase = 2 * np.pi * np.cumsum(hertz) / RATE
        wave += sum((np.sin(phase * k) / k * (hertz * k < 16000) for k in range(1, 40, 2)), np.zeros(len(time)))
    return wave


def tones(rng: np.random.Generator, seconds: float) -> Wave:
    """Line-up tone and pips: sines at one level, steady or broken."""
    time = _time(seconds)
    hertz = float(rng.choice([400.0, 440.0, 997.0, 1000.0, 2000.0, rng.uniform(80, 5000)]))
    wave = np.sin(2 * np.pi * hertz * time)
    if rng.random() < 0.5:
        part = time % float(rng.uniform(0.5, 1.5))
        wave *= np.clip(np.minimum(part, rng.uniform(0.1, 0.4) - part) / 0.005, 0, 1)
    return np.asarray(wave + 10 ** rng.uniform(-5, -3) * rng.normal(size=len(time)))


def made_voice(rng: np.random.Generator, seconds: float) -> Wave:
    """The made voice of the agent's own demonstration."""
    return sounds.speech(seconds, channels=1, seed=int(rng.integers(1000)))[0].astype(np.float64)


def made_music(rng: np.random.Generator, seconds: float) -> Wave:
    """The made music of the agent's own demonstration."""
    return sounds.music(seconds, channels=1, seed=int(rng.integers(1000)))[0].astype(np.float64)


KINDS = {
    make.__name__: make
    for make in (
        drone, organ, bowed_bass, engine, applause, rain, surf, cymbals, fricatives, distorted_guitar, castanets,
        keyboard, doors, chiptune, tones, made_voice, made_music, *machines.KINDS,
    )
}  # fmt: skip
