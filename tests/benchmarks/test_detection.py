from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.other_generator import VARIANTS, Variant
from benchmarks.results import Event, Result, Results, clean_table, recall_table
from benchmarks.traps import TRAPS
from vqa_agent.detect import detectors
from vqa_agent.simulate import scenes, sounds
from vqa_agent.simulate.cases import CASES

START, END = 0.4, 0.8
QUICK = [variant for variant in VARIANTS if variant.defect not in ("blockiness", "range", "stutter")]
"""Those that leave the other pictures as they are, and change some in every 0.4 s."""


def result(found: float | None, material: str = "m", kind: str = "ours") -> Result:
    events = [] if found is None else [Event("black", found, 8.0, "major")]
    return Result(kind, "file", "black" if kind != "clean" else "", "middle", material, 1800.0, 4.0, 8.0, events)


def test_recall_counts_events_at_the_time_of_the_defect() -> None:
    table = recall_table([result(4.2, "a"), result(None, "b"), result(20.0, "c"), result(4.6, "d")])
    assert "| black | middle | 4 | 0.50 | 0.40 | 0.60 |" in table


def test_alarms_are_counted_by_the_hour() -> None:
    table = clean_table([result(1.0, "a", "clean"), result(None, "b", "clean")])
    assert "| black | 1 | 1.0 | 0 | a (1.0 s) |" in table


def test_what_a_recording_came_with_is_no_false_alarm() -> None:
    events = [Event("silence", 0.0, 9.0, "major"), Event("freeze", 1.0, 4.0, "major")]
    table = clean_table([Result("clean", "file", "", "", "scenes/01_dog.mp4", 3600.0, events=events)])
    assert "| **all** | 1 | 1.0 | 0 | |" in table
    assert "- silence in scenes/01_dog.mp4: digital zero" in table


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    Results(tmp_path / "r.jsonl").add(result(4.0))
    again = Results(tmp_path / "r.jsonl")
    assert again.all == [result(4.0)]
    assert again.knows("ours", "file", "black", "middle", "m")


@pytest.mark.parametrize("variant", QUICK, ids=lambda variant: f"{variant.defect}, {variant.name}")
def test_a_variant_changes_its_interval_and_nothing_else(variant: Variant) -> None:
    if variant.video is None:
        assert variant.audio is not None
        clean = sounds.music(1.0)
        changed = variant.audio(clean, START, END)
        first, last = round(START * sounds.SAMPLE_RATE), round(END * sounds.SAMPLE_RATE)
        outside = np.r_[0:first, last : clean.shape[1]]
        assert np.array_equal(changed[:, outside], clean[:, outside])
        assert not np.array_equal(changed, clean)
        return
    images = list(scenes.action(1.2, (160, 96)))
    shown = list(variant.video(iter(images), START, END))
    assert len(shown) == len(images)
    same = [np.array_equal(one, other) for one, other in zip(images, shown, strict=True)]
    assert all(same[:10])
    assert all(same[20:])
    assert not all(same[10:20])


def test_cases_and_variants_are_of_defects_that_exist() -> None:
    known = {defect for detector in detectors().values() for defect in detector.defects}
    assert {case.defect for case in CASES} | {variant.defect for variant in VARIANTS} <= known
    assert len({trap.name for trap in TRAPS}) == len(TRAPS)
