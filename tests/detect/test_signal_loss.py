from __future__ import annotations

import pytest

from tests.detect import samples
from vqa_agent.detect import Profile, Severity
from vqa_agent.media import Fact, FactKind
from vqa_agent.simulate import defects, scenes, sounds


def loss(start: float, seconds: float, missing: str = "all"):
    for half in range(round(seconds * 2)):
        yield Fact(FactKind.NO_SIGNAL, start + half / 2, 0.5, detail={"missing": missing, "reason": "timed out"})


def lost(start: float, seconds: float, total: float = 16.0, missing: str = "all"):
    return samples.merge(
        samples.signal(start), loss(start, seconds, missing), samples.signal(total - start - seconds, start + seconds)
    )


def defective():
    return lost(3.0, 5.0)


@pytest.mark.parametrize("missing", ["all", "video", "audio"])
@pytest.mark.parametrize("seconds", [2.5, 4.0, 8.0])
def test_finds_a_loss_with_its_limits(missing: str, seconds: float) -> None:
    (event,) = samples.events(lost(3.0, seconds, missing=missing), Profile.LIVE, only=["signal_loss"])
    assert (event.start, event.end) == (3.0, 3.0 + seconds)
    assert event.detail["missing"] == missing
    assert event.severity is (Severity.MAJOR if missing == "audio" else Severity.CRITICAL)


def test_a_stumble_is_not_a_loss() -> None:
    assert samples.events(lost(3.0, 1.5), Profile.LIVE, only=["signal_loss"]) == []


def test_a_loss_soon_after_another_is_the_same_event() -> None:
    material = [
        *samples.signal(3.0),
        *loss(3.0, 4.0),
        *samples.signal(2.0, 7.0),
        *loss(9.0, 4.0),
        *samples.signal(6.0, 13.0),
    ]
    (event,) = samples.events(material, Profile.LIVE, only=["signal_loss"])
    assert (event.start, event.end) == (3.0, 13.0)


@pytest.mark.parametrize("track", ["video", "audio"])
def test_a_track_that_was_expected_and_never_came_is_missing(track: str) -> None:
    facts = [
        Fact(FactKind.SIGNAL, t / 2, 0.5, detail={"video": track != "video", "audio": track != "audio"})
        for t in range(10)
    ]
    assert samples.events(facts, Profile.LIVE, only=["signal_loss"]) == []
    settings = {"expect": {track: True}}
    (event,) = samples.events(facts, Profile.LIVE, only=["signal_loss"], signal_loss=settings)
    assert event.detail["missing"] == track


def test_a_lost_signal_ends_black_freeze_and_silence() -> None:
    material = samples.merge(
        samples.pictures(defects.black(scenes.pan(8.0, samples.SIZE), 1.0, 8.0)),
        samples.sound_blocks(sounds.silence(8.0)),
        lost(8.0, 6.0),
    )
    found = {event.defect: event for event in samples.events(material, Profile.LIVE)}
    assert set(found) == {"black", "silence", "signal_loss"}
    assert found["black"].end == pytest.approx(8.0, abs=0.1)
    assert found["silence"].end == pytest.approx(8.0, abs=0.1)
    assert found["signal_loss"].start == 8.0
