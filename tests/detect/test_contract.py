"""What every detector must keep to. Finds each registered detector by itself.

A detector's simulated defect is `defective()` in its test module, tests/detect/test_<name>.py.
"""

from __future__ import annotations

import importlib
import itertools
import json
import pickle
import time
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from pydantic import ValidationError

from tests.detect import samples
from vqa_agent.detect import Detector, Finding, Profile, detectors
from vqa_agent.media import Caption, Fact, Picture, Sample, Sound
from vqa_agent.simulate import scenes, sounds

NAMES = sorted(detectors())
HEADINGS = ("Sees:", "Formula:", "Settings:", "Mistakes:", "Source:", ">>>")
COST_LIMIT = {"cheap": 40.0, "moderate": 150.0, "neural": 4000.0}
"""Greatest cost of a look, in units of one addition over the reduced luma of a 1080p picture."""


KINDS = {
    "video": (Picture,),
    "audio": (Sound,),
    "transport": (Fact,),
    "both": (Picture, Sound),
    "captions": (Caption, Sound, Fact),
}


def defect_of(name: str) -> Iterator[Sample]:
    """The samples of a detector's simulated defect, one by one: a picture knows the one before only until the next."""
    try:
        module = importlib.import_module(f"tests.detect.test_{name}")
    except ModuleNotFoundError:
        pytest.fail(f"detector {name} has no test: add tests/detect/test_{name}.py with defective()")
    if not hasattr(module, "defective"):
        pytest.fail(f"tests/detect/test_{name}.py must define defective(), the samples of its simulated defect")
    return iter(module.defective())


def clean(seconds: float = 6.0) -> Iterator[Sample]:
    return samples.merge(
        samples.pictures(scenes.action(seconds, samples.SIZE)),
        samples.sound_blocks(sounds.speech(seconds)),
        samples.signal(seconds),
    )


def read_only(sample: Sample) -> Sample:
    if isinstance(sample, Picture):
        sample.luma.setflags(write=False)
        for plane in sample.chroma or ():
            plane.setflags(write=False)
    if isinstance(sample, Sound):
        sample.samples = sample.samples.copy()
        sample.samples.setflags(write=False)
    return sample


def look(detector: Detector, material: Iterable[Sample]) -> list[Finding]:
    """The findings of a detector on the samples that it reads."""
    return [
        finding for sample in material if isinstance(sample, KINDS[detector.reads]) for finding in detector.look(sample)
    ]


def shown(name: str, material: Iterable[Sample]) -> list[Finding]:
    detector = samples.fresh(name)
    return [*look(detector, material), *detector.close()]


@pytest.mark.parametrize("name", NAMES)
class TestEveryDetector:
    def test_has_a_manual_in_the_fixed_form(self, name: str) -> None:
        manual = detectors()[name].manual()
        assert [heading for heading in HEADINGS if heading not in manual] == []

    def test_describes_every_setting(self, name: str) -> None:
        fields = detectors()[name].settings_type.model_fields
        assert [key for key, field in fields.items() if not field.description] == []

    @pytest.mark.parametrize("profile", list(Profile))
    def test_constructs_with_its_defaults(self, name: str, profile: Profile) -> None:
        assert samples.fresh(name, profile).profile is profile

    def test_refuses_an_unknown_setting(self, name: str) -> None:
        with pytest.raises(ValidationError):
            detectors()[name].settings_type.model_validate({"no_such_setting": 1})

    def test_leaves_its_input_as_it_was(self, name: str) -> None:
        shown(name, map(read_only, defect_of(name)))

    def test_says_the_same_of_the_same_and_forgets_on_reset(self, name: str) -> None:
        detector = samples.fresh(name)
        first = look(detector, defect_of(name))
        detector.reset()
        assert look(detector, defect_of(name)) == first

    def test_survives_pickling_in_the_middle(self, name: str) -> None:
        if reason := detectors()[name].skips.get("pickle"):
            pytest.skip(reason)
        whole = look(samples.fresh(name), defect_of(name))
        material = defect_of(name)
        detector = samples.fresh(name)
        before = look(detector, itertools.islice(material, 60))
        after = look(pickle.loads(pickle.dumps(detector)), material)
        assert [*before, *after] == whole

    def test_gives_sane_findings(self, name: str) -> None:
        findings = shown(name, defect_of(name))
        assert findings, "it said nothing at all"
        for finding in findings:
            assert 0.0 <= finding.score <= 1.0
            assert finding.start <= finding.end
            assert finding.names in detectors()[name].defects
            assert len(json.dumps(dict(finding.detail))) <= 160
            if finding.region is not None:
                x, y, width, height = finding.region
                assert min(finding.region) >= 0
                assert x + width <= 1.001
                assert y + height <= 1.001

    @pytest.mark.parametrize("profile", list(Profile))
    def test_is_silent_on_clean_material(self, name: str, profile: Profile) -> None:
        assert samples.names(samples.events(clean(), profile, only=[name])) == []

    @pytest.mark.parametrize("profile", list(Profile))
    def test_fires_on_its_own_defect(self, name: str, profile: Profile) -> None:
        settings = getattr(importlib.import_module(f"tests.detect.test_{name}"), "SETTINGS", {})
        found = samples.names(samples.events(defect_of(name), profile, only=[name], **{name: settings}))
        assert set(found) & set(detectors()[name].defects)

    def test_keeps_to_its_declared_cost(self, name: str) -> None:
        detector = samples.fresh(name)
        if detector.reads not in ("video", "both"):
            pytest.skip("the unit is a picture's; it reads none")
        rng = np.random.default_rng(0)
        luma = rng.integers(16, 235, (1080, 1920), dtype=np.uint8)
        shift = [np.roll(luma, number, axis=1) for number in range(6)]
        best, before = float("inf"), None
        for number in range(12):
            before = Picture(time=number / 25, duration=0.04, luma=shift[number % 6], previous=before)
            _ = before.small, before.histogram, before.difference, before.row_profile, before.column_profile
            started = time.process_time()
            list(detector.look(before))
            best = min(best, time.process_time() - started) if number > 2 else best
        assert best / addition_time(before.small) <= COST_LIMIT[detector.cost]


def addition_time(plane: np.ndarray) -> float:
    """Seconds for one addition over a plane, in 16 bits, without OpenCV's vectors."""
    wide = plane.astype(np.int16)
    started = time.process_time()
    for _ in range(40):
        _ = wide + wide
    return max((time.process_time() - started) / 40, 2e-5)
