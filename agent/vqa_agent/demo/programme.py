"""What the demonstration sends: a drawn programme with defects in it, as an MPEG transport stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vqa_agent.simulate import defects, scenes, sounds
from vqa_agent.simulate.encode import encode

KEY_EVERY = {"preset": "ultrafast", "crf": "22", "g": "12"}
"""Encoder options: a key picture twice a second, so that a receiver that begins anywhere has a picture soon."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the programme. `defect` is what the agent should report of it; empty: it is clean.

    A part without `sent` is a hole: the sender is quiet for `seconds`.
    """

    seconds: float
    text: str
    defect: str = ""
    meaning: str = ""
    sent: bool = True


PARTS: tuple[Part, ...] = (
    Part(5, "a clean programme: a camera that pans, and music"),
    Part(6, "a black picture while the sound goes on", "black", "the picture is gone, the sound is not"),
    Part(4, "the clean programme again"),
    Part(6, "a picture that stands still under music", "freeze", "the picture stopped in the middle of movement"),
    Part(4, "the clean programme again"),
    Part(6, "the programme without its sound", "silence", "all channels are silent"),
    Part(3, "the clean programme again"),
    Part(5, "nothing: the sender is off", "signal_loss", "nothing arrives any more", sent=False),
    Part(15, "the clean programme again, until the agent has seen it"),
)

SETTINGS: dict[str, dict[str, float]] = {
    "black": {"set_time": 1.5},
    "freeze": {"set_time": 3.0},
    "silence": {"set_time": 3.0},
}
"""Shorter set times than in the field, so that all of it fits in a minute."""


def build(path: Path, parts: tuple[Part, ...] = PARTS) -> None:
    """Draw, record and encode every part that is sent, one after the other."""
    seconds = sum(part.seconds for part in parts if part.sent)
    pictures = scenes.pan(seconds, noise=0.0)
    sound = sounds.music(seconds)
    start = 0.0
    for part in (part for part in parts if part.sent):
        end = start + part.seconds
        if part.defect == "black":
            pictures = defects.black(pictures, start, end)
        elif part.defect == "freeze":
            pictures = defects.freeze(pictures, start, end)
        elif part.defect == "silence":
            sound = defects.mute(sound, start, end)
        start = end
    encode(path, pictures, sound, options=KEY_EVERY, container="mpegts")
