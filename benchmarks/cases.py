"""What the detection benchmark puts into clean material: one entry per defect, each at three severities.

A change takes pictures and sound and gives them back with the defect between two seconds. Severity 0 is slight, 1 the
middle, 2 gross.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vqa_agent.media import Samples
from vqa_agent.simulate import defects
from vqa_agent.simulate.scenes import Image

Pictures = Iterator[Image]
VideoChange = Callable[[Pictures, float, float, int], Pictures]
AudioChange = Callable[[Samples, float, float, int], Samples]

SEVERITIES = ("slight", "middle", "gross")


@dataclass(frozen=True)
class Case:
    """A defect to put in. `hold` is how many seconds it lasts in the file profile, `live_hold` in the live one."""

    defect: str
    video: VideoChange | None = None
    audio: AudioChange | None = None
    hold: float = 4.0
    live_hold: float = 16.0


def _black(pictures: Pictures, start: float, end: float, severity: int) -> Pictures:
    return defects.black(pictures, start, end, level=(0.05, 0.02, 0.0)[severity], noise=(3.0, 1.5, 0.0)[severity])


def _color(pictures: Pictures, start: float, end: float, severity: int) -> Pictures:
    rgb = ((96, 96, 104), (20, 60, 200), (0, 0, 255))[severity]
    return defects.color(pictures, start, end, rgb, noise=(2.0, 1.0, 0.0)[severity])


def _freeze(pictures: Pictures, start: float, end: float, severity: int) -> Pictures:
    return defects.freeze(pictures, start, end, noise=(2.0, 0.7, 0.0)[severity])


def _silence(sound: Samples, start: float, end: float, severity: int) -> Samples:
    return defects.attenuate(sound, start, end, (10 ** (-55 / 20), 10 ** (-70 / 20), 0.0)[severity])


def _channel(sound: Samples, start: float, end: float, severity: int) -> Samples:
    return defects.attenuate(sound, start, end, (10 ** (-55 / 20), 10 ** (-70 / 20), 0.0)[severity], (1,))


CASES: tuple[Case, ...] = (
    Case("black", video=_black),
    Case("solid_color", video=_color),
    Case("freeze", video=_freeze),
    Case("silence", audio=_silence),
    Case("channel_missing", audio=_channel, hold=5.0),
)
