"""Mirror images in the spectrum: a wave whose samples are held, or left out, repeats it upside down.

Holding each value for `h` samples mirrors the spectrum at every multiple of rate / 2h, and no codec of usual rates
takes the images away, as it does the steps themselves. A harmonic sound is its own mirror image at its partials, but
seldom at exactly those frequencies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

SIZE = 2048
"""Samples of one spectrum."""

SPECTRA = 8
"""Spectra in a second."""

HOLDS = range(2, 11)
"""Samples for which values may be held."""

SMOOTH = 33
"""Lines over which the course of a spectrum is taken for its usual level."""

PAIRS = 160
"""Pairs of lines that must lie around a mirror, at the least."""

RARE = 80
"""The so-many-th greatest symmetry is what a sound has anyhow."""

MEASURES = 6

_window = np.hanning(SIZE).astype(np.float32)
_LINES = SIZE // 2
_place = np.arange(2 * _LINES - 1)
_overlap = np.minimum(_place, _place[::-1]) + 1
"""Pairs of lines that lie around each place: twice the frequency of the mirror, in lines."""
_scale = np.where(_overlap > PAIRS, 1 / np.sqrt(_overlap * float(_LINES)), 0.0)


def _mirrors(hold: int) -> NDArray[np.intp]:
    """Places of the mirrors of values held for so many samples, and the places beside them."""
    places = np.arange(1, 2 * hold) * SIZE / hold - 2
    near = np.round(places[(places > PAIRS) & (places < len(_place) - PAIRS)]).astype(np.intp)
    return np.add.outer(np.arange(-1, 2), near)


_held = [_mirrors(hold) for hold in HOLDS]


def images(wave: Samples) -> NDArray[np.float32]:
    """(MEASURES,) of one second (n,): symmetry at the mirrors of the two likeliest holds, and how far the first stands
    out of the other holds; the greatest symmetry anywhere, how it stands out, and where (as a share of the rate).
    """
    symmetry = _symmetry(wave)
    holds = np.sort([_upper_half(symmetry[places].max(axis=0)) for places in _held])[::-1]
    best = int(symmetry.argmax())
    usual = float(np.partition(symmetry, -RARE)[-RARE])
    anywhere = [symmetry[best], symmetry[best] / (usual + 0.02), (best + 2) / (2 * SIZE)]
    return np.array([*holds[:2], holds[0] - holds[len(holds) // 2], *anywhere], np.float32)


def _symmetry(wave: Samples) -> NDArray[np.float64]:
    """(SIZE - 1,) how far the spectrum's lines (without the lowest) are mirrored at each place, 1 or so at most."""
    starts = np.linspace(0, len(wave) - SIZE, SPECTRA).astype(np.intp)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(wave, SIZE)[starts] * _window)[:, 1:]
    power = spectrum.real**2 + spectrum.imag**2
    levels = np.log(power + 1e-9 * power.max() + 1e-13)
    sums = np.cumsum(np.pad(levels, ((0, 0), (SMOOTH // 2 + 1, SMOOTH // 2)), mode="edge"), axis=1)
    fine = np.clip(levels - (sums[:, SMOOTH:] - sums[:, :-SMOOTH]) / SMOOTH, -6, 6)
    turned = np.fft.rfft(fine, SIZE)
    mirrored = np.fft.irfft((turned * turned).sum(axis=0), SIZE)[: len(_place)]
    return np.asarray(mirrored * _scale / (SPECTRA * float(np.mean(fine * fine)) + 1e-9))


def _upper_half(values: NDArray[np.float64]) -> float:
    """Mean of the greater half."""
    return float(np.sort(values)[len(values) // 2 :].mean())
