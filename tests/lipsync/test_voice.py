from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.lipsync.voice import BANDS, FLOOR, STEP, Ear, active, normalise
from vqa_agent.media import Sound
from vqa_agent.simulate import sounds


def heard(wave: np.ndarray, rate: int = 48000, start: float = 0.0, **kind) -> Ear:
    ear = Ear()
    for block in samples.sound_blocks(wave, rate, start=start, **kind):
        ear.hear(block)
    return ear


def burst(rate: int, at: float, seconds: float = 3.0) -> np.ndarray:
    """A wide-band burst whose middle is at second `at`."""
    moments = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(1)
    return (rng.normal(0, 0.2, (1, len(moments))) * np.exp(-(((moments - at) / 0.03) ** 2))).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("start", [0.0, 7.0137])
def test_rows_stand_where_the_sound_was(rate: int, start: float) -> None:
    ear = heard(burst(rate, 1.2), rate, start)
    first = round(start / STEP)
    power = np.exp(ear.rows(first, first + 290)).sum(axis=1)
    middle = (power @ (first + np.arange(290))) / power.sum() * STEP
    assert middle == pytest.approx(start + 1.2, abs=0.003)


def test_every_rate_gives_the_same_rows() -> None:
    wide, narrow = heard(sounds.tone(2.0, rate=48000)), heard(sounds.tone(2.0, rate=16000), 16000)
    assert wide.rows(10, 190).max(axis=1) == pytest.approx(narrow.rows(10, 190).max(axis=1), abs=0.3)


def test_blocks_make_no_difference() -> None:
    wave = sounds.speech(2.0)
    whole = Ear()
    whole.hear(Sound(time=0.0, rate=48000, samples=wave))
    assert heard(wave).rows(0, 190) == pytest.approx(whole.rows(0, 190), abs=1e-3)


def test_a_voice_out_of_phase_is_heard() -> None:
    wave = sounds.speech(2.0, channels=2)
    turned = wave * np.array([[1], [-1]], np.float32)
    assert heard(turned).rows(10, 190) == pytest.approx(heard(wave).rows(10, 190), abs=1e-4)


def test_the_centre_channel_speaks_where_there_is_one() -> None:
    wave = np.zeros((6, 96000), np.float32)
    wave[2] = sounds.speech(2.0, channels=1)[0]
    names = ("FL", "FR", "FC", "LFE", "BL", "BR")
    assert heard(wave, names=names).rows(10, 190) == pytest.approx(heard(wave[2:3]).rows(10, 190), abs=1e-4)


def test_what_was_not_heard_is_silent() -> None:
    ear = heard(sounds.tone(1.0))
    ear.hear(Sound(time=2.0, rate=48000, samples=sounds.tone(1.0)))
    rows = ear.rows(-50, 400)
    assert rows.shape == (450, BANDS)
    silent = (rows <= np.log(FLOOR) + 1e-3).all(axis=1)
    assert silent[:50].all()
    assert silent[50 + 105 : 50 + 195].all()
    assert silent[-95:].all()
    assert not silent[50 + 10 : 50 + 90].any()
    assert not silent[50 + 205 : 50 + 290].any()


def test_forgets() -> None:
    ear = heard(sounds.tone(5.0))
    ear.forget(400)
    assert (ear.rows(0, 300) <= np.log(FLOOR) + 1e-3).all()
    assert not (ear.rows(410, 490) <= np.log(FLOOR) + 1e-3).all(axis=1).any()


def test_loudness_falls_out() -> None:
    wave = sounds.speech(3.0)
    loud, quiet = heard(wave).rows(0, 290), heard(wave * 0.1).rows(0, 290)
    assert normalise(quiet) == pytest.approx(normalise(loud), abs=0.2)


def test_active_where_somebody_speaks() -> None:
    wave = np.concatenate([sounds.speech(2.0, seed=3), sounds.room(2.0)], axis=1)
    speaking = active(heard(wave).rows(0, 400))
    assert speaking[:200].mean() > 0.35
    assert speaking[220:390].mean() < 0.02
    assert not active(heard(sounds.silence(2.0)).rows(0, 200)).any()
