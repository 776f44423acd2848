"""Which coded pictures are handed to the decoder at all, and which it is told to skip."""

from __future__ import annotations

import random
from typing import Any

from vqa_agent.sample.ladder import LADDER, SLICE, Level
from vqa_agent.sample.sampler import due

EARLY = 0.2
"""Seconds by which a key picture may come before the next slice of time is due: the clock stands where it was shown."""

UNEVEN = 0.1
"""Share by which turns differ at random, lest the slices of several streams that fell together stay together."""

LEADING = 2.0
"""Seconds before a key picture within which pictures that follow it in coding may belong."""


class Gate:
    """Decides on each coded picture of one track, in the order of coding.

    Pictures that each stand alone (intra-only codecs, key pictures) are thinned to the level's rate: FFmpeg's own
    skipping leaves such a stream whole. While this machine is `late`, everything is left out up to a key picture.
    What was left out is missing to the pictures after it, so decoding goes on from a key picture only.
    """

    def __init__(self) -> None:
        self.level: Level = LADDER[0]
        self.skip_frame = "DEFAULT"
        """What the decoder leaves out just now; lags behind the level until the next key picture."""
        self.late = False
        self.dropped = 0
        """Pictures left out because they came too late; those that the level leaves out are not counted."""
        self._lagging = False
        self._broken = False
        """Whether something was left out on which the pictures up to the next key picture depend."""
        self._whole_from: int | None = None
        self._next = float("-inf")
        self._opened = float("-inf")
        """Media second at which the last slice of time began."""
        self._turn = 0.0
        """Of the level's turn, how much passes from then to the next slice."""

    @property
    def sparse(self) -> bool:
        """Whether pictures are being left out."""
        return self.level.sparse or self._broken or self.skip_frame != "DEFAULT"

    @property
    def alone(self) -> bool:
        """Whether key pictures are decoded without those that depend on them."""
        return self.late or self.level.skip_frame == "NONKEY" or self.level.duty < 1.0

    def lose(self) -> None:
        """What the next pictures depend on is lost: decoding goes on with a key picture."""
        self._broken = True

    def begin(self) -> None:
        """A new decoder begins: nothing that it will be given depends on what was left out before."""
        self._broken = self._lagging = False
        self._whole_from = None

    def lets_in(self, packet: Any, time: float) -> bool:
        """Whether `packet`, at about media second `time`, is to be decoded."""
        key = bool(packet.is_keyframe)
        self._lagging = self.late or (self._lagging and not key)
        if self._lagging:
            self.dropped += 1
        if self._lagging or (not key and (self._broken or self.level.skip_frame == "NONKEY")):
            self._broken = True
            return False
        wanted = self._is_open(key, time) and not self._is_too_soon(packet, time)
        if self._broken and wanted:
            self._whole_from = packet.pts
        self._broken = not wanted
        self.skip_frame = self.level.skip_frame
        return wanted

    def is_whole(self, frame: Any) -> bool:
        """Whether everything was decoded that `frame` is made from. Pictures that lead a key picture lack some."""
        begin = self._whole_from
        if begin is None or frame.pts is None or not 0 < (begin - frame.pts) * frame.time_base < LEADING:
            self._whole_from = None
            return True
        return False

    def _is_open(self, key: bool, time: float) -> bool:
        """A slice of time begins with a key picture; where those are rare, so are the slices."""
        passed = time - self._opened
        if self.level.duty >= 1.0 or 0 <= passed < SLICE:
            return True
        if not key or 0 <= passed < self._turn * self.level.turn - EARLY:
            return False
        self._opened, self._turn = time, random.uniform(1 - UNEVEN, 1 + UNEVEN)
        return True

    def _is_too_soon(self, packet: Any, time: float) -> bool:
        level = self.level
        if not packet.is_keyframe or level.picture_rate is None or not level.sparse:
            return False
        if level.skip_frame != "NONKEY" and not packet.stream.codec_context.codec.intra_only:
            return False
        wanted, self._next = due(time, self._next, level.picture_rate)
        return not wanted
