"""The defects that are trained on: each takes clean sound and gives it damaged, with how badly.

Severity is drawn from wide continuous ranges and kept, so that recall can be told by severity. Levels are relative to
`level`, the RMS of the active parts of the clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Damage:
    """`wave` (n,) damaged; `kind` of the defect's variant; `severity` in the unit of its class (see `UNITS`).

    `moments` are samples at which separate clicks lie, None where the defect is continuous.
    """

    wave: Samples
    kind: str
    severity: float
    moments: NDArray[np.intp] | None = None


UNITS = {
    "hum": "dB below the programme",
    "hiss": "dB below the programme",
    "distortion": "dB of distortion below the programme",
    "clicks": "dB of the clicks' peak over the programme's RMS",
}

Make = Callable[[Rng, Samples, int, float], Damage]


def _added(wave: Samples, extra: NDArray[np.float64], below: float, level: float) -> Samples:
    extra = extra * (level * 10 ** (-below / 20) / max(1e-12, float(np.sqrt(np.mean(extra**2)))))
    return np.asarray(wave + extra, dtype=np.float32)


def hum(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Mains at 50 or 60 Hz with a slow drift: harmonics at random, a clipped sine, a rectifier's or a dimmer's buzz."""
    count = len(wave)
    mains = float(rng.choice([50.0, 60.0])) + rng.normal() * 0.03
    knots = np.cumsum(rng.normal(size=count // rate + 3)) * 0.03
    drift = np.clip(np.interp(np.arange(count), np.arange(len(knots)) * rate, knots), -0.2, 0.2)
    phase = 2 * np.pi * (np.cumsum(mains + drift) / rate + rng.random())
    kind = str(rng.choice(["harmonics", "clipped", "rectifier", "dimmer", "sine"], p=[0.4, 0.2, 0.2, 0.12, 0.08]))
    if kind == "harmonics":
        extra = _harmonics(rng, phase, mains, rate)
    elif kind == "clipped":
        limit = rng.uniform(0.2, 0.9)
        extra = np.clip(np.sin(phase) + rng.uniform(-0.2, 0.2), -limit, limit)
    elif kind == "rectifier":
        extra = np.abs(np.sin(phase)) ** rng.uniform(0.6, 6)
    elif kind == "dimmer":
        extra = _dimmed(rng, phase)
    else:
        extra = np.sin(phase)
    below = rng.uniform(0, 30)
    return Damage(_added(wave, extra - extra.mean(), below, level), kind, below)


def _harmonics(rng: Rng, phase: NDArray[np.float64], mains: float, rate: int) -> NDArray[np.float64]:
    """Up to 23 multiples that fall off by 3 to 12 dB an octave, the even ones or the first often weak."""
    numbers = np.arange(1, int(rng.integers(2, 24)))
    slope = rng.uniform(3, 12)
    weights = 10 ** (-slope * np.log2(numbers) / 20) * rng.lognormal(0, 0.6, len(numbers))
    weights[1::2] *= rng.choice([0.05, 0.4, 1.0])
    weights[0] *= rng.choice([0.05, 1.0], p=[0.15, 0.85])
    keep = numbers * mains < 0.45 * rate
    return sum(
        (w * np.sin(phase * k + rng.uniform(0, 6.28)) for k, w in zip(numbers[keep], weights[keep], strict=True)),
        np.zeros(len(phase)),
    )


def _dimmed(rng: Rng, phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a phase-cut dimmer radiates: its steps, and some of its current."""
    start = rng.uniform(0.2, 0.7)
    current = np.where((phase % np.pi) / np.pi > start, np.sin(phase), 0.0)
    return np.asarray(np.diff(current, prepend=current[0]) * 3 + rng.uniform(0, 0.5) * current)


def hiss(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Noise that stays: white, pink, tape, band-limited; or breathing behind a gate."""
    count = len(wave)
    spectrum = np.fft.rfft(rng.normal(size=count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / rate), 20.0)
    kind = str(rng.choice(["white", "pink", "tape", "band", "breathing"], p=[0.3, 0.2, 0.2, 0.2, 0.1]))
    shape = np.ones(len(hertz))
    if kind == "pink":
        shape = hertz ** rng.uniform(-0.6, -0.2)
    elif kind == "tape":
        corner = rng.uniform(1000, 6000)
        shape = 0.1 + (hertz / corner) / np.sqrt(1 + (hertz / corner) ** 2)
    elif kind == "band":
        low, high = rng.uniform(300, 3000), rng.uniform(5000, 20000)
        shape = 1 / (1 + (low / hertz) ** 4) / (1 + (hertz / high) ** 8)
    extra = np.fft.irfft(spectrum * shape, count)
    if kind == "breathing":
        size = rate // 20
        energy = np.sqrt(np.convolve(wave.astype(np.float64) ** 2, np.ones(size) / size, "same"))
        extra = extra * np.interp(energy / (level + 1e-9), [0, 0.2, 1], [0.4, 1, 1])
    below = rng.uniform(5, 34)
    return Damage(_added(wave, extra, below, level), kind, below)


def distortion(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Clipped hard, softly or on one side (then made quieter), of few bits, held, overflowed, or a starved codec."""
    kind = str(
        rng.choice(["hard", "soft", "one-sided", "bits", "held", "wrapped"], p=[0.46, 0.14, 0.12, 0.14, 0.06, 0.08])
    )
    wide = wave.astype(np.float64)
    size = np.abs(wide)
    gain = 1.0
    if kind in ("hard", "one-sided"):
        share = 10 ** rng.uniform(-2.1, -0.6)
        limit = float(np.quantile(size, 1 - share)) + 1e-9
        out = np.clip(wide, -limit if kind == "hard" else -9, limit)
        gain = min(1.0 / limit, rng.uniform(0.15, 1.0) / limit)
    elif kind == "soft":
        drive = rng.uniform(1.5, 6) / (float(np.quantile(size, 0.995)) + 1e-9)
        shape = np.tanh if rng.random() < 0.7 else lambda x: x / (1 + np.abs(x))
        out = shape(drive * wide) / drive
        gain = rng.uniform(0.3, 1.0) / (float(np.abs(out).max()) + 1e-9)
    elif kind == "bits":
        step = float(size.max()) * 2.0 ** (1 - rng.uniform(3, 7))
        out = np.round(wide / step) * step if rng.random() < 0.5 else (np.floor(wide / step) + 0.5) * step
    elif kind == "held":
        hold = int(rng.integers(3, 9)) if rate > 24000 else int(rng.integers(2, 5))
        out = np.repeat(wide[::hold], hold)[: len(wide)]
    else:
        limit = float(np.quantile(size, 1 - 10 ** rng.uniform(-2.5, -1.0))) + 1e-9
        out = (wide + limit) % (2 * limit) - limit
        gain = rng.uniform(0.2, 1.0) / limit
    return Damage((out * gain).astype(np.float32), kind, _distortion_level(wide, out), None)


def _distortion_level(clean: NDArray[np.float64], damaged: NDArray[np.float64]) -> float:
    """dB by which what is not the clean wave, at whatever gain, lies below it."""
    gain = float(clean @ damaged) / max(1e-12, float(clean @ clean))
    rest = damaged - gain * clean
    return float(10 * np.log10(gain**2 * np.mean(clean**2) / max(1e-15, float(np.mean(rest**2))) + 1e-9))


def clicks(rng: Rng, wave: Samples, rate: int, level: float) -> Damage:
    """Single samples, bursts of up to 2 ms, jumps where samples were lost or repeated, short holes."""
    out = wave.astype(np.float64)
    count = len(wave)
    seconds = count / rate
    number = max(1, round(seconds * 10 ** rng.uniform(0.1, 1.3)))
    moments = np.sort(rng.integers(rate // 50, max(rate // 50 + 1, count - rate // 20), number))
    kind = str(rng.choice(["single", "burst", "jump", "hole"], p=[0.35, 0.4, 0.13, 0.12]))
    over = rng.uniform(0, 24)
    peak = level * 10 ** (over / 20)
    for moment in moments:
        height = peak * rng.choice([-1, 1]) * rng.lognormal(0, 0.2)
        if kind == "single":
            out[moment : moment + int(rng.integers(1, 3))] += height
        elif kind == "burst":
            length = max(3, int(rng.uniform(0.1, 2) * 1e-3 * rate))
            burst = np.exp(-np.arange(length) / (length / rng.uniform(2, 6))) * (
                rng.normal(size=length) if rng.random() < 0.6 else 1.0
            )
            out[moment : moment + length] += height * (burst / np.abs(burst).max())[: len(out) - moment]
        elif kind == "jump":
            length = int(rng.integers(2, max(3, rate // 200)))
            back = (
                out[max(0, moment - length) : moment]
                if rng.random() < 0.5
                else out[moment + length : moment + 2 * length]
            )
            end = min(count, moment + len(back))
            out[moment:end] = back[: end - moment]
        else:
            length = int(rng.uniform(1, 20) * 1e-3 * rate)
            out[moment : moment + length] = 0
    return Damage(out.astype(np.float32), kind, over, moments)


GENERATOR: dict[str, Make] = {"hum": hum, "hiss": hiss, "distortion": distortion, "clicks": clicks}
