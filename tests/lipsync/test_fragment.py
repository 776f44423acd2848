"""From pictures and sound to an opinion, with towers that need no training: dark mouths go with loud voices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.detect import samples
from tests.lipsync.people import face, filmed
from vqa_agent.lipsync.aggregate import Opinion, Reason
from vqa_agent.lipsync.fragment import Fragment, Listener
from vqa_agent.lipsync.voice import Ear
from vqa_agent.media import Picture, Sound

RATE = 48000
CONFIDENCE = 1.0


class PlainTowers:
    """Five values of each: the darkness of five mouths, the level in five slots."""

    def run(self, stacks: np.ndarray, windows: np.ndarray) -> list[np.ndarray]:
        dark = -stacks[:, :, 20:36, 22:42].mean(axis=(2, 3))
        loud = windows[:, 0].mean(axis=1).reshape(-1, 5, 4).mean(axis=2)
        return [each - each.mean(axis=1, keepdims=True) + 1e-6 for each in (dark, loud)]


def opening(time: float) -> float:
    """Syllables of uneven length: a sum of sines that repeats only after a long time."""
    return float(loudness(np.float64(time)))


def loudness(time: np.ndarray | np.float64) -> np.ndarray | np.float64:
    sines = ((0.16, 2.3, 0), (0.12, 3.7, 1), (0.12, 0.83, 2))
    return 0.37 + sum(height * np.sin(2 * np.pi * rate * time + phase) for height, rate, phase in sines)


def voice(seconds: float, late: float) -> np.ndarray:
    moments = np.arange(round(seconds * RATE)) / RATE - late
    noise = np.random.default_rng(0).normal(0, 0.2, len(moments))
    return (noise * np.exp(3 * loudness(moments) - 2))[None].astype(np.float32)


def watched(pictures: Iterator[Picture], start: float = 0.0) -> Fragment:
    fragment = Fragment(start, start + 4.0, lambda picture: [face()])
    for picture in pictures:
        fragment.watch(picture)
    return fragment


def listened(wave: np.ndarray, start: float = 0.0) -> Listener:
    listener = Listener()
    for block in samples.sound_blocks(wave, RATE, start=start):
        listener.hear(block)
    return listener


def judged(fragment: Fragment, ear: Ear) -> Opinion:
    if fragment.mouths():
        fragment.hear(ear, PlainTowers())
    return fragment.opinion(CONFIDENCE)


def opinion(late: float, rate: float = 25.0, start: float = 0.0):
    fragment = watched(filmed(4.0, rate, opening, start), start)
    # The sound goes by the same clock as the pictures, and begins a second before them where there is one.
    heard = listened(voice(start + 6.0, late))
    return judged(fragment, heard.ear)


@pytest.mark.parametrize("late", [-0.3, -0.05, 0.0, 0.02, 0.2, 0.48])
def test_finds_the_offset_on_the_media_clock(late: float) -> None:
    found = opinion(late)
    assert found.reason is None
    assert found.offset == pytest.approx(late - 0.02, abs=0.012)


@pytest.mark.parametrize("rate", [24000 / 1001, 25, 30, 50, 60])
@pytest.mark.parametrize("start", [0.0, 3.013])
def test_whatever_the_rate_and_the_phase(rate: float, start: float) -> None:
    # A picture stands for the middle of its presentation: that is where its mouth is taken to be.
    assert opinion(0.12, rate, start).offset == pytest.approx(0.12 - 0.5 / rate, abs=0.016)


def test_without_sound_there_is_no_speech() -> None:
    fragment = watched(filmed(4.0, 25, opening))
    assert judged(fragment, Listener().ear).reason is Reason.NO_SPEECH


def test_a_still_mouth_does_not_speak() -> None:
    fragment = watched(filmed(4.0))
    assert judged(fragment, listened(voice(6.0, 0.0)).ear).reason is Reason.MOUTH_NOT_SEEN


def test_too_few_pictures_show_no_movement() -> None:
    fragment = watched(picture for picture in filmed(4.0, 12.5, opening))
    found = judged(fragment, listened(voice(6.0, 0.0)).ear)
    assert found.reason is Reason.TOO_FEW_PICTURES


def test_nobody_in_the_picture() -> None:
    fragment = Fragment(0.0, 4.0, lambda picture: [])
    for picture in filmed(4.0):
        fragment.watch(picture)
    assert judged(fragment, listened(voice(6.0, 0.0)).ear).reason is Reason.NO_FACE


def test_a_hole_in_the_sound_is_not_heard() -> None:
    fragment = watched(filmed(4.0, 25, opening))
    listener = Listener()
    for block in samples.sound_blocks(voice(6.0, 0.1), RATE):
        if not 1.0 <= block.time < 1.2:
            listener.hear(Sound(time=block.time, rate=RATE, samples=block.samples))
    found = judged(fragment, listener.ear)
    assert found.offset == pytest.approx(0.08, abs=0.02)
