"""The workshop's shared parts: the manifest, the cache of prepared data, bounds, seeds."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

import quantize.cache
from quantize.bounds import by_source
from quantize.cache import Arrays, cached
from quantize.manifest import record
from quantize.setup import read_config, seed_everything
from vqa_agent.infer import read_manifest
from vqa_agent.infer.manifest import read_verified


def enter(folder: Path, name: str, content: bytes, **more: object) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / f"{name}.onnx").write_bytes(content)
    record(name, inputs={"x": (1, 2)}, outputs=["y"], folder=folder, **more)  # type: ignore[arg-type]


class TestManifest:
    def test_what_is_recorded_is_read_back(self, tmp_path: Path) -> None:
        scores = {"auc": 0.987, "by_class": {"hum, 50 Hz": {"recall": 0.9, "bounds": [0.8, 0.95]}}}
        enter(
            tmp_path,
            "net",
            b"abc",
            classes=("a", 'quoted "b"'),
            thresholds={"a": 0.25},
            data="Two\nlines.",
            scores=scores,
        )
        info = read_manifest(tmp_path)["net"]
        assert info.classes == ("a", 'quoted "b"')
        assert info.thresholds == {"a": 0.25}
        assert info.scores == scores
        assert (info.full.bytes, info.reduced) == (3, None)
        assert read_verified(info, info.full, tmp_path) == b"abc"

    def test_a_second_record_replaces_its_own_entry_alone(self, tmp_path: Path) -> None:
        enter(tmp_path, "one", b"1")
        enter(tmp_path, "two", b"2")
        before = read_manifest(tmp_path)
        enter(tmp_path, "two", b"22")
        after = read_manifest(tmp_path)
        assert after["one"] == before["one"]
        assert after["two"].full != before["two"].full

    def test_a_twin_is_entered_where_there_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "net.reduced.onnx").write_bytes(b"twin")
        enter(tmp_path, "net", b"abc")
        info = read_manifest(tmp_path)["net"]
        assert info.reduced is not None
        assert read_verified(info, info.reduced, tmp_path) == b"twin"


class TestCache:
    def build(self) -> Arrays:
        self.built = getattr(self, "built", 0) + 1
        return {"x": np.arange(6).reshape(2, 3), "label": np.array([0, 1])}

    def test_the_same_configuration_is_built_once(self, tmp_path: Path) -> None:
        first = cached("set", {"seed": 1, "size": 2}, self.build, tmp_path)
        second = cached("set", {"size": 2, "seed": 1}, self.build, tmp_path)
        assert self.built == 1
        for name in ("x", "label"):
            np.testing.assert_array_equal(first[name], second[name])

    def test_another_configuration_is_built_anew(self, tmp_path: Path) -> None:
        cached("set", {"seed": 1}, self.build, tmp_path)
        cached("set", {"seed": 2}, self.build, tmp_path)
        cached("other", {"seed": 1}, self.build, tmp_path)
        assert self.built == 3

    def test_an_interrupted_build_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(np, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached("set", {"seed": 1}, self.build, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_its_documentation_is_right(self) -> None:
        assert doctest.testmod(quantize.cache).failed == 0


class TestBounds:
    def test_segments_of_one_source_are_no_new_evidence(self) -> None:
        rng = np.random.default_rng(1)
        per_source = rng.normal(0, 1, 40)
        sources = np.repeat(np.arange(40), 50)
        values = per_source[sources] + rng.normal(0, 0.1, sources.size)
        low, high = by_source(lambda each: float(each.mean()), sources, values)
        narrow_low, narrow_high = by_source(lambda each: float(each.mean()), np.arange(sources.size), values)
        assert low < values.mean() < high
        assert high - low == pytest.approx(2 * 1.96 * per_source.std() / np.sqrt(40), rel=0.2)
        assert high - low > 4 * (narrow_high - narrow_low)

    def test_draws_without_a_value_are_left_out(self) -> None:
        def only_with_both(truth: np.ndarray) -> float:
            return float(truth.mean()) if 0 < truth.sum() < truth.size else float("nan")

        low, high = by_source(only_with_both, np.arange(4), np.array([0, 0, 1, 1]))
        assert 0 < low <= high < 1


def test_a_seed_repeats_everything_that_draws() -> None:
    torch = pytest.importorskip("torch", reason="the extra [quantize] is not installed")
    drawn = []
    for _ in range(2):
        rng = seed_everything(7)
        drawn.append((rng.random(), np.random.random(), float(torch.rand(1))))
    assert drawn[0] == drawn[1]


def test_a_configuration_is_toml(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("seed = 3\n[train]\nrate = 0.001\n")
    assert read_config(tmp_path / "config.toml") == {"seed": 3, "train": {"rate": 0.001}}
