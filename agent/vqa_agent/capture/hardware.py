"""Decoders in hardware, by way of FFmpeg: which there are, opened; why one cannot be had.

What they decode comes back to main memory, because every detector reads the luma there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available

from vqa_agent.config import Decode
from vqa_agent.errors import one_line

log = logging.getLogger(__name__)

USUAL = "h264"
"""Codec by which a box is asked what it has."""

USUAL_SIZE = (1920, 1080)


class HardwareError(Exception):
    """Why hardware does not decode."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way into hardware: a device to which FFmpeg's usual decoder hands its work, or a decoder of another name."""

    nodes: str
    """The files of such hardware, as a pattern below /dev."""
    device: str | None = None
    suffix: str = ""

    def present(self) -> list[Path]:
        """The files that there are."""
        return sorted(Path("/dev").glob(self.nodes))

    def decoder(self, codec: str) -> str:
        """FFmpeg's name of the decoder for `codec`.

        >>> Way("video*", suffix="_v4l2m2m").decoder("mpeg2video")
        'mpeg2_v4l2m2m'
        """
        return codec.removesuffix("video") + self.suffix if self.suffix else codec


WAYS: dict[Decode, Way] = {
    "vaapi": Way("dri/renderD*", device="vaapi"),
    "v4l2m2m": Way("video*", suffix="_v4l2m2m"),
}


def writable(decode: Decode) -> list[Path]:
    """What a process that decodes so must be able to open for writing."""
    return WAYS[decode].present() if decode in WAYS else []


def refusal(decode: Decode) -> str:
    """Why this box and this build of FFmpeg cannot decode so; empty: they can."""
    try:
        context = _create(WAYS[decode], USUAL)
        context.width, context.height = USUAL_SIZE
        _open(context)
    except HardwareError as error:
        return str(error)
    return ""


class Hardware:
    """The hardware that the pictures of one stream are decoded by, until it fails: it is never asked again then."""

    def __init__(self, stream: str = "", decode: Decode = "software") -> None:
        self._stream, self._decode = stream, decode
        self._way = WAYS.get(decode)

    @property
    def wanted(self) -> bool:
        return self._way is not None

    def open(self, track: Any) -> Any:
        """A decoder for `track`; None where there is none, which is told."""
        if self._way is None:
            return None
        try:
            return _for_track(self._way, track)
        except HardwareError as error:
            self.give_up(str(error))
            return None

    def prove(self, context: Any) -> None:
        """Of a decoder that has given a picture: FFmpeg's may have done that itself, for a form that a device lacks."""
        if self._way is not None and self._way.device not in (None, context.pix_fmt):
            self.give_up(f"the device does not decode this form of {context.name}")

    def give_up(self, reason: str) -> None:
        """Software decodes from now on, and one line says why."""
        if self._way is not None:
            self._way = None
            log.warning("stream %s: decode = %s: %s; decoding in software", self._stream, self._decode, reason)


def _for_track(way: Way, track: Any) -> Any:
    """A decoder that knows of `track` what the container's own would."""
    usual = track.codec_context
    context = _create(way, usual.codec.canonical_name)
    context.width, context.height = usual.width, usual.height
    context.extradata = usual.extradata
    context.reorder_depth = usual.reorder_depth
    context.options = {"pkt_timebase": f"{track.time_base.numerator}/{track.time_base.denominator}"}
    context.thread_count = usual.thread_count
    _open(context)
    return context


def _create(way: Way, codec: str) -> Any:
    present = way.present()
    if not present:
        raise HardwareError(f"this box has no /dev/{way.nodes}")
    if way.device and way.device not in hwdevices_available():
        raise HardwareError(f"this build of FFmpeg does not know {way.device}")
    accelerator = HWAccel(way.device) if way.device else None
    try:
        context = av.CodecContext.create(way.decoder(codec), "r", accelerator)
    except ValueError:
        raise HardwareError(f"this build of FFmpeg has no {way.decoder(codec)}") from None
    except av.error.FFmpegError as error:
        raise HardwareError(_cannot(present, error)) from None
    if accelerator and not context.is_hwaccel:
        raise HardwareError(f"FFmpeg does not decode {codec} with {way.device} here")
    return context


def _open(context: Any) -> None:
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise HardwareError(f"{context.name} cannot be opened: {one_line(error.strerror or error)}") from None


def _cannot(present: list[Path], error: av.error.FFmpegError) -> str:
    found, reason = ", ".join(map(str, present)), one_line(error.strerror or error)
    return f"{found} cannot be used: {reason}; check its driver, and that this user may open it"
