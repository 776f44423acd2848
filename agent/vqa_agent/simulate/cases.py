"""What the detection benchmark puts into clean material: one entry per defect, each at three severities.

A change takes pictures and sound and gives them back with the defect between two seconds. Severity 0 is slight, 1 the
middle, 2 gross.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from vqa_agent.media import Samples
from vqa_agent.simulate import audio, defects, motion, spatial
from vqa_agent.simulate.scenes import Image

Pictures: TypeAlias = Iterator[Image]
VideoChange: TypeAlias = Callable[[Pictures, float, float, int], Iterator[Any]]
AudioChange: TypeAlias = Callable[[Samples, float, float, int], Samples]

SEVERITIES = ("slight", "middle", "gross")
QUIET = (10 ** (-55 / 20), 10 ** (-70 / 20), 0.0)
"""Gains that leave next to nothing of the sound."""


@dataclass(frozen=True)
class Case:
    """A defect to put in. `hold` is how many seconds it lasts in the file profile, `live_hold` in the live one."""

    defect: str
    video: VideoChange | None = None
    audio: AudioChange | None = None
    hold: float = 4.0
    live_hold: float = 16.0
    faithful: bool = False
    """Written (nearly) without loss: an encoder would hide the defect."""


def _pictures(change: Callable[..., Iterator[Any]], **settings: tuple[Any, Any, Any]) -> VideoChange:
    """`change` with settings that depend on the severity, given as three values each."""

    def at(pictures: Pictures, start: float, end: float, severity: int) -> Iterator[Any]:
        return change(pictures, start, end, **{name: values[severity] for name, values in settings.items()})

    return at


def _sound(change: Callable[..., Samples], **settings: tuple[Any, Any, Any]) -> AudioChange:
    def at(sound: Samples, start: float, end: float, severity: int) -> Samples:
        return change(sound, start, end, **{name: values[severity] for name, values in settings.items()})

    return at


CASES: tuple[Case, ...] = (
    Case("black", video=_pictures(defects.black, level=(0.05, 0.02, 0.0), noise=(3.0, 1.5, 0.0))),
    Case(
        "solid_color",
        video=_pictures(defects.color, rgb=((96, 96, 104), (20, 60, 200), (0, 0, 255)), noise=(2.0, 1.0, 0.0)),
    ),
    Case("freeze", video=_pictures(defects.freeze, noise=(2.0, 0.7, 0.0))),
    Case("stutter", video=_pictures(motion.stutter, per_second=(1.0, 2.0, 4.0), held=(1, 2, 3))),
    Case("tearing", video=_pictures(motion.tear, share=(0.15, 0.4, 0.8), lag=(1, 1, 2))),
    Case("combing", video=_pictures(motion.weave, strength=(0.6, 1.0, 1.0), apart=(1, 1, 2))),
    Case("blockiness", video=_pictures(spatial.blocks, strength=(0.7, 0.8, 1.0), size=(8, 16, 8))),
    Case("blur", video=_pictures(spatial.soften, sigma=(1.2, 2.5, 6.0))),
    Case("noise", video=_pictures(spatial.snow, sigma=(6.0, 12.0, 25.0))),
    Case("banding", video=_pictures(spatial.coarsen, bits=(5, 4, 3))),
    Case("flash", video=_pictures(motion.flash, hertz=(4.5, 5.0, 10.0), area=(0.4, 1.0, 1.0), depth=(0.4, 0.6, 1.0))),
    Case("test_pattern", video=_pictures(motion.line_up, kind=("smpte", "ebu75", "rp219"), noise=(3.0, 1.0, 0.0))),
    Case("chroma_loss", video=_pictures(spatial.grey, left=(0.1, 0.0, 0.0))),
    Case("color_shift", video=_pictures(spatial.tint, kind=("warm", "turned", "swapped"), amount=(0.5, 0.5, 1.0))),
    Case("exposure", video=_pictures(spatial.expose, gain=(1.6, 2.2, 3.0), lift=(0.1, 0.2, 0.3))),
    Case("range", video=_pictures(spatial.full_range, gain=(1.13, 255 / 219, 1.3))),
    Case("letterbox", video=_pictures(motion.letterbox, top=(0.06, 0.12, 0.2))),
    Case("silence", audio=_sound(defects.attenuate, gain=QUIET)),
    Case("channel_missing", audio=_sound(defects.attenuate, gain=QUIET, channels=((1,),) * 3), hold=5.0),
    Case("phase_inversion", audio=_sound(audio.invert, channel=(1, 1, 0)), hold=5.0),
    Case("clipping", audio=_sound(audio.clip, share=(0.005, 0.02, 0.08), gain=(1.0, 0.5, 0.25)), faithful=True),
    Case("dropout", audio=_sound(audio.holes, length=(0.01, 0.04, 0.2))),
)
