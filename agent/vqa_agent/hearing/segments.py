"""Blocks of sound to whole seconds, by channel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vqa_agent.media import Samples, Sound

GAP = 0.05
"""Seconds by which a block may lie off the end of the one before and still follow it."""

LEAST = 0.3
"""Seconds of a rest that are worth judging."""

ALIKE_DB = -40.0
"""Level below their own at which the difference of two channels is nothing but the rounding of a codec ..."""

ALIKE_PEAK = 0.03
"""... unless it has a peak, as a click in one of them would: greatest difference, as a share of the greatest value."""

Second = tuple[float, float, dict[str, Samples]]
"""Start, end and the distinct channels (n,), by name."""


class Segments:
    """Collects blocks until a second is full.

    A channel that says what another says is left out, and so is the effects channel: it holds nothing but low tones.
    """

    def __init__(self) -> None:
        self.rate = 0
        self._blocks: list[Sound] = []
        self._count = 0
        self._last: Samples | None = None

    def follows(self, sound: Sound) -> bool:
        """Whether `sound` goes on where the last block ended, in the same form."""
        if not self._blocks:
            return True
        last = self._blocks[-1]
        alike = last.rate == sound.rate and last.names == sound.names
        return alike and abs(sound.time - last.end) <= GAP

    def add(self, sound: Sound) -> Iterator[Second]:
        """The second that `sound` completes, if it does."""
        self.rate = sound.rate
        self._blocks.append(sound)
        self._count += sound.samples.shape[1]
        while self._count >= self.rate:
            wave = np.concatenate([block.samples for block in self._blocks], axis=1)
            start = self._blocks[0].time
            yield start, start + 1.0, self._channels(wave[:, : self.rate])
            self._last = wave[:, : self.rate]
            rest = wave[:, self.rate :]
            self._blocks = [Sound(time=start + 1.0, rate=self.rate, samples=rest, names=sound.names)]
            self._count = rest.shape[1]

    def rest(self) -> Iterator[Second]:
        """What is left at the end, filled up to a second with what came before, or mirrored where nothing did."""
        if self._count < LEAST * self.rate or not self.rate:
            return
        wave = np.concatenate([block.samples for block in self._blocks], axis=1)
        start, end = self._blocks[0].time, self._blocks[-1].end
        if self._last is not None:
            wave = np.concatenate([self._last, wave], axis=1)[:, -self.rate :]
        else:
            wave = np.pad(wave, ((0, 0), (0, self.rate - wave.shape[1])), mode="symmetric")
        yield start, end, self._channels(wave)

    def _channels(self, wave: Samples) -> dict[str, Samples]:
        names = self._blocks[0].names
        distinct: dict[str, Samples] = {}
        for name, channel in zip(names, wave, strict=True):
            if name != "LFE" and not any(_alike(channel, other) for other in distinct.values()):
                distinct[name] = channel
        return distinct


def _alike(one: Samples, other: Samples) -> bool:
    """Whether two channels (n,) are one sound, so that what is heard in one is heard in the other."""
    difference = one - other
    power = float(np.vdot(difference, difference))
    if power > 10 ** (ALIKE_DB / 10) * min(float(np.vdot(one, one)), float(np.vdot(other, other))):
        return False
    return float(np.abs(difference).max()) <= ALIKE_PEAK * float(np.abs(one).max())
