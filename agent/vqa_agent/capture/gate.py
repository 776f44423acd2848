"""Which coded pictures are handed to the decoder at all, and which it is told to skip."""

from __future__ import annotations

from typing import Any

from vqa_agent.sample.ladder import CYCLE, LADDER, Level
from vqa_agent.sample.sampler import due

LEADING = 2.0
"""Seconds before a key picture within which pictures that follow it in coding may belong."""


class Gate:
    """Decides on each coded picture of one track, in the order of coding.

    Pictures that each stand alone (intra-only codecs, key pictures) are thinned to the level's rate: FFmpeg's own
    skipping leaves such a stream whole. While this machine is `late`, everything is left out up to a key picture.
    What was left out is missing to the pictures after it, so more is decoded from a key picture on only.
    """

    def __init__(self) -> None:
        self.level: Level = LADDER[0]
        self.skip_frame = "DEFAULT"
        """What the decoder leaves out just now; lags behind the level until the next key picture."""
        self.late = False
        self.dropped = 0
        """Pictures left out because they came too late; those that the level leaves out are not counted."""
        self._awaits_key = False
        self._whole_from: int | None = None
        self._next = float("-inf")
        self._seen_in: int | None = None
        """The cycle in which a key picture was last let in."""

    @property
    def sparse(self) -> bool:
        """Whether pictures are being left out."""
        return self.level.sparse or self.skip_frame != "DEFAULT"

    def lets_in(self, packet: Any, time: float) -> bool:
        """Whether `packet`, at about media second `time`, is to be decoded."""
        if self.late or (self._awaits_key and not packet.is_keyframe):
            self._awaits_key = True
            self.dropped += 1
            return False
        wanted = self.level.skip_frame
        if self._awaits_key or (self.skip_frame == "NONKEY" != wanted and packet.is_keyframe):
            self._whole_from = packet.pts
            self.skip_frame = wanted
        elif self.skip_frame != "NONKEY":
            self.skip_frame = wanted
        self._awaits_key = False
        return self._is_open(packet, time) and not self._is_too_soon(packet, time)

    def is_whole(self, frame: Any) -> bool:
        """Whether everything was decoded that `frame` is made from. Pictures that lead a key picture lack some."""
        begin = self._whole_from
        if begin is None or frame.pts is None or not 0 < (begin - frame.pts) * frame.time_base < LEADING:
            self._whole_from = None
            return True
        return False

    def _is_open(self, packet: Any, time: float) -> bool:
        """A slice lasts until a key picture came through it, where those are rare."""
        if self.level.duty >= 1.0:
            return True
        cycle = int(time // CYCLE)
        if time % CYCLE > self.level.duty * CYCLE and self._seen_in == cycle:
            return False
        if packet.is_keyframe:
            self._seen_in = cycle
        return True

    def _is_too_soon(self, packet: Any, time: float) -> bool:
        level = self.level
        if not packet.is_keyframe or level.picture_rate is None or not level.sparse:
            return False
        if level.skip_frame != "NONKEY" and not packet.stream.codec_context.codec.intra_only:
            return False
        wanted, self._next = due(time, self._next, level.picture_rate)
        return not wanted
