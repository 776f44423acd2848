"""Hum of the mains: steady tones at exact multiples of 50 or 60 Hz.

Music has low tones too, but G1 is 49.0 Hz and B1 61.7 Hz, and a played tone neither stays nor keeps its phase. So for
each multiple: how far it stands out of the lines beside it, and how well the phase of the windows keeps the exact
frequency (an error of a tenth of a hertz can be seen within one second), in this second and in those around it.
Steadiness over quantiles of frames follows Brandt and Bitzer, "Automatic detection of hum in audio signals" (JAES 62,
2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

MAINS = (50.0, 60.0)
MULTIPLES = 14

LOW_RATE = 4000
"""Sample rate in Hz, about, to which the sound is brought before it is looked at."""

WINDOW, HOP = 0.4, 0.1
"""Seconds: lines 2.5 Hz apart, so that every multiple of 50 and 60 Hz falls on one."""

LAG = 3
"""Hops between windows whose phase is compared: far enough that noise has forgotten its phase."""

BESIDE = (-5, -4, 4, 5)
"""Lines beside a multiple that hold none of its own energy."""

_lines = np.array([round(mains * k / 2.5) for mains in MAINS for k in range(1, MULTIPLES + 1)])
_beside = _lines[:, None] + np.array(BESIDE)
_tolerance = np.tile(0.25 + 0.06 * np.arange(1, MULTIPLES + 1), len(MAINS)).astype(np.float32)
"""Hz that a multiple may lie off: mains drift by up to 0.2 Hz, and a multiple by as many times more."""

MEASURES = len(MAINS) * (4 * MULTIPLES + 4)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one second holds at the multiples: `power` and `floor` (windows, lines), `turns` (pairs, lines).

    `turns` are unit phasors: the phase that a line gained in `LAG` hops over what its exact frequency explains.
    """

    power: NDArray[np.float32]
    floor: NDArray[np.float32]
    turns: NDArray[np.complex64]


class MainsMeter:
    """Traces of seconds of one sample rate."""

    def __init__(self, rate: int) -> None:
        self._factor = max(1, round(rate / LOW_RATE))
        low = rate / self._factor
        size, hop = round(WINDOW * low), round(HOP * low)
        self._window = np.hanning(size + 1)[:-1].astype(np.float32)
        self._hop = hop
        ramp = np.arange(1, self._factor + 1, dtype=np.float32) / self._factor**2
        self._rise, self._fall = ramp, ramp[::-1] - np.float32(1 / self._factor**2)
        self._turn = np.exp(-2j * np.pi * _lines * 2.5 * LAG * hop / low).astype(np.complex64)

    def trace(self, wave: Samples) -> Trace:
        """The trace of one second (n,)."""
        low = self._reduce(wave)
        windows = np.lib.stride_tricks.sliding_window_view(low, len(self._window))[:: self._hop]
        spectrum = np.fft.rfft(windows * self._window)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) + np.float32(1e-9)
        at = spectrum[:, _lines]
        turns = at[LAG:] * np.conj(at[:-LAG]) * self._turn
        turns = turns / (np.abs(turns) + 1e-9)
        return Trace(power[:, _lines], np.median(power[:, _beside], axis=2), turns.astype(np.complex64))

    def _reduce(self, wave: Samples) -> Samples:
        """`wave` at about 4 kHz, weighted by triangles two steps long: their nulls lie where folding would hurt."""
        blocks = wave[: len(wave) // self._factor * self._factor].reshape(-1, self._factor)
        return np.asarray(blocks[:-1] @ self._rise + blocks[1:] @ self._fall, dtype=np.float32)


def measure(traces: Sequence[Trace], own: int) -> NDArray[np.float32]:
    """(MEASURES,) of the second `own` of `traces`, in the light of the others; the likelier mains come first."""
    power = np.concatenate([trace.power for trace in traces])
    floor = np.concatenate([trace.floor for trace in traces])
    turns = np.concatenate([trace.turns for trace in traces])
    here = _kept(traces[own].turns)
    around = _kept(turns)
    stands_out = _decibels(np.mean(traces[own].power, axis=0) / np.mean(traces[own].floor, axis=0))
    rank = max(0, len(power) // 8)
    lowest = _decibels(np.partition(power, rank, axis=0)[rank] / np.median(floor, axis=0))
    parts = []
    for base in range(len(MAINS)):
        part = slice(base * MULTIPLES, (base + 1) * MULTIPLES)
        lists = [values[part] for values in (here, around, stands_out / 20, lowest / 20)]
        evidence = np.clip(lists[1], 0, 1) * np.clip(lists[2], 0, 1.5)
        best = np.sort(evidence)[::-1]
        summary = [evidence.sum(), best[0], best[1], (np.clip(lists[0], 0, 1) * np.clip(lists[2], 0, 1.5)).sum()]
        parts.append((float(evidence.sum()), np.concatenate([*lists, summary])))
    parts.sort(key=lambda part: -part[0])
    return np.concatenate([part for _, part in parts]).astype(np.float32)


def _kept(turns: NDArray[np.complex64]) -> NDArray[np.float32]:
    """How well each line keeps its phase (0..1), where it keeps the exact frequency; less where it lies off."""
    mean = turns.mean(axis=0)
    off = np.angle(mean) / (2 * np.pi * LAG * HOP)
    return np.asarray(np.abs(mean) * np.exp(-0.5 * (off / _tolerance) ** 2), dtype=np.float32)


def _decibels(ratio: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(10 * np.log10(ratio + 1e-6), -20, 40), dtype=np.float32)
