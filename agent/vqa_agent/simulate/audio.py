"""Defects of sound other than its absence (see `defects` for that): clipped, inverted, full of holes."""

from __future__ import annotations

import numpy as np

from vqa_agent.media import Samples
from vqa_agent.simulate.sounds import SAMPLE_RATE


def clip(sound: Samples, start: float, end: float, share: float, gain: float = 1.0, rate: int = SAMPLE_RATE) -> Samples:
    """Drive the sound into full scale so that about `share` of its samples are cut, then multiply by `gain`."""
    out = sound.copy()
    part = out[:, round(start * rate) : round(end * rate)]
    limit = float(np.quantile(np.abs(part), 1 - share)) if part.size else 0.0
    if limit > 0:
        part[:] = np.clip(part / limit, -1.0, 1.0) * gain
    return out


def invert(sound: Samples, start: float, end: float, channel: int = 1, rate: int = SAMPLE_RATE) -> Samples:
    """Turn the polarity of one channel over."""
    out = sound.copy()
    out[channel, round(start * rate) : round(end * rate)] *= -1
    return out


def holes(
    sound: Samples,
    start: float,
    end: float,
    length: float,
    per_second: float = 2.0,
    rate: int = SAMPLE_RATE,
    seed: int = 0,
) -> Samples:
    """Holes of digital zero in all channels at once, `length` seconds long, `per_second` of them at irregular times."""
    out = sound.copy()
    rng = np.random.default_rng(seed)
    for number in range(max(1, round((end - start) * per_second))):
        at = start + (number + float(rng.uniform(0.2, 0.8))) / per_second
        out[:, round(at * rate) : round(min(end, at + length) * rate)] = 0
    return out
