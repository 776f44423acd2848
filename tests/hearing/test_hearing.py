"""The measures of a second of sound, each on sound of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from vqa_agent.hearing import (
    AFTER,
    BEFORE,
    FRAMES,
    MEASURES,
    ROWS,
    Listener,
    Segments,
    amplitudes,
    ceiling,
    hum_level,
    images,
    mains,
    measures,
    moments,
    residual,
)
from vqa_agent.hearing.spectrum import EMPTY_DB, Spectrograph
from vqa_agent.media import Sound
from vqa_agent.simulate import sounds

RATE = 48_000


def second(rate: int = RATE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000])
def test_any_rate_gives_measures_of_one_form(rate: int) -> None:
    listener = Listener(rate)
    heard = [listener.listen(second(rate, seed)) for seed in range(BEFORE + AFTER + 1)]
    assert heard[0] is not None
    assert heard[0].picture.shape == (ROWS, FRAMES)
    told = measures(heard, BEFORE)
    assert told.shape == (MEASURES,)
    assert np.isfinite(told).all()
    assert np.isfinite(heard[0].picture).all()


@pytest.mark.parametrize("wave", [np.zeros(RATE, np.float32), np.full(RATE, 0.3, np.float32), second() * 1e-4])
def test_silence_offset_and_near_silence_are_not_heard(wave: np.ndarray) -> None:
    assert Listener(RATE).listen(wave) is None


@pytest.mark.parametrize("wave", [np.eye(1, RATE, RATE // 2, dtype=np.float32)[0], np.sign(second()), second() * 1e3])
def test_odd_sound_gives_finite_measures(wave: np.ndarray) -> None:
    heard = Listener(RATE).listen(wave)
    assert heard is not None
    assert np.isfinite(measures([heard], 0)).all()


def test_does_not_change_its_input() -> None:
    wave = second()
    kept = wave.copy()
    Listener(RATE).listen(wave)
    assert np.array_equal(wave, kept)


def test_gain_changes_nothing_but_the_level() -> None:
    listener = Listener(RATE)
    loud, quiet = (listener.listen(sounds.speech(1.0, channels=1)[0] * gain) for gain in (1.0, 0.25))
    assert loud is not None
    assert quiet is not None
    assert np.abs(loud.picture - quiet.picture).max() < 0.5
    assert loud.level - quiet.level == pytest.approx(12.04, abs=0.01)


def test_band_levels_find_a_tone_and_leave_what_a_rate_cannot_hold_empty() -> None:
    wave = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    levels, _ = Spectrograph(8000).levels(wave, 0.5)
    assert levels.max() == pytest.approx(0.0, abs=3.0)
    assert (levels[-20:] == EMPTY_DB).all()


def test_noise_fills_the_valleys_and_a_voice_does_not() -> None:
    meter = Spectrograph(RATE)
    noise, voice = second(), sounds.music(1.0, channels=1)[0]
    (_, filled), (_, deep) = (meter.levels(wave, float(np.mean(wave**2))) for wave in (noise, voice))
    assert filled[8:].min() > -50
    assert deep[8:].max() < filled[8:].min()


class TestMains:
    @staticmethod
    def kept(hertz: float, rate: int = RATE, seconds: int = 4) -> np.ndarray:
        time = np.arange(seconds * rate) / rate
        wave = 0.1 * np.sin(2 * np.pi * hertz * time) + 0.01 * second(seconds * rate)
        meter = mains.MainsMeter(rate)
        traces = {n: meter.trace(piece.astype(np.float32)) for n, piece in enumerate(wave.reshape(seconds, rate))}
        return mains.measure(traces, 1, 0.005)

    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
    @pytest.mark.parametrize("hertz", [50.0, 50.1, 60.0, 100.0, 120.0])
    def test_mains_and_their_multiples_are_kept(self, hertz: float, rate: int) -> None:
        around = self.kept(hertz, rate)[mains.MULTIPLES : 2 * mains.MULTIPLES]
        assert around[0 if hertz < 99 else 1] > 0.95

    @pytest.mark.parametrize("hertz", [49.0, 51.9, 61.74, 98.0, 103.8])
    def test_notes_are_not(self, hertz: float) -> None:
        around = self.kept(hertz)[mains.MULTIPLES : 2 * mains.MULTIPLES]
        assert around[:2].max() < 0.6

    @pytest.mark.parametrize(
        ("dip", "hertz", "hums"),
        [(0, 50.0, True), (0, 120.1, True), (0, 49.0, False), (0, 61.7, False), (-20, 50.0, False)],
        ids=["50 Hz", "second multiple of 60 Hz", "G1", "B1", "a note that ends"],
    )
    def test_hum_goes_on(self, dip: float, hertz: float, hums: bool) -> None:
        moments = np.arange(6 * RATE) / RATE
        level = 10 ** ((-40 + np.where(moments % 2 < 1.2, 0, dip)) / 20)
        wave = level * 2**0.5 * np.sin(2 * np.pi * hertz * moments) + 1e-4 * np.random.default_rng(4).normal(
            size=6 * RATE
        )
        listener = Listener(RATE)
        heard = [listener.listen(each) for each in wave.astype(np.float32).reshape(6, RATE)]
        assert hum_level(heard, 3) == (pytest.approx(-40, abs=1) if hums else -np.inf)

    def test_level_is_relative_to_the_programme(self) -> None:
        level = self.kept(50.0)[4 * mains.MULTIPLES]
        assert 20 * level == pytest.approx(0.0, abs=0.7)


class TestAmplitudes:
    @staticmethod
    def extremes(wave: np.ndarray) -> np.ndarray:
        return amplitudes.amplitudes(wave, residual.predict(wave)).measures[amplitudes.SHAPE :]

    @pytest.mark.parametrize("gain", [1.0, 0.2])
    def test_flat_tops_show_at_any_gain(self, gain: float) -> None:
        clean = sounds.music(1.0, channels=1)[0]
        clipped = np.clip(clean, *np.quantile(clean, [0.03, 0.97])).astype(np.float32) * np.float32(gain)
        assert self.extremes(clipped)[0] > self.extremes(clean)[0] + 4

    def test_few_bits_have_few_values(self) -> None:
        clean = sounds.music(1.0, channels=1)[0]
        grid = len(amplitudes.NEAR) * 4 + 6 + amplitudes.HEIGHTS
        coarse = np.round(clean * 32).astype(np.float32) / 32
        assert self.extremes(coarse)[grid] < 7
        assert self.extremes(clean)[grid] > 12


class TestCeiling:
    @staticmethod
    def of(wave: np.ndarray) -> ceiling.Ceiling:
        return ceiling.ceiling(wave, float(np.mean(wave**2)))

    def test_a_cut_wave_stays_near_its_ceiling_even_where_its_tops_are_uneven(self) -> None:
        clean = sounds.music(1.0, channels=1)[0]
        cut = np.clip(clean, *np.quantile(clean, [0.05, 0.95])).astype(np.float32)
        uneven = cut + np.float32(0.03 * cut.max()) * second() / np.float32(0.05)
        near_over_way = len(ceiling.QUANTILES) + len(ceiling.ALIKE) + 2
        assert self.of(uneven).measures[near_over_way] > self.of(clean).measures[near_over_way] + 0.5

    def test_gain_moves_the_ceiling_alone(self) -> None:
        loud, quiet = (self.of(sounds.music(1.0, channels=1)[0] * np.float32(gain)) for gain in (1.0, 0.25))
        assert loud.measures == pytest.approx(quiet.measures, abs=0.01)
        assert loud.tops - quiet.tops == pytest.approx(12.04, abs=0.01)

    def test_the_same_ceiling_second_after_second_shows(self) -> None:
        level = np.array([0.0, -3.0, 0.0, -0.1, -9.0, -0.2], np.float32)
        tops = np.stack([level * 0 - 6, level - 6], axis=1)
        (below, middle, same), (other_below, _, other_same) = ceiling.around(tops, 1).reshape(2, 3)
        assert (below, middle, same) == (0, 0, 1)
        assert other_below == pytest.approx(-3)
        assert other_same == pytest.approx(4 / 6)


class TestResidual:
    def test_a_click_stands_alone_and_a_stroke_does_not(self) -> None:
        clean = sounds.speech(1.0, channels=1)[0]
        power = float(np.mean(clean**2))
        clicked = clean.copy()
        clicked[24_000] += 0.2
        stroke = clean.copy()
        stroke[24_000:28_800] += (0.2 * np.exp(-np.arange(4800) / 1500) * second()[:4800] / 0.05).astype(np.float32)
        alone, decaying, without = (residual.unforeseen(wave, power).measures[0] for wave in (clicked, stroke, clean))
        assert alone > without + 6
        assert decaying < alone - 6

    def test_a_hole_shows(self) -> None:
        wave = sounds.music(1.0, channels=1)[0]
        holed = wave.copy()
        holed[20_000:20_400] = 0
        hole = residual.LOUDEST + len(residual.COUNTED_DB)
        assert residual.unforeseen(holed, float(np.mean(wave**2))).measures[hole] > 0


class TestImages:
    @pytest.mark.parametrize("hold", [3, 5, 8])
    def test_held_samples_mirror_the_spectrum_where_they_must(self, hold: int) -> None:
        clean = sounds.speech(1.0, channels=1)[0]
        held = np.repeat(clean[::hold], hold)[:RATE]
        told, other = images.images(held), images.images(clean)
        assert told[0] > 0.3 > other[0] + 0.1
        place = float(told[5]) * 2 * hold
        assert place == pytest.approx(round(place), abs=0.01)

    def test_a_gain_changes_nothing(self) -> None:
        clean = sounds.music(1.0, channels=1)[0]
        assert images.images(clean) == pytest.approx(images.images(clean * np.float32(0.1)), rel=0.01, abs=0.01)


class TestMoments:
    @staticmethod
    def told(wave: np.ndarray) -> np.ndarray:
        power = float(np.mean(wave**2))
        return moments.moments(wave, residual.unforeseen(wave, power), power)

    def test_a_faint_click_stands_out_of_a_voices_pulses(self) -> None:
        clean = sounds.speech(1.0, channels=1)[0]
        clicked = clean.copy()
        clicked[24_000] += 0.2
        assert (self.told(clicked)[[0, 6]] > self.told(clean)[[0, 6]] + 6).all()
        assert self.told(clicked)[[1, 7]] == pytest.approx(self.told(clean)[[1, 7]], abs=0.5)

    def test_a_click_that_a_codec_spread_is_a_burst(self) -> None:
        clean = sounds.speech(1.0, channels=1)[0]
        spread = clean.copy()
        spread[24_000:24_400] += np.random.default_rng(1).normal(0, 0.1, 400).astype(np.float32)
        assert self.told(spread)[12] > self.told(clean)[12] + 6

    def test_a_stuck_converter_is_still(self) -> None:
        clean = sounds.music(1.0, channels=1)[0]
        stuck = clean.copy()
        stuck[20_000:20_096] = stuck[20_000]
        longest, runs = self.told(stuck)[-2:]
        assert longest == pytest.approx(np.log1p(2.0), abs=0.02)
        assert runs == pytest.approx(np.log1p(1))
        assert self.told(clean)[-1] == 0


class TestSegments:
    @staticmethod
    def blocks(sound: np.ndarray, names: tuple[str, ...] = (), start: float = 0.0) -> list[Sound]:
        size = RATE // 10
        return [
            Sound(time=start + place / RATE, rate=RATE, samples=sound[:, place : place + size], names=names)
            for place in range(0, sound.shape[1], size)
        ]

    def test_blocks_become_seconds_and_a_rest(self) -> None:
        sound = np.stack([second(2 * RATE + 24_000)])
        segments = Segments()
        found = [each for block in self.blocks(sound) for each in segments.add(block)]
        assert [(start, end) for start, end, _ in found] == [(0.0, 1.0), (1.0, 2.0)]
        assert np.array_equal(found[1][2]["1"], sound[0, RATE : 2 * RATE])
        ((start, end, channels),) = segments.rest()
        assert (start, end) == pytest.approx((2.0, 2.5))
        assert np.array_equal(channels["1"], sound[0, -RATE:])

    def test_equal_channels_and_the_effects_channel_are_left_out(self) -> None:
        one, two = second(seed=1), second(seed=2)
        segments = Segments()
        names = ("FL", "FR", "FC", "LFE")
        found = [
            each for block in self.blocks(np.stack([one, one, two, two * 0.5]), names) for each in segments.add(block)
        ]
        assert list(found[0][2]) == ["FL", "FC"]

    @pytest.mark.parametrize(
        ("change", "kept"),
        [
            (lambda wave: wave + 1e-4 * np.random.default_rng(3).normal(size=wave.shape), ["FL"]),
            (lambda wave: np.where(np.arange(wave.size) == 700, wave + 0.2, wave), ["FL", "FR"]),
            (lambda wave: np.clip(wave, -0.5 * np.abs(wave).max(), None), ["FL", "FR"]),
            (lambda wave: wave + 0.01 * np.sin(np.arange(wave.size) * 2 * np.pi * 50 / RATE), ["FL", "FR"]),
        ],
        ids=["rounding", "a click", "a cut side", "hum"],
    )
    def test_a_channel_is_left_out_only_where_it_says_the_same(self, change, kept: list[str]) -> None:
        one = second(seed=1)
        segments = Segments()
        sound = np.stack([one, change(one)]).astype(np.float32)
        ((_, _, channels),) = [each for block in self.blocks(sound, ("FL", "FR")) for each in segments.add(block)]
        assert list(channels) == kept

    def test_a_gap_or_another_form_does_not_follow(self) -> None:
        segments = Segments()
        first, second_ = self.blocks(np.stack([second(9600)]))
        list(segments.add(first))
        assert segments.follows(second_)
        assert not segments.follows(Sound(time=0.3, rate=RATE, samples=second_.samples))
        assert not segments.follows(Sound(time=0.1, rate=44_100, samples=second_.samples))

    def test_a_short_sound_is_mirrored_to_a_second(self) -> None:
        segments = Segments()
        for block in self.blocks(np.stack([second(24_000)])):
            assert not list(segments.add(block))
        ((start, end, channels),) = segments.rest()
        assert (start, end) == pytest.approx((0.0, 0.5))
        assert channels["1"].shape == (RATE,)
