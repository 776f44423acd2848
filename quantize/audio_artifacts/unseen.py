"""Another generator of the same four defects, by other formulas, for testing only: nothing is ever trained on it.

A network that only knows its own simulation fails here.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from quantize.audio_artifacts.defects import Damage, Make, Rng, _added, _distortion_level
from vqa_agent.media import Samples


def hum(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """A ground loop (phase-locked partials), a transformer (odd, magnetostrictive doubling), a charger's pulses."""
    mains = float(rng.choice([50.0, 60.0])) * (1 + rng.normal() * 4e-4)
    turn = np.arange(len(wave)) / rate * mains + rng.random()
    kind = str(rng.choice(["loop", "transformer", "pulses", "triangle"]))
    if kind == "loop":
        extra = sum((np.cos(2 * np.pi * k * turn + k) / (1 + 0.8 * k) for k in range(1, 9)), np.zeros(len(wave)))
    elif kind == "transformer":
        flux = np.sin(2 * np.pi * turn) + 0.3 * np.sin(6 * np.pi * turn)
        extra = 0.4 * flux + flux**2 + 0.3 * flux**3
    elif kind == "pulses":
        pulse = ((2 * turn) % 1.0 < 0.04).astype(float)
        extra = lfilter([1, -1], [1, -1.6, 0.68], pulse) + 0.2 * np.sin(2 * np.pi * turn)
    else:
        extra = 2 * np.abs(2 * (turn % 1.0) - 1) - 1
    below = rng.uniform(3, 28)
    return Damage(_added(wave, extra - extra.mean(), below, level), kind, below)


def hiss(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Uniform, differenced, sparse (velvet) or first-order noise at a constant level."""
    kind = str(rng.choice(["uniform", "blue", "velvet", "preamp"]))
    noise = rng.uniform(-1, 1, len(wave))
    if kind == "blue":
        noise = noise - 0.6 * np.roll(noise, 1)
    elif kind == "velvet":
        noise = np.sign(noise) * (rng.random(len(wave)) < 0.3)
    elif kind == "preamp":
        pole = np.exp(-2 * np.pi * rng.uniform(2000, 8000) / rate)
        noise = lfilter([1], [1, -pole], noise)
    below = rng.uniform(8, 32)
    return Damage(_added(wave, noise, below, level), kind, below)


def distortion(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Driven into full scale by a gain, an arctangent, a cubic, mu-law of few bits, folded back."""
    kind = str(rng.choice(["overdriven", "cut", "arctangent", "folded", "coarse"], p=[0.35, 0.25, 0.15, 0.1, 0.15]))
    wide = wave.astype(np.float64)
    high = float(np.quantile(np.abs(wide), 0.999)) + 1e-9
    if kind == "overdriven":
        out = np.clip(wide / high * 10 ** (rng.uniform(4, 16) / 20), -1, 1) * rng.uniform(0.2, 1.0)
    elif kind == "cut":
        limit = float(np.quantile(np.abs(wide), 1 - rng.uniform(0.02, 0.1))) + 1e-9
        out = np.minimum(np.maximum(wide, -limit), limit)
    elif kind == "arctangent":
        out = np.arctan(wide / high * rng.uniform(3, 12)) * rng.uniform(0.2, 0.6)
    elif kind == "folded":
        limit = high * rng.uniform(0.3, 0.7)
        out = np.abs((wide / limit + 1) % 4 - 2) - 1
        out = out * limit
    else:
        levels = 2.0 ** rng.uniform(4, 6)
        pressed = np.sign(wide) * np.log1p(60 * np.minimum(1, np.abs(wide) / high)) / np.log(61)
        out = np.round(pressed * levels / 2) * 2 / levels
        out = np.sign(out) * (61 ** np.abs(out) - 1) / 60 * high
    return Damage(out.astype(np.float32), kind, _distortion_level(wide, out))


def clicks(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """A scratched record, static, a bad word clock (samples slipped), a stuck converter."""
    out = wave.astype(np.float64)
    moments = np.flatnonzero(rng.random(len(wave)) < rng.uniform(2, 15) / rate)
    moments = moments[(moments > 200) & (moments < len(wave) - 400)]
    if not len(moments):
        moments = np.array([len(wave) // 2])
    kind = str(rng.choice(["scratch", "static", "slip", "stuck"], p=[0.4, 0.35, 0.12, 0.13]))
    over = rng.uniform(3, 22)
    for moment in moments:
        height = level * 10 ** (over / 20) * (rng.pareto(4) + 0.8) * rng.choice([-1, 1])
        if kind == "scratch":
            time = np.arange(int(0.0012 * rate)) / rate
            ring = np.exp(-time / rng.uniform(5e-5, 3e-4)) * np.cos(2 * np.pi * rng.uniform(1500, 9000) * time)
            out[moment : moment + len(time)] += height * ring
        elif kind == "static":
            out[moment] += height
            out[moment + 1] -= 0.7 * height
        elif kind == "slip":
            lost = int(rng.integers(8, 150))
            out[moment:-lost] = out[moment + lost :]
        else:
            out[moment : moment + int(rng.uniform(0.5, 6) * 1e-3 * rate)] = out[moment]
    return Damage(out.astype(np.float32), kind, over, moments)


GENERATOR: dict[str, Make] = {"hum": hum, "hiss": hiss, "distortion": distortion, "clicks": clicks}
