"""Programme loudness by EBU R 128."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, ClassVar

import av
import numpy as np
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as Ended
from pydantic import Field

from vqa_agent.detect.interface import Detector, Finding, Rule, Settings, Severity, register
from vqa_agent.media import Sound, Value

PREFIX = "lavfi.r128."
WARM_UP = 10.0
"""Seconds of programme before the integrated loudness is compared with the target."""

ABSOLUTE_GATE = -70.0
"""LUFS below which nothing counts (BS.1770)."""


class LoudnessSettings(Settings):
    severity: Severity = Field(Severity.MINOR, description="Severity of its events, before context.")
    target: float | None = Field(None, ge=-70, le=0, description="Integrated loudness that is wanted, in LUFS.")
    tolerance: float = Field(3.0, gt=0, le=30, description="Distance from the target that is accepted, in LU.")


@register(
    "loudness",
    reads="audio",
    cost="moderate",
    live=Rule(set_time=10.0, clear_time=10.0),
    file=Rule(set_time=3.0, clear_time=1.0),
)
class Loudness(Detector[LoudnessSettings]):
    """Sees: how loud the programme is: momentary, short-term and integrated loudness, loudness range, true peak.

    Formula: ITU-R BS.1770-4 with the gates of EBU R 128 (-70 LUFS absolute, -10 LU relative), as libavfilter's
    ebur128 measures them; each finding carries M, S and I in LUFS, LRA in LU and the greatest true peak in dBTP so
    far. It is bad only where a `target` is set and, after 10 s of programme, I lies more than `tolerance` from it.

    Settings: `target` -23 for EBU R 128, -24 for ATSC A/85; without one it only measures, because no level is wrong
    by itself. Raise `tolerance` for live programmes.

    Mistakes: a quiet beginning that the programme makes good later. Misses: jumps of loudness inside the programme
    (look at S in the findings). M is taken every 100 ms: a tone of 400 ms that begins between may read 0.6 LU less.

    Source: EBU R 128, EBU Tech 3341 and 3342, ITU-R BS.1770-4; libavfilter's ebur128.

    >>> import numpy as np
    >>> wave = (0.1 * np.sin(2 * np.pi * 1000 * np.arange(4800) / 48000)).astype(np.float32)
    >>> loudness = Loudness(LoudnessSettings())
    >>> for number in range(20):
    ...     block = Sound(time=number / 10, rate=48000, samples=np.stack([wave, wave]), layout="stereo")
    ...     findings = list(loudness.look(block))
    >>> [(finding.bad, round(finding.detail["I"])) for finding in findings]
    [(False, -20)]
    """

    skips: ClassVar[Mapping[str, str]] = {"pickle": "libavfilter's state cannot be taken out of the process"}

    def reset(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._form: tuple[int, str] = (0, "")
        self._count = 0

    def look(self, sound: Sound) -> Iterable[Finding]:
        layout = sound.layout or {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels}c")
        if self._graph is None or self._form != (sound.rate, layout):
            self._graph, self._form, self._count = make_graph(sound.rate, layout), (sound.rate, layout), 0
        values = self._measure(self._graph, sound, layout)
        if not values:
            return
        off = self._distance(values)
        yield Finding(
            detector=self.name,
            start=sound.time,
            end=sound.end,
            score=min(1.0, off / (4 * self.settings.tolerance)),
            bad=off > self.settings.tolerance,
            detail=values,
        )

    def _measure(self, graph: av.filter.Graph, sound: Sound, layout: str) -> dict[str, Value]:
        packed = np.ascontiguousarray(sound.samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = sound.rate, self._count, Fraction(1, sound.rate)
        self._count += sound.samples.shape[1]
        graph.push(frame)
        return values_of(latest_metadata(graph))

    def _distance(self, values: Mapping[str, Any]) -> float:
        """How far the integrated loudness is from the target, in LU."""
        target = self.settings.target
        if target is None or self._count < WARM_UP * self._form[0] or values["I"] <= ABSOLUTE_GATE:
            return 0.0
        return abs(float(values["I"]) - target)


def make_graph(rate: int, layout: str) -> av.filter.Graph:
    """A filter graph that measures packed float sound, with true peaks."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate, layout=layout, time_base=Fraction(1, rate))
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph


def latest_metadata(graph: av.filter.Graph) -> dict[str, str]:
    """The last values that the filter has given; it gives them every 100 ms."""
    metadata: dict[str, str] = {}
    while True:
        try:
            metadata = dict(graph.pull().metadata) or metadata
        except (NothingYet, Ended):
            return metadata


def values_of(metadata: Mapping[str, str]) -> dict[str, Value]:
    """M, S, I (LUFS), LRA (LU) and TP (dBTP) from the filter's metadata; nothing where there is none yet."""
    if f"{PREFIX}I" not in metadata:
        return {}
    values: dict[str, Value] = {key: round(float(metadata[f"{PREFIX}{key}"]), 2) for key in ("M", "S", "I", "LRA")}
    peak = max(float(metadata.get(f"{PREFIX}true_peak", 0.0)), 1e-6)
    return {**values, "TP": round(20 * float(np.log10(peak)), 2)}
