from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.media import Picture
from vqa_agent.simulate import motion, scenes

KINDS = {"ebu100": ("ebu", 100), "ebu75": ("ebu", 75), "smpte": ("smpte", 75), "rp219": ("hd", 75)}

SEVERITIES = {
    "clean": {},
    "noisy": {"noise": 4.0},
    "noisy under a large caption": {"noise": 4.0, "overlay": 0.3},
}


def defective():
    return samples.pictures(motion.line_up(scenes.pan(9.0, samples.SIZE), 1.0, 8.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_bars_and_names_them(kind: str, severity: str) -> None:
    (event,) = found("test_pattern", motion.line_up(clip("pan"), 2.0, 6.0, kind, **SEVERITIES[severity]))
    assert event.start == pytest.approx(2.0, abs=0.25)
    assert event.end == pytest.approx(6.0, abs=0.25)
    assert (event.detail["kind"], event.detail["level"]) == KINDS[kind]


@pytest.mark.parametrize("codec", CODECS)
def test_finds_them_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    assert len(found_behind(codec, "test_pattern", motion.line_up(clip("pan"), 2.0, 6.0, "smpte"), tmp_path)) == 1


def test_waits_five_seconds_live() -> None:
    images = clip("pan", 10.0)
    assert found("test_pattern", motion.line_up(images, 1.0, 5.0), Profile.LIVE) == []
    assert len(found("test_pattern", motion.line_up(images, 1.0, 7.0), Profile.LIVE)) == 1


def test_finds_bars_between_pillars() -> None:
    images = motion.letterbox(motion.line_up(clip("pan"), 2.0, 6.0, "smpte"), 2.0, 6.0, top=0.0, side=0.125)
    assert len(found("test_pattern", images)) == 1


@pytest.mark.parametrize("standard", [(0.299, 0.114), (0.2126, 0.0722)], ids=["BT.601", "BT.709"])
@pytest.mark.parametrize("depth", [8, 10])
def test_reads_both_colour_standards_and_depths(standard: tuple[float, float], depth: int) -> None:
    rgb = motion.bars("ebu75", samples.SIZE).astype(float) / 255
    luma = standard[0] * rgb[..., 0] + (1 - sum(standard)) * rgb[..., 1] + standard[1] * rgb[..., 2]
    blue, red = ((rgb[..., place] - luma) / (2 - 2 * share) for place, share in ((2, standard[1]), (0, standard[0])))
    scale, kind = 2 ** (depth - 8), np.uint8 if depth == 8 else np.uint16
    chroma = [np.round(scale * (128 + 224 * plane[::2, ::2])).astype(kind) for plane in (blue, red)]
    picture = Picture(
        time=0.0,
        duration=0.04,
        luma=np.round(scale * (16 + 219 * luma)).astype(kind),
        chroma=(chroma[0], chroma[1]),
        depth=depth,
    )
    (finding,) = samples.fresh("test_pattern").look(picture)
    assert finding.bad


def stripes(colours, seconds: float = 4.0):
    """Vertical stripes of the given colours, as flags and stage walls have."""
    image = np.zeros((180, 320, 3), np.uint8)
    edges = np.linspace(0, 320, len(colours) + 1).astype(int)
    for left, right, colour in zip(edges, edges[1:], colours, strict=False):
        image[:, left:right] = colour
    return [image] * round(seconds * 25)


def rainbow():
    hues = np.zeros((180, 320, 3), np.uint8)
    hues[..., 0], hues[..., 1:] = np.linspace(60, 0, 320) % 180, 220
    return [cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)] * 100


def small_screen():
    """Bars on a monitor in the scene."""
    bars = motion.bars("ebu100", (100, 60))
    for image in clip("studio")[:100]:
        image = image.copy()
        image[100:160, 200:300] = bars
        yield image


COLOURS = motion.bars("ebu100", (640, 8))[0, 40::80]
RED, YELLOW, GREEN, BLUE = (200, 20, 20), (220, 200, 20), (20, 160, 60), (20, 40, 180)
TRAPS = {
    "a flag": lambda: stripes([BLUE, YELLOW, RED]),
    "a wall of coloured stripes": lambda: stripes([RED, (250, 140, 20), YELLOW, GREEN, BLUE, (120, 20, 140)]),
    "the bars' colours in another order": lambda: stripes(COLOURS[[0, 2, 1, 4, 3, 6, 5]]),
    "bars of other widths": lambda: stripes(COLOURS[[0, 1, 1, 1, 2, 3, 3, 4, 5, 6, 6]]),
    "a rainbow": rainbow,
    "a monitor in the scene": small_screen,
    "a cartoon": lambda: clip("cartoon"),
    "greys": lambda: stripes([(level, level, level) for level in range(240, 0, -34)]),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("test_pattern", TRAPS[trap]()) == []


def test_bars_are_not_also_still() -> None:
    images = motion.line_up(clip("pan"), 2.0, 6.0)
    events = samples.events(samples.pictures(images), only=["test_pattern", "freeze", "letterbox"])
    assert samples.names(events) == ["test_pattern"]
