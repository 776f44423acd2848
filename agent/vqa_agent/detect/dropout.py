"""Short holes in the sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vqa_agent.detect.clipping import runs_of
from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, register
from vqa_agent.media import Sound

STEP = 0.001
"""Seconds of one value of the envelope."""

BESIDE = 50
"""Steps on either side of a hole that give the programme's level."""

EDGE = 5
"""Steps within which the sound must break off and come back."""

LOUDER, USUAL = 0.75, 0.8
"""Parts of the envelope that lie below the level beside a hole that an edge is held against, and below the usual one:
the longest hole may fill more than half of what is remembered."""


class DropoutSettings(Settings):
    level: float = Field(-50.0, ge=-120, le=0, description="Peak level in dBFS that the sound has beside the hole.")
    depth: float = Field(40.0, ge=10, le=120, description="Depth of the hole in dB below the sound beside it.")
    shortest: float = Field(0.005, ge=0.001, le=1, description="Shortest hole in seconds.")
    longest: float = Field(0.5, gt=0, le=1, description="Longest hole in seconds; a longer one is a silence.")
    abrupt: float = Field(0.5, gt=0, le=1, description="Share of its usual level that the sound has at the edges.")


@register(
    "dropout",
    reads="audio",
    cost="cheap",
    live=Rule(set_time=10.0, clear_time=10.0, count=3),
    file=Rule(set_time=10.0, clear_time=2.0, count=2),
)
class Dropout(Detector[DropoutSettings]):
    """Sees: holes of 5 to 500 ms in sound that goes on before and after, as lost packets and bad cables make them.

    Formula: on the envelope of a channel (its greatest value in each millisecond), a run of `shortest` to `longest`
    seconds that lies `depth` dB below the median of the 50 ms before and of the 50 ms after, both above `level`. The
    sound must break off: within 5 ms of both edges it still has `abrupt` of the level that it had for a
    quarter of those 50 ms. A hole in the time
    stamps between blocks counts too.

    Settings: raise `depth` or `abrupt` to forgive softer holes; lower `abrupt` where a codec smears the edges.

    Mistakes: music that is cut into pieces by intent. Misses: holes in pauses, holes filled by repetition or noise.

    Source: gaps with level on both sides (dropouts below 500 ms; longer ones are silences); pauses of speech and
    hits of drums are told from holes by how they fade.

    >>> import numpy as np
    >>> wave = 0.2 * np.sin(np.arange(48000) * 0.1).astype(np.float32)[None]
    >>> wave[:, 20000:21000] = 0
    >>> detector = Dropout(DropoutSettings())
    >>> found = [finding for start in range(0, 48000, 4800) for finding in detector.look(
    ...     Sound(time=start / 48000, rate=48000, samples=wave[:, start : start + 4800])) if finding.bad]
    >>> [(round(finding.start, 2), finding.detail["ms"]) for finding in found]
    [(0.42, 20)]
    """

    def reset(self) -> None:
        self._envelope: NDArray[np.float32] | None = None
        self._start = 0.0
        self._next: float | None = None
        self._told = -1.0

    def look(self, sound: Sound) -> Iterable[Finding]:
        hole = sound.time - self._next if self._next is not None else 0.0
        if self._envelope is None or abs(hole) > STEP or self._envelope.shape[0] != sound.channels:
            if self.settings.shortest <= hole <= self.settings.longest and self._envelope is not None:
                yield self._finding(sound.time - hole, sound.time, 120.0)
            self._envelope, self._start = np.zeros((sound.channels, 0), np.float32), sound.time
        self._next = sound.end
        yield from self._holes(self._append(sound))
        yield Finding(self.name, sound.time, sound.end, 0.0, bad=False)

    def _append(self, sound: Sound) -> int:
        """Add a block to the envelope, and let go of what no hole can need any more; how many steps it has."""
        assert self._envelope is not None
        size = max(1, round(sound.rate * STEP))
        whole = sound.samples.shape[1] // size * size
        peaks = np.abs(sound.samples[:, :whole]).reshape(sound.channels, -1, size).max(axis=2)
        self._envelope = np.concatenate([self._envelope, peaks], axis=1)
        keep = round(self.settings.longest / STEP) + 2 * BESIDE + round(sound.duration / STEP)
        if (past := self._envelope.shape[1] - keep) > 0:
            self._envelope = self._envelope[:, past:]
            self._start += past * STEP
        return int(peaks.shape[1])

    def _holes(self, new: int) -> Iterator[Finding]:
        """The holes that the `new` last steps of the envelope complete."""
        assert self._envelope is not None
        for channel in self._envelope:
            reference = _rank(channel, USUAL) if channel.size else 0.0
            floor = max(reference, 10 ** (self.settings.level / 20)) * 10 ** (-self.settings.depth / 20)
            if not channel.size or float(channel.min()) > floor:
                continue
            starts, lengths = runs_of(channel <= floor)
            complete = starts + lengths + BESIDE
            fresh = (complete <= channel.size) & (complete > channel.size - new)
            for start, length in zip(starts[fresh], lengths[fresh], strict=True):
                moment = self._start + float(start) * STEP
                if moment > self._told and (depth := self._depth(channel, int(start), int(length))) is not None:
                    self._told = moment + float(length) * STEP
                    yield self._finding(moment, self._told, depth)

    def _depth(self, channel: NDArray[np.float32], start: int, length: int) -> float | None:
        """How deep a run is in dB, if it is a hole; None where it is none."""
        end = start + length
        if not self.settings.shortest <= length * STEP <= self.settings.longest:
            return None
        if start < BESIDE:
            return None
        inside = max(float(np.median(channel[start:end])), 1e-6)
        sides = (channel[start - BESIDE : start], channel[end : end + BESIDE])
        edges = (sides[0][-EDGE:], sides[1][:EDGE])
        for side, edge in zip(sides, edges, strict=True):
            usual = float(np.median(side))
            abrupt = float(edge.max()) >= self.settings.abrupt * _rank(side, LOUDER)
            if usual < 10 ** (self.settings.level / 20) or not abrupt:
                return None
            if 20 * np.log10(usual / inside) < self.settings.depth:
                return None
        return float(20 * np.log10(float(np.median(sides[0])) / inside))

    def _finding(self, start: float, end: float, depth: float) -> Finding:
        detail = {"ms": round((end - start) * 1000), "depth": round(depth)}
        return Finding(self.name, start, end, min(1.0, 0.5 + depth / 240), bad=True, detail=detail)


def _rank(values: NDArray[np.float32], share: float) -> float:
    """The value below which a share of `values` lies."""
    place = int(share * (len(values) - 1))
    return float(np.partition(values, place)[place])
