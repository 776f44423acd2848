"""Watches one stream's findings and keeps the samples about which a network was not sure."""

from __future__ import annotations

import io
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import av
import cv2
import numpy as np

from vqa_agent.detect.interface import Finding
from vqa_agent.errors import one_line
from vqa_agent.learning.store import SampleStore
from vqa_agent.media import Picture, Sample, Samples, Sound

log = logging.getLogger(__name__)

LEAST = 0.5
"""Uncertainty from which on a sample is worth keeping."""

INTERVAL = 60.0
"""Media seconds between two samples of one detector, so that one odd minute does not fill the folder."""

REST = 600.0
"""Media seconds without another try after the folder could not be written."""

SOUND_BLOCKS = 30
"""Blocks of sound that are remembered: 3 s."""


class Keeper:
    """Keeps samples of one stream in a store. What goes wrong here is logged, and never reaches the stream."""

    def __init__(self, stream: str, store: SampleStore) -> None:
        self._stream = stream
        self._store = store
        self._heard: deque[Sound] = deque(maxlen=SOUND_BLOCKS)
        self._due: dict[str, float] = {}
        self._rests_until = float("-inf")

    def see(self, sample: Sample, findings: Iterable[Finding]) -> None:
        """Note `sample`, and keep it where one of the `findings` that it completed is unsure enough."""
        if isinstance(sample, Sound):
            self._heard.append(sample)
        for finding in findings:
            if finding.uncertainty is None or finding.uncertainty < LEAST:
                continue
            if sample.end >= max(self._rests_until, self._due.get(finding.detector, float("-inf"))):
                self._due[finding.detector] = sample.end + INTERVAL
                self._keep(sample, finding)

    def _keep(self, sample: Sample, finding: Finding) -> None:
        try:
            contents, more = self._contents(sample, finding)
            if contents:
                self._store.add(contents, **self._known(finding), **more)
        except OSError as error:
            self._rests_until = sample.end + REST
            log.warning("keeping a sample in %s: %s; tried again later", self._store.directory, one_line(error))

    def _known(self, finding: Finding) -> dict[str, Any]:
        return {
            "stream": self._stream,
            "detector": finding.detector,
            "time": datetime.now(UTC),
            "start": finding.start,
            "end": finding.end,
            "uncertainty": finding.uncertainty,
            "score": float(finding.score),
        }

    def _contents(self, sample: Sample, finding: Finding) -> tuple[dict[str, bytes], Mapping[str, Any]]:
        if isinstance(sample, Picture):
            return picture_files(sample), {
                "kind": "picture",
                "detail": {"depth": sample.depth, "black": sample.levels.black, "white": sample.levels.white},
            }
        blocks = [block for block in self._heard if block.end > finding.start and block.time < finding.end]
        if not isinstance(sample, Sound) or not blocks:
            return {}, {}
        alike = [block for block in blocks if block.rate == sample.rate and block.channels == sample.channels]
        samples = np.concatenate([block.samples for block in alike], axis=1)
        return {"wav": wav(samples, sample.rate)}, {"kind": "sound", "detail": {"rate": sample.rate}}


def picture_files(picture: Picture) -> dict[str, bytes]:
    """The luma of the picture, and of the one before it, as PNG in their own code values: what a network looked at."""
    files = {"png": _png(picture)}
    before = picture.previous
    if before is not None and before.luma.shape == picture.luma.shape:
        files["previous.png"] = _png(before)
    return files


def _png(picture: Picture) -> bytes:
    _, data = cv2.imencode(".png", picture.luma, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes()


def wav(samples: Samples, rate: int) -> bytes:
    """(channels, n) sound as a WAV file of 32-bit floats, which keeps what lies beyond full scale."""
    channels = samples.shape[0]
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as output:
        stream: Any = output.add_stream("pcm_f32le", rate=rate, layout=av.AudioLayout(f"{channels}c"))
        packed = np.ascontiguousarray(samples.T, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=stream.layout.name)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return file.getvalue()
