"""One second of one channel as the network for audio artifacts is shown it. Training and the agent share this code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqa_agent.hearing import amplitudes, ceiling, images, mains, moments, residual
from vqa_agent.hearing.mains import MainsMeter, Trace
from vqa_agent.hearing.spectrum import BANDS, EMPTY_DB, FRAMES, GROUPS, Spectrograph
from vqa_agent.media import Samples

BEFORE, AFTER = 5, 2
"""Seconds before and after the one judged that are looked at beside it: 8 s with its own."""

HUM_SPANS = ((BEFORE, AFTER, 6.0), (4, 0, 6.0), (AFTER, AFTER, 6.0), (0, 2, 3.0), (1, 1, 3.0), (2, 0, 3.0))
"""Seconds before and after through which hum may go on, and by how many dB its level may rise there: the sound may
begin or end, or the hum; and the shorter it is, the steadier it must be to be no note."""

FAINTEST_DB = -60.0
"""Hum that goes on, relative to the programme, at the least: what is fainter counts as that."""

ROWS = BANDS + residual.ROWS + 1
"""Rows of the picture of a second: band levels, the predictor's residual, flat tops."""

LONE = ceiling.MEASURES + images.MEASURES + moments.MEASURES

SHARP = residual.MEASURES + amplitudes.MEASURES - amplitudes.SHAPE + LONE
"""Measures of clicks and distortion that are also averaged over the seconds around."""

OWN = 4 * GROUPS + residual.MEASURES + amplitudes.MEASURES + LONE + 2 * GROUPS + 2

MEASURES = OWN + 2 * GROUPS + 3 + SHARP + ceiling.AROUND + len(HUM_SPANS) + mains.MEASURES

SILENT_DBFS = -75.0
"""RMS below which a second counts as silent: nobody hears a defect of it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one second of one channel says by itself.

    `picture` (ROWS, FRAMES) and `own` (...) are all that is needed of it to judge it; `sharp` (SHARP,), `floor`
    (2 * GROUPS,) in dBFS (of bands, of lines), `tops` (2,) in dBFS, `level` in dBFS RMS and `trace` are what its
    neighbours need of it.
    """

    picture: NDArray[np.float32]
    own: NDArray[np.float32]
    sharp: NDArray[np.float32]
    floor: NDArray[np.float32]
    tops: NDArray[np.float32]
    level: float
    trace: Trace


class Listener:
    """Listens to seconds of one sample rate."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._spectrograph = Spectrograph(rate)
        self._mains = MainsMeter(rate)

    def listen(self, wave: Samples) -> Heard | None:
        """What a second (n,) says; None where it is silent."""
        wave = wave - wave.mean()
        power = float(np.mean(wave * wave))
        level = 10 * np.log10(power + 1e-15)
        if level < SILENT_DBFS:
            return None
        bands, valleys = self._spectrograph.levels(wave, power)
        foreseen = residual.unforeseen(wave, power)
        values = amplitudes.amplitudes(wave, foreseen.wave)
        met = ceiling.ceiling(wave, power)
        grouped = bands.reshape(GROUPS, -1, FRAMES).mean(axis=1)
        low, middle, high = np.partition(grouped, (FRAMES // 10, FRAMES // 2, 9 * FRAMES // 10), axis=1)[
            :, [FRAMES // 10, FRAMES // 2, 9 * FRAMES // 10]
        ].T
        width = np.array([np.log2(self.rate / 48000), np.mean(bands.max(axis=1) <= EMPTY_DB + 5)])
        lone = [met.measures, images.images(wave), moments.moments(wave, foreseen, power)]
        own = [low, middle, high - low, valleys, foreseen.measures, values.measures, *lone]
        picture = np.vstack([bands, foreseen.rows, values.row[None]])
        return Heard(
            picture.astype(np.float32),
            np.concatenate([*own, _follows(grouped, wave), width]).astype(np.float32),
            np.concatenate([foreseen.measures, values.measures[amplitudes.SHAPE :], *lone]),
            np.concatenate([low, valleys]) + np.float32(level),
            met.tops,
            float(level),
            self._mains.trace(wave),
        )


def _follows(grouped: NDArray[np.float32], wave: Samples) -> NDArray[np.float32]:
    """(2 * GROUPS,) how each group's level (GROUPS, FRAMES) in dB follows that of the wave: slope, then correlation.

    What a quantiser or a cut adds rises and falls with the wave itself, in every band; voices and instruments do not.
    """
    size = len(wave) // FRAMES
    frames = wave[: size * FRAMES].reshape(FRAMES, size)
    whole = 10 * np.log10(np.einsum("fn,fn->f", frames, frames) / size + 1e-12)
    whole -= whole.mean()
    apart = grouped - grouped.mean(axis=1, keepdims=True)
    together, own, other = apart @ whole, float(whole @ whole) + 1.0, np.einsum("gf,gf->g", apart, apart) + 1.0
    return np.concatenate([np.clip(together / own, -3, 3), together / np.sqrt(own * other)]).astype(np.float32)


def hum_level(seconds: Sequence[Heard | None], index: int) -> float:
    """dBFS of the hum that goes on through 3 s or more with second `index` among them; -inf where there is none."""
    return max(_hum_levels(seconds, index))


def _hum_levels(seconds: Sequence[Heard | None], index: int) -> list[float]:
    """dBFS of the hum that goes on through each of `HUM_SPANS`; -inf where it does not."""
    spans = (seconds[max(0, index - before) : index + after + 1] for before, after, _ in HUM_SPANS)
    traces = ([heard.trace for heard in span if heard is not None] for span in spans)
    return [mains.steady_level(some, rise) for some, (_, _, rise) in zip(traces, HUM_SPANS, strict=True)]


def measures(seconds: Sequence[Heard | None], index: int) -> NDArray[np.float32]:
    """(MEASURES,) of second `index`, which was heard, in the light of the `BEFORE` and `AFTER` around it."""
    first = max(0, index - BEFORE)
    window = enumerate(seconds[first : index + AFTER + 1], first)
    around = {number: heard for number, heard in window if heard is not None}
    heard = around[index]
    programme = max(other.level for other in around.values())
    floor = np.min([other.floor for other in around.values()], axis=0) - programme
    sharp = np.mean([other.sharp for other in around.values()], axis=0)
    context = np.array([heard.level - programme, heard.level / 20, len(around) / (BEFORE + AFTER + 1)])
    tops = ceiling.around(np.stack([other.tops for other in around.values()]), list(around).index(index))
    steady = np.maximum(np.array(_hum_levels(seconds, index)) - programme, FAINTEST_DB) / 20
    hum = mains.measure({number: other.trace for number, other in around.items()}, index, 10 ** (programme / 10))
    return np.concatenate([heard.own, floor, context, sharp, tops, steady, hum]).astype(np.float32)
