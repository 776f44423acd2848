"""Whether a defect can be told at all in a second, or is hidden by the sound it was put into.

Noise in rain, a hum far below an organ's own pipes, a click in applause: nothing in the damaged sound tells such a
second from a clean one, so it may neither be taught as the defect nor as clean. Only the clean sound and what was
done to it are compared, before any codec; the measures are coarse on purpose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.audio_artifacts.defects import Damage
from vqa_agent.hearing.mains import MainsMeter
from vqa_agent.hearing.spectrum import FRAMES, Spectrograph
from vqa_agent.media import Samples

HUM_DB = 3.0
"""A multiple of the mains must stand out so far of what the sound itself has there."""
HISS_DB = 3.0
"""In some band the noise must lie so far above the sound's own floor (the lowest tenth of a second)."""
CLICK = 2.0
"""Times that the second difference at a click must exceed that of the sound within 20 ms."""
SHARE = 0.003
"""Of a second's samples must be distorted by more than a hundredth of the greatest."""


def hum(clean: Samples, damaged: Samples, rate: int, count: int) -> NDArray[np.bool_]:
    """(count,) for each whole second."""
    meter = MainsMeter(rate)
    shown = []
    for before, after in zip(_seconds(clean, rate, count), _seconds(damaged, rate, count), strict=True):
        own, extra = meter.trace(before), meter.trace(after - before)
        there = np.maximum(np.median(own.power, axis=0), np.median(own.floor, axis=0))
        shown.append(np.max(np.median(extra.power, axis=0) / there) > 10 ** (HUM_DB / 10))
    return np.array(shown, bool)


def hiss(clean: Samples, damaged: Samples, rate: int, count: int) -> NDArray[np.bool_]:
    """(count,) for each whole second."""
    spectrograph = Spectrograph(rate)
    shown = []
    for before, after in zip(_seconds(clean, rate, count), _seconds(damaged, rate, count), strict=True):
        power = float(np.mean(before**2)) + 1e-9
        own = np.partition(spectrograph.levels(before, power)[0], FRAMES // 10, axis=1)[:, FRAMES // 10]
        extra = spectrograph.levels(after - before, power)[0].mean(axis=1)
        above = (extra - own).reshape(-1, 4).mean(axis=1)
        shown.append(above.max() > HISS_DB)
    return np.array(shown, bool)


def distortion(clean: Samples, damaged: Samples, rate: int, count: int) -> NDArray[np.bool_]:
    """(count,) for each whole second."""
    usual = np.abs(clean) < np.quantile(np.abs(clean), 0.7)
    gain = float(clean[usual] @ damaged[usual]) / max(1e-12, float(clean[usual] @ clean[usual]))
    off = np.abs(damaged - gain * clean) > 0.01 * np.abs(damaged).max()
    return np.asarray(_seconds(off, rate, count).mean(axis=1) > SHARE)


def clicks(clean: Samples, damage: Damage, rate: int) -> NDArray[np.float64]:
    """(moments,) how far each click stands out of the sound around it: ratio of their second differences."""
    assert damage.moments is not None
    sharp, own = (np.abs(np.diff(wave, 2, prepend=0, append=0)) for wave in (damage.wave, clean))
    short, wide = rate // 1000, rate // 50
    ratios = []
    for moment in damage.moments:
        here = sharp[max(0, moment - 2) : moment + 2 * short].max(initial=0)
        beside = own[max(0, moment - wide) : moment + wide].max(initial=0)
        ratios.append(here / (beside + 1e-6))
    return np.array(ratios)


def _seconds(wave: NDArray[np.generic], rate: int, count: int) -> NDArray[np.generic]:
    return wave[: count * rate].reshape(count, rate)
