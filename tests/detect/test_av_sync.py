from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.detect import samples
from tests.lipsync.test_events import beeps, claps, flashes
from tests.lipsync.test_similarity import embeddings
from vqa_agent.detect import Profile, av_sync
from vqa_agent.detect.interface import Severity
from vqa_agent.lipsync.aggregate import Talker
from vqa_agent.lipsync.follow import Mouth
from vqa_agent.lipsync.fragment import Fragment
from vqa_agent.lipsync.similarity import distances
from vqa_agent.lipsync.voice import Ear
from vqa_agent.media import Picture, Sample
from vqa_agent.pipeline import Pipeline, build_detectors
from vqa_agent.simulate import scenes, sounds

SETTINGS = {"every": 4.0}


def pattern(late: float, seconds: float = 15.0) -> Iterator[Sample]:
    """A line-up pattern whose sound is `late` seconds late."""
    moments = [second + 0.48 for second in range(int(seconds))]
    return samples.merge(
        flashes(moments, seconds), samples.sound_blocks(beeps([moment + late for moment in moments], seconds))
    )


def defective() -> Iterator[Sample]:
    return pattern(0.24)


def findings(material, profile: Profile = Profile.FILE, **settings) -> list:
    detector = samples.fresh("av_sync", profile)
    detector = type(detector)(detector.settings.model_copy(update=settings), profile)
    found = [finding for sample in material if detector.wants(sample, True) for finding in detector.look(sample)]
    return [*found, *detector.close()]


@pytest.mark.parametrize(
    ("late", "verdict", "severity"),
    [
        (-0.10, "out_of_sync", Severity.MAJOR),
        (-0.06, "out_of_sync", Severity.MINOR),
        (-0.03, "in_sync", None),
        (0.0, "in_sync", None),
        (0.11, "in_sync", None),
        (0.15, "out_of_sync", Severity.MINOR),
        (0.20, "out_of_sync", Severity.MAJOR),
    ],
)
def test_a_pattern_is_judged_by_the_limits_of_bt_1359(late: float, verdict: str, severity: Severity | None) -> None:
    first = findings(pattern(late, 6.0))[0]
    assert first.detail["verdict"] == verdict
    assert first.detail["offset_ms"] == pytest.approx(1000 * late, abs=10)
    assert first.severity is severity
    assert first.bad is (verdict == "out_of_sync")


def test_a_file_is_looked_at_throughout_in_fragments_of_four_seconds() -> None:
    spans = [(round(finding.start, 2), round(finding.end, 2)) for finding in findings(pattern(0.0, 11.0))]
    assert spans == [(0.0, 4.0), (4.0, 8.0), (8.0, 11.0)]


def test_live_one_fragment_is_looked_at_in_a_while() -> None:
    starts = [round(finding.start, 2) for finding in findings(pattern(0.0, 26.0), Profile.LIVE, every=10.0)]
    assert starts == [0.0, 10.0, 20.0]


def test_pictures_between_fragments_are_not_asked_for() -> None:
    detector = samples.fresh("av_sync", Profile.LIVE)
    wanted = []
    for picture in flashes([], 8.0):
        wanted.append(detector.wants(picture, False))
        if wanted[-1]:
            list(detector.look(picture))
    assert all(wanted[:100])
    assert not any(wanted[102:])


def test_a_last_piece_that_is_too_short_is_left_out() -> None:
    assert len(findings(pattern(0.0, 5.5))) == 1


@pytest.mark.parametrize("sound", [True, False], ids=["speech", "no sound"])
def test_nobody_in_the_picture_is_inconclusive(sound: bool) -> None:
    pictures = samples.pictures(scenes.pan(5.0, samples.SIZE))
    blocks = samples.sound_blocks(sounds.speech(6.0)) if sound else iter(())
    (first,) = findings(samples.merge(pictures, blocks))[:1]
    assert (first.detail["verdict"], first.detail["reason"]) == ("inconclusive", "no face")
    assert first.detail["offset_ms"] is None
    assert not first.conclusive


@pytest.mark.parametrize("late", [0.0, -0.3, 0.24])
def test_claps_at_cuts_tell_an_offset_but_are_no_verdict(late: float) -> None:
    names = ["pan", "slide", "cartoon", "studio"]
    parts = [scenes.SCENES[name](1.0, samples.SIZE, seed=seed) for seed, name in enumerate(names)]
    pictures = samples.pictures([image for part in parts for image in part])
    material = samples.merge(pictures, samples.sound_blocks(claps([1 + late, 2 + late, 3 + late], 6.0)))
    first = findings(material)[0]
    assert (first.detail["verdict"], first.detail["reason"]) == ("inconclusive", "low confidence")
    assert first.detail["offset_ms"] == pytest.approx(1000 * late, abs=10)


def test_sound_that_begins_late_is_told_of_a_file() -> None:
    material = samples.merge(flashes([], 5.0), samples.sound_blocks(sounds.speech(6.0), start=0.24))
    assert findings(material)[0].detail["transport"] == "sound begins 240 ms after the pictures"


def test_an_inconclusive_fragment_neither_alarms_nor_calms() -> None:
    out, blank = list(pattern(0.3, 8.0)), list(flashes([], 40.0))
    for sample in blank:
        sample.time += 8.0
    (event,) = samples.events([*out, *blank], Profile.FILE, only=["av_sync"])
    assert event.detail["offset_ms"] == pytest.approx(300, abs=10)


def test_keeps_no_pictures_of_a_fragment() -> None:
    detector = samples.fresh("av_sync")
    for picture in samples.pictures(scenes.studio(4.0, samples.SIZE)):
        list(detector.look(picture))
        kept = [each for each in _reachable(detector._fragment) if isinstance(each, Picture)]
        assert len(kept) <= 6


class Talking(Fragment):
    """Somebody talks throughout: in the second fragment plainly, in the others as seen from afar."""

    def mouths(self) -> list[Mouth]:
        return [Mouth(1)]

    def hear(self, ear: Ear, model: object) -> None:
        noise = 0.5 if round(self.start) == 4 else 4.0
        table = distances(*embeddings(100, 6, noise, seed=round(self.start)))
        self.said = [Talker(table, np.full(100, 0.2, np.float32), np.full(100, True))]


def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    monkeypatch.setattr(av_sync, "Fragment", Talking)
    material = samples.merge(flashes([], 15.0), samples.sound_blocks(sounds.speech(16.0)))
    found = findings(material, confidence=25.0)
    return [(round(finding.start), finding.detail["verdict"]) for finding in found]


def test_an_unsure_fragment_counts_together_with_the_one_before_or_after(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verdicts(monkeypatch)
    assert found == [(0, "out_of_sync"), (4, "out_of_sync"), (8, "out_of_sync"), (12, "inconclusive")]


def _reachable(thing: object, seen: set[int] | None = None) -> Iterator[object]:
    """What hangs on `thing`, as far as the lip sync modules hold it."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, np.ndarray | str | bytes):
        return
    seen.add(id(thing))
    yield thing
    parts: list[object] = list(getattr(thing, "__dict__", {}).values())
    if isinstance(thing, list | tuple):
        parts += thing
    if isinstance(thing, dict):
        parts += thing.values()
    for part in parts:
        yield from _reachable(part, seen)


def test_coverage_is_the_share_of_the_pictures_that_were_looked_at() -> None:
    chosen = build_detectors(Profile.LIVE, {"av_sync": {"every": 10.0}}, only=["av_sync"])
    pipeline = Pipeline(chosen, Profile.LIVE)
    for sample in pattern(0.0, 20.0):
        pipeline.feed(sample)
    assert pipeline.suite.coverage("av_sync") == pytest.approx(0.4, abs=0.02)
