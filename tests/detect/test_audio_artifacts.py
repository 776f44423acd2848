from __future__ import annotations

import numpy as np
import pytest

from tests.detect import samples
from vqa_agent.analyze import finding_record
from vqa_agent.detect import Finding, Profile
from vqa_agent.media import Sound
from vqa_agent.simulate import sounds

RATE = sounds.SAMPLE_RATE
SECONDS = 12.0
LABELS = ("hum", "hiss", "distortion", "clicks")


def hum(sound: np.ndarray, dbfs: float = -40.0, hertz: float = 50.0) -> np.ndarray:
    moments = np.arange(sound.shape[1]) / RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * moments + k) / k for k in (1, 2, 3, 4, 6))
    return (sound + 10 ** (dbfs / 20) * wave).astype(np.float32)


def hiss(sound: np.ndarray, dbfs: float = -44.0) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=sound.shape)
    return (sound + 10 ** (dbfs / 20) * noise).astype(np.float32)


def distortion(sound: np.ndarray, share: float = 0.04, gain: float = 0.5) -> np.ndarray:
    limit = np.quantile(np.abs(sound), 1 - share)
    return (np.clip(sound, -limit, limit) * gain / limit).astype(np.float32)


def clicks(sound: np.ndarray, height: float = 0.3, a_second: int = 4) -> np.ndarray:
    rng = np.random.default_rng(2)
    out = sound.copy()
    for moment in rng.integers(1000, sound.shape[1] - 1000, round(a_second * sound.shape[1] / RATE)):
        out[:, moment] += height * rng.choice([-1, 1])
    return out


DAMAGE = dict(zip(LABELS, (hum, hiss, distortion, clicks), strict=True))


def defective():
    return samples.sound_blocks(hum(sounds.speech(SECONDS, channels=1)))


def labels(sound: np.ndarray, rate: int = RATE, names: tuple[str, ...] = ()) -> list[str]:
    detector = samples.fresh("audio_artifacts")
    found = [each for block in samples.sound_blocks(sound, rate, names) for each in detector.look(block)]
    return [each.detail["label"] for each in [*found, *detector.close()]]


@pytest.mark.parametrize("content", [sounds.speech, sounds.music], ids=["speech", "music"])
@pytest.mark.parametrize("label", LABELS)
def test_names_each_defect_second_by_second(label: str, content) -> None:
    found = labels(DAMAGE[label](content(SECONDS, channels=1)))
    assert len(found) == round(SECONDS)
    assert found.count(label) >= 0.75 * len(found), found


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("label", LABELS)
def test_makes_one_event_of_a_lasting_defect(label: str, profile: Profile) -> None:
    sound = DAMAGE[label](sounds.speech(SECONDS, channels=1))
    found = samples.events(samples.sound_blocks(sound), profile, only=["audio_artifacts"])
    assert samples.names(found) == [f"audio_{label}"]
    assert found[0].end - found[0].start >= 0.6 * SECONDS


def bass(seconds: float, hertz: float = 50.0) -> np.ndarray:
    """Notes of a bass out of tune, right on the mains, that are struck every 2 s and decay."""
    since = np.arange(round(seconds * RATE)) / RATE % 2.0
    wave = sum(np.sin(2 * np.pi * hertz * k * since) / k for k in (1, 2, 3, 4)) * np.exp(-since / 0.5)
    return (sounds.speech(seconds, channels=1) + 0.1 * wave).astype(np.float32)


def test_three_seconds_of_hum_amid_a_programme_are_found_in_a_file() -> None:
    sound = sounds.speech(SECONDS, channels=1)
    part = slice(5 * RATE, 8 * RATE)
    sound[:, part] = hum(sound[:, part], -34.0)
    (found,) = samples.events(samples.sound_blocks(sound), Profile.FILE, only=["audio_artifacts"])
    assert found.defect == "audio_hum"
    assert (found.start, found.end) == (pytest.approx(5, abs=1), pytest.approx(8, abs=1))


TRAPS = {
    "speech": lambda: sounds.speech(SECONDS, channels=1),
    "music": lambda: sounds.music(SECONDS, channels=1),
    "silence": lambda: sounds.silence(SECONDS, channels=1),
    "line-up tone": lambda: sounds.tone(SECONDS, channels=1),
    "bass notes": lambda: bass(SECONDS),
    "hum that nobody hears": lambda: hum(sounds.speech(SECONDS, channels=1), -64.0),
    "quiet room": lambda: sounds.room(SECONDS, -76.0, channels=1),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("profile", list(Profile))
def test_is_not_fooled_by(trap: str, profile: Profile) -> None:
    assert samples.events(samples.sound_blocks(TRAPS[trap]()), profile, only=["audio_artifacts"]) == []


def test_one_bad_channel_is_enough_and_is_named() -> None:
    clean = sounds.speech(6.0)
    sound = np.stack([clean[0], hum(clean[1:])[0]])
    detector = samples.fresh("audio_artifacts")
    found = [each for block in samples.sound_blocks(sound, names=("FL", "FR")) for each in detector.look(block)]
    assert found
    for finding in found:
        part = next(part for part in finding.parts if part.defect == "audio_hum")
        assert part.bad
        assert part.detail["channel"] == "FR"


def test_the_effects_channel_is_not_looked_at() -> None:
    clean = sounds.speech(5.0, channels=1)
    low = sounds.tone(5.0, 50.0, -20.0, channels=1)
    assert set(labels(np.concatenate([clean, low]), names=("FC", "LFE"))) == {"none"}


@pytest.mark.parametrize("seconds", [0.4, 1.0, 1.6, 2.7])
def test_judges_short_sound_too(seconds: float) -> None:
    found = labels(distortion(sounds.speech(6.0, channels=1)[:, : round(seconds * RATE)], 0.1))
    assert len(found) == int(np.ceil(seconds))


def test_waits_for_what_follows_and_keeps_the_time_across_a_gap() -> None:
    sound = sounds.speech(4.0, channels=1)
    detector = samples.fresh("audio_artifacts")
    found: list[Finding] = []
    for start in (0.0, 10.0):
        for block in samples.sound_blocks(sound, start=start):
            found += detector.look(block)
    found += detector.close()
    assert [round(each.start) for each in found] == [0, 1, 2, 3, 10, 11, 12, 13]


def test_a_listed_finding_has_the_label_and_every_score() -> None:
    detector = samples.fresh("audio_artifacts")
    sound = hum(sounds.speech(3.0, channels=1))
    found = [each for block in samples.sound_blocks(sound) for each in detector.look(block)]
    line = finding_record(found[0])
    assert line["detector"] == "audio_artifacts"
    assert (line["start"], line["end"]) == (0.0, 1.0)
    assert line["label"] in ("none", *LABELS)
    assert list(line["scores"]) == list(LABELS)
    assert "parts" not in line


def test_a_new_sample_rate_begins_anew() -> None:
    detector = samples.fresh("audio_artifacts")
    found = []
    for rate in (48_000, 32_000):
        sound = sounds.speech(3.0, channels=1, rate=rate)
        for number in range(30):
            part = sound[:, number * rate // 10 : (number + 1) * rate // 10]
            start = (0 if rate == 48_000 else 3) + number / 10
            found += detector.look(Sound(time=start, rate=rate, samples=part))
    found += detector.close()
    assert [round(each.start) for each in found] == [0, 1, 2, 3, 4, 5]
