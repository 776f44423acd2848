"""Coded pictures of one track to frames: by hardware where that is asked for and works, else by software."""

from __future__ import annotations

from typing import Any

import av.error

from vqa_agent.capture.gate import Gate
from vqa_agent.capture.hardware import Hardware
from vqa_agent.errors import one_line

MUTE = 100
"""Coded pictures from a key picture on for which hardware may give nothing before it is given up."""


class PictureDecoder:
    """Decodes what the gate lets in.

    Key pictures that are decoded alone are a matter of software: emptying the decoder after each one is what hardware
    is slow at, or cannot do at all, and they cost little.
    """

    def __init__(self, track: Any, gate: Gate, hardware: Hardware) -> None:
        self._track, self._gate, self._hardware = track, gate, hardware
        self._software = track.codec_context
        self._context = hardware.open(track) or self._software
        self._holds = False
        """Whether it was given pictures since it was last emptied."""
        self._unanswered: int | None = None
        """Coded pictures for which nothing has come; None before the first key picture."""

    @property
    def by_hardware(self) -> bool:
        return self._context is not self._software

    def decode(self, packet: Any) -> list[Any]:
        """The frames that `packet` completes. Raises FFmpegError where it is damaged."""
        held = self._choose() if packet.is_keyframe else []
        self._holds = True
        if self._context.skip_frame != self._gate.skip_frame:
            self._context.skip_frame = self._gate.skip_frame
        if not self.by_hardware:
            return [*held, *self._context.decode(packet)]
        return [*held, *self._by_hardware(packet)]

    def let_go(self) -> list[Any]:
        """What it holds back, to put it in order with pictures that it will not be given."""
        if not self._holds:
            return []
        self._holds = False
        if not self.by_hardware:
            frames = self.drain()
            self._context.flush_buffers()
            return frames
        try:
            return self.drain()
        except av.error.FFmpegError:
            return []
        finally:
            self._context = self._software

    def drain(self) -> list[Any]:
        """What it still holds, at the end."""
        return drained(self._context, self._track)

    def _choose(self) -> list[Any]:
        """At a key picture: hardware while pictures follow, software for key pictures alone. What the other held."""
        if self._hardware.wanted and self._gate.alone == self.by_hardware:
            held = self.let_go()
            self._context = (not self._gate.alone and self._hardware.open(self._track)) or self._software
            self._unanswered = None
            return held
        return []

    def _by_hardware(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = self._context.decode(packet)
        except av.error.InvalidDataError:
            raise
        except av.error.FFmpegError as error:
            self._fail(one_line(error.strerror or error))
            return []
        if frames:
            self._unanswered = 0
            self._hardware.prove(self._context)
        elif packet.is_keyframe or self._unanswered is not None:
            self._unanswered = (self._unanswered or 0) + 1
            if self._unanswered > MUTE:
                self._fail("it takes pictures and gives none")
        return frames

    def _fail(self, reason: str) -> None:
        self._hardware.give_up(reason)
        self._context = self._software
        self._gate.lose()


def drained(context: Any, track: Any) -> list[Any]:
    """What a decoder still holds; it leaves out in which unit it tells the time."""
    frames = list(context.decode(None))
    for frame in frames:
        frame.time_base = frame.time_base or track.time_base
    return frames
