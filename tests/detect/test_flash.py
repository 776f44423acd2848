from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.detect import samples
from tests.detect.clips import CODECS, clip, found, found_behind
from vqa_agent.detect import Profile
from vqa_agent.simulate import motion, scenes

SEVERITIES = {
    "slow and small": {"hertz": 4.2, "area": 0.4, "depth": 0.4},
    "middle": {"hertz": 5.0, "area": 0.6, "depth": 0.5},
    "strobe": {"hertz": 12.5, "area": 1.0, "depth": 0.9},
}


def defective():
    return samples.pictures(motion.flash(scenes.action(6.0, samples.SIZE), 1.0, 4.0))


@pytest.mark.parametrize("content", ["pan", "action", "night"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_finds_flashing(content: str, severity: str) -> None:
    (event,) = found("flash", motion.flash(clip(content), 2.0, 5.0, **SEVERITIES[severity]))
    assert event.start == pytest.approx(2.0, abs=0.4)
    assert event.end == pytest.approx(5.0, abs=0.8)
    assert event.detail["kind"] == "luminance"
    assert event.detail["flashes"] > 3


@pytest.mark.parametrize("codec", CODECS)
def test_finds_it_behind_an_encoder(codec: str, tmp_path: Path) -> None:
    assert len(found_behind(codec, "flash", motion.flash(clip("action"), 2.0, 5.0), tmp_path)) == 1


def test_says_where_it_flashes() -> None:
    (event,) = found("flash", motion.flash(clip("studio"), 2.0, 5.0, area=0.5, depth=0.8))
    x, y, width, height = event.region
    assert (x, y) == (0, 0)
    assert width == pytest.approx(1.0, abs=0.1)
    assert height == pytest.approx(0.5, abs=0.1)


def test_alarms_live_at_once() -> None:
    (event,) = found("flash", motion.flash(clip("action"), 2.0, 4.0), Profile.LIVE)
    assert event.start == pytest.approx(2.0, abs=0.2)


def red_and(rgb: tuple[int, int, int], hertz: float):
    for number in range(100):
        yield np.full((180, 320, 3), (255, 0, 0) if int(number / 25 * hertz * 2) % 2 else rgb, np.uint8)


def test_finds_saturated_red_that_hardly_changes_in_luminance() -> None:
    (event,) = found("flash", red_and((54, 54, 54), 5.0))
    assert event.detail["kind"] == "red"


def test_takes_other_colours_of_one_luminance_for_no_flash() -> None:
    images = [np.full((180, 320, 3), (0, 90, 90) if number % 4 < 2 else (90, 74, 74), np.uint8) for number in range(99)]
    assert found("flash", images) == []


@pytest.mark.parametrize(("dark", "bright", "alarms"), [(20, 60, 0), (100, 160, 1), (238, 255, 0)])
def test_keeps_to_the_standards_luminances(dark: int, bright: int, alarms: int) -> None:
    """20 to 60 is a change by 6 cd/m2 only; 238 to 255 one by 30, but from above 160."""
    images = [np.full((180, 320, 3), dark if number % 6 < 3 else bright, np.uint8) for number in range(100)]
    assert len(found("flash", images)) == alarms


def cameras():
    """Isolated camera flashes, one picture each, a few in two seconds, then none."""
    moments = {50, 63, 64, 79, 120, 160}
    for number, image in enumerate(clip("studio")):
        yield np.clip(image * 0.2 + 190, 0, 255).astype(np.uint8) if number in moments else image


def cuts():
    """Four cuts a second between a dark and a bright scene: two flashes."""
    scene = clip("night"), clip("slide")
    return [scene[number // 6 % 2][number] for number in range(150)]


def sparkle():
    """Small lights all over the picture, each when it likes."""
    rng = np.random.default_rng(6)
    for image in clip("night")[:120]:
        image = image.copy()
        for x, y in rng.integers((0, 0), (300, 160), (25, 2)):
            image[y : y + 14, x : x + 14] = 240
        yield image


TRAPS = {
    "camera flashes": cameras,
    "three flashes a second": lambda: motion.flash(clip("studio"), 1.0, 6.0, hertz=3.0, depth=0.8),
    "a sixth of the picture": lambda: motion.flash(clip("studio"), 1.0, 6.0, area=0.16, depth=0.8),
    "cuts from dark to bright": cuts,
    "sparkle": sparkle,
    "a fast pan": lambda: list(itertools.islice(itertools.cycle(clip("pan")[::4]), 120)),
    "action": lambda: clip("action"),
    "fades": lambda: [(image * abs(np.sin(number / 12))).astype(np.uint8) for number, image in enumerate(clip("pan"))],
}


@pytest.mark.parametrize("trap", TRAPS)
def test_is_not_fooled_by(trap: str) -> None:
    assert found("flash", TRAPS[trap]()) == []
