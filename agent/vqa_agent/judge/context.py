"""What a defect means beside what else is going on: precedence, severity and patience.

`SUPPRESSED_BY` is the order of explanation: while a defect on the right is there, the one on the left is not reported,
because it is only a consequence. What fills the whole picture (`AT_ONCE`) explains from its first picture on, since a
black is still from its first picture; the others only once they are an event, since every pause begins as a silence.
"""

from __future__ import annotations

from dataclasses import dataclass

from vqa_agent.detect.interface import Severity
from vqa_agent.judge.run import HeldRun, WindowRun
from vqa_agent.media import Value

PICTURE_LOST = frozenset({"all", "video"})
SOUND_LOST = frozenset({"all", "audio"})

SUPPRESSED_BY: dict[str, tuple[str, ...]] = {
    "stream_errors": ("signal_loss",),
    "solid_color": ("black",),
    "freeze": ("black", "solid_color", "test_pattern"),
    "stutter": ("freeze", "black", "solid_color", "flash", "tearing", "stream_errors"),
    "channel_missing": ("silence",),
    "phase_inversion": ("silence",),
    "dropout": ("silence",),
    "chroma_loss": ("black", "solid_color", "test_pattern"),
    "color_shift": ("black", "solid_color", "test_pattern", "chroma_loss", "exposure", "banding", "letterbox"),
    "exposure": ("black", "solid_color", "test_pattern"),
    "letterbox": ("black", "solid_color", "test_pattern"),
    "blur": ("black", "solid_color", "freeze", "flash", "test_pattern"),
    "noise": ("black", "solid_color", "freeze", "test_pattern"),
    "banding": ("black", "solid_color", "test_pattern"),
    "block_corruption": ("black", "solid_color", "test_pattern"),
    "blockiness": ("black", "solid_color", "test_pattern", "block_corruption"),
    "combing": ("freeze", "test_pattern"),
    "tearing": ("freeze", "black", "solid_color", "stream_errors", "block_corruption"),
    "range": ("test_pattern",),
    "av_sync": ("freeze", "black", "silence", "stutter"),
    "caption_empty": ("caption_missing", "silence"),
    "caption_sync": ("caption_missing", "caption_empty", "silence", "stream_errors"),
    "caption_quality": ("caption_missing", "stream_errors"),
}

AT_ONCE = frozenset({"black", "solid_color", "test_pattern"})

BLACK_UNDER_SOUND = 2.0
"""How much longer a black picture may last while the sound is alive (the catalogue: 10 s instead of 5 s)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the stream at this moment, beside the defect being judged."""

    sound_alive: bool
    """Sound above the silence threshold was heard in the last seconds."""
    silent: bool
    """There is a sound track, and it is silent."""


@dataclass(frozen=True, slots=True)
class Weight:
    """How long a defect must last in this context, and how much it matters."""

    set_time: float
    severity: Severity


def weigh(defect: str, run: HeldRun | WindowRun, severity: Severity, scene: Scene, live: bool) -> Weight:
    """The patience and the severity that the context asks for."""
    if defect == "black" and scene.sound_alive and live:
        return Weight(run.set_time * BLACK_UNDER_SOUND, severity)
    if defect == "freeze" and scene.sound_alive and is_slide(run.detail):
        return Weight(max(run.set_time, run.rule.set_time), Severity.MINOR)
    if defect in ("black", "freeze") and scene.silent:
        return Weight(run.set_time, _raised(severity))
    return Weight(run.set_time, severity)


def is_slide(detail: dict[str, Value]) -> bool:
    """Whether a still began as a slide does: with a cut or with the stream, not in the middle of movement."""
    return detail.get("began") != "motion"


def _raised(severity: Severity) -> Severity:
    return Severity.CRITICAL if severity == Severity.MAJOR else severity
