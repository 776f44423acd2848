"""Loudness against the sequences of EBU Tech 3341 and 3342, made from their definitions.

Cases 7 and 8 of Tech 3341 (5 and 6 of Tech 3342) are authentic programmes, which cannot be made from a definition; they
are not tested here.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.detect import Finding, Profile
from vqa_agent.media import Sound

RATE = 48000


def tones(*parts: tuple[float, float], hertz: float = 1000.0, channels: int = 2) -> np.ndarray:
    """Sines of (dBFS peak, seconds) one after the other, the same in every channel."""
    pieces = [
        10 ** (level / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
        for level, seconds in parts
    ]
    return np.repeat(np.concatenate(pieces)[None], channels, axis=0).astype(np.float32)


def measured(sound: np.ndarray, layout: str = "stereo", rate: int = RATE) -> list[Finding]:
    detector = samples.fresh("loudness")
    size = rate // 10
    findings = []
    for start in range(0, sound.shape[1] - size + 1, size):
        block = Sound(time=start / rate, rate=rate, samples=sound[:, start : start + size], layout=layout)
        findings += detector.look(block)
    return findings


SETTINGS = {"target": -23.0}
"""Without a target no level is wrong."""


def defective():
    """A programme that is far too loud for EBU R 128."""
    return samples.sound_blocks(tones((-6.0, 30.0)))


TECH_3341 = {
    "1: -23 dBFS": ([(-23.0, 20.0)], -23.0),
    "2: -33 dBFS": ([(-33.0, 20.0)], -33.0),
    "3: gating": ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
    "4: absolute gating": ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
    "5: relative gating": ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
}


@pytest.mark.parametrize("case", TECH_3341)
def test_integrated_loudness_of_tech_3341(case: str) -> None:
    parts, wanted = TECH_3341[case]
    assert measured(tones(*parts))[-1].detail["I"] == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("case", ["1: -23 dBFS", "2: -33 dBFS"])
def test_momentary_and_short_term_loudness_of_tech_3341(case: str) -> None:
    parts, wanted = TECH_3341[case]
    detail = measured(tones(*parts))[-1].detail
    assert detail["M"] == pytest.approx(wanted, abs=0.1)
    assert detail["S"] == pytest.approx(wanted, abs=0.1)


def test_five_channels_of_tech_3341_case_6() -> None:
    levels = (-28.0, -28.0, -24.0, None, -30.0, -30.0)
    moments = np.arange(20 * RATE) / RATE
    sound = [10 ** (level / 20) * np.sin(2 * np.pi * 1000 * moments) if level else 0 * moments for level in levels]
    found = measured(np.stack(sound).astype(np.float32), layout="5.1")
    assert found[-1].detail["I"] == pytest.approx(-23.0, abs=0.1)


def test_short_term_maximum_of_tech_3341_case_9() -> None:
    sound = tones(*[(-20.0, 1.34), (-30.0, 1.66)] * 5)
    settled = [finding.detail["S"] for finding in measured(sound) if finding.start > 3.0]
    assert settled == pytest.approx([-23.0] * len(settled), abs=0.1)


@pytest.mark.parametrize("segment", [0, 1, 10, 19])
@pytest.mark.parametrize("case", ["10: the same level", "11: rising levels"])
def test_short_term_maximum_wherever_the_tone_begins(case: str, segment: int) -> None:
    level = -23.0 if case.startswith("10") else -38.0 + segment
    found = measured(tones((-200.0, 0.15 * segment + 1.0), (level, 3.0), (-200.0, 1.0)))
    assert max(finding.detail["S"] for finding in found) == pytest.approx(level, abs=0.1)


def test_momentary_maximum_of_tech_3341_case_12() -> None:
    sound = tones(*[(-20.0, 0.18), (-30.0, 0.22)] * 25)
    settled = [finding.detail["M"] for finding in measured(sound) if finding.start > 1.0]
    assert settled == pytest.approx([-23.0] * len(settled), abs=0.1)


BURST = 0.4
"""Seconds of the tones of cases 13 and 14."""


@pytest.mark.parametrize("case", ["13: the same level", "14: rising levels"])
@pytest.mark.parametrize("segment", [0, 5, 10, 15])
def test_momentary_maximum_of_a_short_tone(case: str, segment: int) -> None:
    level = -23.0 if case.startswith("13") else -38.0 + segment
    found = measured(tones((-200.0, 1.0 + 0.02 * segment), (level, BURST), (-200.0, 1.0)))
    assert max(finding.detail["M"] for finding in found) == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize("segment", [1, 2, 3, 4, 18])
def test_momentary_maximum_of_a_short_tone_between_two_measurements(segment: int) -> None:
    """Outside the tolerance of 0.1 LU, as the manual says: M comes every 100 ms, and misses up to 50 ms of the tone."""
    found = measured(tones((-200.0, 1.0 + 0.02 * segment), (-23.0, BURST), (-200.0, 1.0)))
    assert -23.0 - 0.65 <= max(finding.detail["M"] for finding in found) <= -23.0 + 0.1


PEAKS = {
    "15: fs/4, 0 degrees": (RATE / 4, 0.0, 0.50),
    "16: fs/4, 45 degrees": (RATE / 4, 45.0, 0.50),
    "17: fs/6, 60 degrees": (RATE / 6, 60.0, 0.50),
    "18: fs/8, 67.5 degrees": (RATE / 8, 67.5, 0.50),
    "19: fs/4, 45 degrees, 1.41": (RATE / 4, 45.0, 1.41),
}


@pytest.mark.parametrize("case", PEAKS)
def test_true_peak_of_tech_3341(case: str) -> None:
    hertz, degrees, amplitude = PEAKS[case]
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE + np.radians(degrees))
    fade = np.minimum(1.0, np.arange(len(wave)) / 4800)
    wanted = 20 * np.log10(amplitude)
    found = measured(np.repeat((wave * np.minimum(fade, fade[::-1]))[None], 2, axis=0).astype(np.float32))
    assert wanted - 0.4 <= found[-1].detail["TP"] <= wanted + 0.2


def between_samples() -> np.ndarray:
    """At four times the rate: fs/6 at half of full scale, with one period of fs/4 whose peak is full scale."""
    moments = np.arange(4 * 2 * RATE) / (4 * RATE)
    wave = 0.5 * np.sin(2 * np.pi * RATE / 6 * moments)
    first = 4 * RATE
    wave[first : first + 16] = np.sin(2 * np.pi * RATE / 4 * moments[:16])
    fade = np.minimum(1.0, np.arange(len(wave)) / (0.4 * RATE))
    taps = np.arange(-256, 257)
    low_pass = np.sinc(taps * 20 / 96) * np.blackman(len(taps))
    wave = np.convolve(wave * np.minimum(fade, fade[::-1]), low_pass / low_pass.sum(), "same")
    return wave / np.abs(wave).max()


@pytest.mark.parametrize("case", [20, 21, 22, 23])
def test_true_peak_between_samples_of_tech_3341(case: int) -> None:
    found = measured(np.repeat(between_samples()[None, case - 20 :: 4], 2, axis=0).astype(np.float32))
    assert -0.4 <= found[-1].detail["TP"] <= 0.2


TECH_3342 = {
    "1": ([(-20.0, 20.0), (-30.0, 20.0)], 10.0),
    "2": ([(-20.0, 20.0), (-15.0, 20.0)], 5.0),
    "3": ([(-40.0, 20.0), (-20.0, 20.0)], 20.0),
    "4": ([(-50.0, 20.0), (-35.0, 20.0), (-20.0, 20.0), (-35.0, 20.0), (-50.0, 20.0)], 15.0),
}


@pytest.mark.parametrize("case", TECH_3342)
def test_loudness_range_of_tech_3342(case: str) -> None:
    parts, wanted = TECH_3342[case]
    assert measured(tones(*parts))[-1].detail["LRA"] == pytest.approx(wanted, abs=1.0)


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_measures_at_any_rate(rate: int) -> None:
    wave = 0.1 * np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    found = measured(wave[None].astype(np.float32), "mono", rate)
    assert found[-1].detail["I"] == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize(("target", "count"), [(None, 0), (-23.0, 1), (-6.0, 0)])
@pytest.mark.parametrize("profile", list(Profile))
def test_only_a_target_makes_a_level_wrong(target: float | None, count: int, profile: Profile) -> None:
    found = samples.events(defective(), profile, only=["loudness"], loudness={"target": target})
    assert len(found) == count
    assert all(event.severity == "minor" for event in found)
