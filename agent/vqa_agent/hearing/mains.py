"""Hum of the mains: steady tones at exact multiples of 50 or 60 Hz.

Music has low tones too, but G1 is 49.0 Hz and B1 61.7 Hz, and a played tone neither stays nor keeps its phase. So for
each multiple: how far it stands out of the lines beside it, and how well its phase keeps to one frequency next to
the exact one, in this second and over the 8 s around it (where a quarter of a hertz can be told).
Steadiness over quantiles of frames follows Brandt and Bitzer, "Automatic detection of hum in audio signals" (JAES 62,
2014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vqa_agent.media import Samples

MAINS = (50.0, 60.0)
MULTIPLES = 14

LOW_RATE = 4000
"""Sample rate in Hz, about, to which the sound is brought before it is looked at."""

WINDOW, HOP = 0.4, 0.1
"""Seconds: lines 2.5 Hz apart, so that every multiple of 50 and 60 Hz falls on one."""

OFFSETS = np.linspace(-1.0, 1.0, 33).astype(np.float32)
"""Hz off a multiple at which its phase is tried."""

BESIDE = (-5, -4, 4, 5)
"""Lines beside a multiple that hold none of its own energy."""

_lines = np.array([round(mains * k / 2.5) for mains in MAINS for k in range(1, MULTIPLES + 1)])
_beside = _lines[:, None] + np.array(BESIDE)
_drift = np.tile(0.13 + 0.06 * np.arange(1, MULTIPLES + 1), len(MAINS))
"""(lines,) Hz: mains drift by up to 0.2 Hz, and a multiple by more."""

_allowed = np.abs(OFFSETS[:, None]) <= _drift

COHERENT = 0.7
"""Length of the mean of the turns from one second to the next, at least, of a line that hums on."""

MEASURES = len(MAINS) * (5 * MULTIPLES + 5)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one second holds at the multiples: `power`, `floor` and `phase` (windows, lines).

    `power` is that of a tone (half its amplitude's square), `floor` that of the lines beside it. `phase`
    are unit phasors, against a clock of the exact frequency; since every multiple makes whole turns in a second, that
    clock runs through from second to second. `moments` are the windows' seconds since the start of their own.
    """

    power: NDArray[np.float32]
    floor: NDArray[np.float32]
    phase: NDArray[np.complex64]
    moments: NDArray[np.float32]


class MainsMeter:
    """Traces of seconds of one sample rate."""

    def __init__(self, rate: int) -> None:
        self._factor = max(1, round(rate / LOW_RATE))
        low = rate / self._factor
        size, hop = round(WINDOW * low), round(HOP * low)
        self._window = np.hanning(size + 1)[:-1].astype(np.float32)
        self._hop = hop
        self._scale = np.float32(2 / self._window.sum() ** 2)
        ramp = np.arange(1, self._factor + 1, dtype=np.float32) / self._factor**2
        self._rise, self._fall = ramp, ramp[::-1] - np.float32(1 / self._factor**2)
        count = (rate // self._factor - 1 - size) // hop + 1
        self._moments = (np.arange(count) * hop / low).astype(np.float32)
        self._clock = np.exp(-2j * np.pi * self._moments[:, None] * _lines * 2.5).astype(np.complex64)

    def trace(self, wave: Samples) -> Trace:
        """The trace of one second (n,)."""
        low = self._reduce(wave)
        windows = np.lib.stride_tricks.sliding_window_view(low, len(self._window))[:: self._hop]
        spectrum = np.fft.rfft(windows * self._window)
        power = ((spectrum.real**2 + spectrum.imag**2) * self._scale + 1e-14).astype(np.float32)
        phase = spectrum[:, _lines] * self._clock
        phase = (phase / (np.abs(phase) + 1e-9)).astype(np.complex64)
        floor = _median(np.moveaxis(power[:, _beside], 2, 0))
        return Trace(power[:, _lines], floor, phase, self._moments)

    def _reduce(self, wave: Samples) -> Samples:
        """`wave` at about 4 kHz, weighted by triangles two steps long: their nulls lie where folding would hurt."""
        blocks = wave[: len(wave) // self._factor * self._factor].reshape(-1, self._factor)
        return np.asarray(blocks[:-1] @ self._rise + blocks[1:] @ self._fall, dtype=np.float32)


def measure(traces: Mapping[int, Trace], own: int, programme: float) -> NDArray[np.float32]:
    """(MEASURES,) of the second `own` of `traces` (by number of the second), in the light of the others.

    `programme` is the power of the loudest of these seconds: what hums 50 dB below it disturbs nobody. The likelier
    mains come first.
    """
    power = np.concatenate([trace.power for trace in traces.values()])
    floor = np.concatenate([trace.floor for trace in traces.values()])
    here = _kept({own: traces[own]})
    around = _kept(traces)
    stands_out = _decibels(np.mean(traces[own].power, axis=0) / np.mean(traces[own].floor, axis=0)) / 20
    rank = len(power) // 8
    lowest = _decibels(np.partition(power, rank, axis=0)[rank] / _median(floor)) / 20
    usual = _median(power) / programme
    level = np.clip(10 * np.log10(usual + 1e-9) / 20, -4, 0)
    sure = np.clip(around, 0, 1) * np.clip(stands_out, 0, 1.5)
    now = np.clip(here, 0, 1) * np.clip(stands_out, 0, 1.5)
    total = 10 * np.log10((usual * np.clip(2 * sure - 0.2, 0, 1)).reshape(len(MAINS), -1).sum(axis=1) + 1e-8) / 20
    parts = []
    for base in range(len(MAINS)):
        part = slice(base * MULTIPLES, (base + 1) * MULTIPLES)
        best = np.sort(sure[part])[::-1]
        summary = [sure[part].sum(), best[0], best[1], now[part].sum(), total[base]]
        lists = [values[part] for values in (here, around, stands_out, lowest, level)]
        parts.append((float(sure[part].sum()), np.concatenate([*lists, summary])))
    parts.sort(key=lambda part: -part[0])
    return np.concatenate([part for _, part in parts]).astype(np.float32)


def steady_level(traces: Sequence[Trace], rise: float) -> float:
    """dBFS of what hums on through all these seconds, in the pauses of the programme too; -inf where nothing does.

    It is the sum of the multiples of 50 Hz, or of 60 Hz, whose phase each second turns on by what the drift of mains
    allows, and whose level rises by no more than `rise` dB from the lowest quarter of its windows to the highest tenth:
    music on the same line leaves gaps or decays.
    """
    if len(traces) < 2:
        return -np.inf
    phase = np.stack([trace.phase for trace in traces])
    turn = np.mean(phase[1:] * np.conj(phase[:-1]), axis=(0, 1))
    # A whole hertz beside, as G1 is, turns back to the same phase each second, but not from window to window.
    short = np.angle(np.mean(phase[:, 1:] * np.conj(phase[:, :-1]), axis=(0, 1)))
    power = np.concatenate([trace.power for trace in traces])
    ordered = np.sort(power, axis=0)
    low, high = ordered[len(ordered) // 4], ordered[9 * len(ordered) // 10]
    steady = (np.abs(turn) >= COHERENT) & (np.abs(np.angle(turn)) <= 2 * np.pi * _drift)
    steady &= np.abs(short) <= 2 * np.pi * 0.5 * (traces[0].moments[1] - traces[0].moments[0])
    steady &= high <= low * 10 ** (rise / 10)
    greatest = float((low * steady).reshape(len(MAINS), -1).sum(axis=1).max())
    return 10 * float(np.log10(greatest)) if greatest > 0 else -np.inf


def _kept(traces: Mapping[int, Trace]) -> NDArray[np.float32]:
    """(lines,) how well the phase of each line keeps to the allowed frequency that suits it best, 0 to 1."""
    first = min(traces)
    turn = _turns(tuple(number - first for number in traces), tuple(traces[first].moments.tolist()))
    phase = np.concatenate([trace.phase for trace in traces.values()])
    return np.asarray(np.max(np.abs(turn @ phase) * _allowed, axis=0) / len(phase), dtype=np.float32)


@lru_cache(maxsize=32)
def _turns(seconds: tuple[int, ...], moments: tuple[float, ...]) -> NDArray[np.complex64]:
    """(offsets, windows) by which each offset turns the phase until each window of these seconds."""
    clock = np.add.outer(seconds, moments).ravel()
    return np.asarray(np.exp(-2j * np.pi * OFFSETS[:, None] * clock), dtype=np.complex64)


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Along the first axis. NumPy's own takes several times as long for so few."""
    ordered = np.sort(values, axis=0)
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2, dtype=np.float32)


def _decibels(ratio: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.clip(10 * np.log10(ratio + 1e-6), -20, 40), dtype=np.float32)
