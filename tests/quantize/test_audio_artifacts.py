"""The simulation and what the network is shown of a second. Nothing here needs PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the extra [quantize] is not installed")

from quantize.audio_artifacts import audibility, chain, defects, negatives, unseen
from quantize.audio_artifacts.scoring import (
    LABELS,
    Lasting,
    balanced_accuracy,
    decide,
    fit_thresholds,
    lasting_found,
    one_class,
)
from quantize.audio_artifacts.simulate import CONFIG, UNKNOWN, clip_of, seconds_of
from quantize.audio_artifacts.sources import CLASSES, Recording, matches
from quantize.setup import read_config
from vqa_agent.simulate import sounds

RATE = 48_000
CONFIGURATION = read_config(CONFIG)
GENERATORS = {"trained on": defects.GENERATOR, "unseen": unseen.GENERATOR}


def voice(seconds: float = 3.0) -> np.ndarray:
    return sounds.speech(seconds, channels=1)[0]


def pool() -> list[Recording]:
    music = sounds.music(6.0, channels=1)[0]
    return [Recording("speech/made", "train", RATE, voice(6.0)), Recording("music/made", "train", RATE, music)]


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("defect", CLASSES)
def test_every_defect_does_something_and_keeps_the_length(name: str, defect: str) -> None:
    clean = voice()
    level = float(np.sqrt(np.mean(clean**2)))
    kinds = set()
    for seed in range(12):
        damage = GENERATORS[name][defect](np.random.default_rng(seed), clean, RATE, level)
        kinds.add(damage.kind)
        assert damage.wave.shape == clean.shape
        assert damage.wave.dtype == np.float32
        assert np.isfinite(damage.wave).all()
        assert not np.array_equal(damage.wave, clean)
        assert (damage.moments is not None) == (defect == "clicks")
    assert len(kinds) >= 3


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("defect", ["hum", "hiss"])
def test_what_is_added_lies_so_far_below_the_programme_as_it_says(name: str, defect: str) -> None:
    clean = voice()
    level = 0.1
    damage = GENERATORS[name][defect](np.random.default_rng(3), clean, RATE, level)
    added = float(np.sqrt(np.mean((damage.wave - clean) ** 2)))
    assert 20 * np.log10(level / added) == pytest.approx(damage.severity, abs=0.2)


def test_generators_share_no_kind() -> None:
    kinds = {}
    for name, generator in GENERATORS.items():
        rng = np.random.default_rng(0)
        kinds[name] = {generator[defect](rng, voice(1.0), RATE, 0.1).kind for defect in CLASSES for _ in range(12)}
    assert not kinds["trained on"] & kinds["unseen"]


def test_noise_in_noise_is_not_audible_but_in_speech_it_is() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 2 * RATE).astype(np.float32)
    hiss = rng.normal(0, 0.005, 2 * RATE).astype(np.float32)
    assert not audibility.hiss(noise, noise + hiss, RATE, 2).any()
    assert audibility.hiss(voice(2.0), voice(2.0) + hiss, RATE, 2).all()


def test_hum_is_hidden_by_a_louder_tone_of_the_same_pitch() -> None:
    time = np.arange(2 * RATE) / RATE
    tone = (0.2 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)
    hum = (0.02 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)
    assert not audibility.hum(tone, tone + hum, RATE, 2).any()
    assert audibility.hum(voice(2.0), voice(2.0) + hum, RATE, 2).all()


@pytest.mark.parametrize("codec", chain.CODECS, ids=lambda codec: codec.encoder)
def test_codecs_give_back_the_sound_in_its_place(codec: chain.Codec) -> None:
    clean = sounds.music(1.5, channels=1)[0]
    back = chain.through(codec, clean, RATE, 128_000)
    count = min(len(back), len(clean))
    assert count >= len(clean) - 4096
    assert np.corrcoef(back[4800:count], clean[4800:count])[0, 1] > 0.97


def test_a_limiter_cuts_no_tops() -> None:
    loud = chain.limited(sounds.music(2.0, channels=1)[0], RATE, 9.0)
    top = np.abs(loud) >= 0.9999 * np.abs(loud).max()
    assert not (top[1:] & top[:-1] & (np.diff(loud) == 0)).any()


def test_a_loud_record_loses_no_more_than_a_thousandth_of_its_tops() -> None:
    clean = sounds.music(2.0, channels=1)[0]
    for seed in range(5):
        out = chain.mastered(np.random.default_rng(seed), clean)
        assert 0 < np.count_nonzero(out != clean) <= 1.01e-3 * len(clean)


def test_clips_are_the_same_in_every_run_and_say_what_is_in_them() -> None:
    for number in range(14):
        clip, again = (clip_of("train", number, pool(), CONFIGURATION) for _ in range(2))
        assert np.array_equal(clip.wave, again.wave)
        assert clip.truth.shape == (len(clip.wave) // clip.rate, len(CLASSES))
        assert np.abs(clip.wave).max() <= 1.0 or clip.codec
        for index, defect in enumerate(CLASSES):
            assert (defect in clip.kind) == (not np.isnan(clip.severity[index]))
            if defect not in clip.kind:
                assert not clip.truth[:, index].any()


def test_a_recording_with_a_hum_of_its_own_teaches_nothing_about_hum() -> None:
    own = [Recording("speech/humming", "train", RATE, voice(4.0), own=("hum",))]
    clip = clip_of("train", 1, own, CONFIGURATION)
    assert (clip.truth[:, CLASSES.index("hum")] == UNKNOWN).all()


def test_every_second_of_a_clip_is_heard() -> None:
    clip = clip_of("train", 2, pool(), CONFIGURATION)
    heard = seconds_of(clip, {})
    assert len(heard) == len(clip.truth)
    assert any(second is not None for second in heard)


def test_no_recording_is_in_two_splits() -> None:
    sources = CONFIGURATION["sources"]
    for name in ("talking/emo_talk_hb", "speech/jane", "music/bolero_ravel", "negatives/rain_5"):
        assert matches(name, sources["test"])
        assert not matches(name, sources["validation"])


@pytest.mark.parametrize("kind", negatives.KINDS)
def test_made_negatives_are_sound(kind: str) -> None:
    wave = negatives.KINDS[kind](np.random.default_rng(0), 1.0)
    assert wave.shape == (negatives.RATE,)
    assert np.isfinite(wave).all()
    assert wave.std() > 0


class TestScoring:
    TRUTH = np.array(
        [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [-1, 0, 0, 0]]
    )

    def test_one_class_leaves_out_what_is_double_or_unknown(self) -> None:
        assert one_class(self.TRUTH).tolist() == [0, 1, 2, 3, 4, -1, -1]

    def test_the_defect_that_exceeds_its_threshold_by_most_is_the_label(self) -> None:
        limits = dict(zip(CLASSES, (0.5, 0.9, 0.5, 0.5), strict=True))
        found = np.array([[0.4, 0.8, 0.1, 0.1], [0.7, 0.95, 0.1, 0.1], [0.95, 0.92, 0.1, 0.1]])
        assert [LABELS[index] for index in decide(found, limits)] == ["none", "hum", "hum"]

    def test_thresholds_part_what_can_be_parted(self) -> None:
        rng = np.random.default_rng(0)
        truth = np.repeat(self.TRUTH[:5], 40, axis=0).astype(np.int8)
        found = np.clip(np.where(truth == 1, 0.35, 0.2) + rng.normal(0, 0.02, truth.shape), 0, 1)
        limits = fit_thresholds(found, truth, usual=0.29, doubt=0.01)
        assert all(0.22 < limit < 0.35 for limit in limits.values())
        assert balanced_accuracy(one_class(truth), decide(found, limits)) > 0.98

    def test_a_lasting_defect_is_found_where_three_of_five_seconds_are_sure(self) -> None:
        sure = np.array([[1, 1, 0, 1, 0, 0], [1, 1, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]], bool)
        present = np.array([[1] * 6, [1] * 6, [0] * 6])
        data = {"clip": np.repeat([3, 4, 5], 6), "truth": np.zeros((18, len(CLASSES)), np.int8)}
        data["truth"][:, 1] = present.ravel()
        data["severity"] = np.repeat([[10.0], [20.0], [np.nan]], 6, axis=0) * np.ones(len(CLASSES))
        found = np.full((18, len(CLASSES)), 0.01)
        found[:, 1] = np.where(sure.ravel(), 0.99, 0.5)
        share = lasting_found(data, found, dict.fromkeys(CLASSES, 2.0))
        assert share["hiss"] == Lasting(clips=2, found=0.5, severe=1.0)
        assert share["hum"].clips == 0
