"""`vqa-agent models` and `vqa-agent samples` as a person uses them."""

from __future__ import annotations

import json
import shutil
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from quantize.samples import read_samples
from tests.infer.networks import install
from vqa_agent.cli import app, models
from vqa_agent.detect import detectors
from vqa_agent.infer import choice, open_model, prefer
from vqa_agent.learning import SampleStore
from vqa_agent.learning.keeper import picture_files, wav
from vqa_agent.media import Picture
from vqa_agent.simulate import scenes
from vqa_agent.simulate.encode import encode


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    install(folder, "small", seed=0)
    install(folder, "other", seed=1)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models, which are the ones that the commands see."""
    copy = Path(shutil.copytree(made, tmp_path / "models"))
    monkeypatch.setattr(models, "MODELS", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_known", {})
    prefer("auto", None)
    return copy


def test_analyze_names_a_detector_that_cannot_open_its_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(self: object, picture: Picture) -> list[object]:
        open_model("none-such", folder=folder)
        return []

    clip = encode(tmp_path / "clip.ts", scenes.pan(1, (160, 90), noise=0.0))
    monkeypatch.setattr(detectors()["black"], "look", blind)
    result = invoke("analyze", clip, "--only", "black,freeze")
    assert result.exit_code == 0
    assert "no defects" in result.stdout
    expected = f"vqa-agent: analysing {clip}: detector black failed, and was put aside: opening model 'none-such'"
    assert result.stderr.startswith(expected)
    assert result.stderr.count("\n") == 1


class TestModels:
    def test_list_names_what_runs_here(self, folder: Path) -> None:
        result = invoke("models", "list")
        assert result.exit_code == 0
        for word in ("small", "other", "clean, damaged", "timed at first use", "onnxruntime"):
            assert word in result.stdout

    def test_list_as_json(self, folder: Path) -> None:
        described = json.loads(invoke("models", "list", "--json").stdout)
        assert [each["name"] for each in described] == ["other", "small"]
        assert described[0]["runs"] in ("other.onnx", "other.reduced.onnx")
        assert described[0]["runtime"] is None

    def test_verify_finds_all_well(self, folder: Path) -> None:
        result = invoke("models", "verify")
        assert result.exit_code == 0
        assert result.stdout.count("ok ") == len(result.stdout.splitlines()) == 10
        assert "small: the same answer on all runtimes" in result.stdout

    @pytest.mark.parametrize("name", ["small.onnx", "small.reduced.onnx"])
    def test_verify_finds_a_damaged_file(self, folder: Path, name: str) -> None:
        with (folder / "small" / name).open("ab") as file:
            file.write(b"x")
        result = invoke("models", "verify", "--json")
        assert result.exit_code == 1
        wrong = [check for check in json.loads(result.stdout) if check["fault"]]
        assert {check["model"] for check in wrong} == {"small"}
        assert wrong[0]["subject"] == name
        assert "SHA-256" in wrong[0]["fault"]

    def test_verify_finds_runtimes_that_disagree(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = iter([[np.array([1.0])], [np.array([0.9])]])
        monkeypatch.setattr(models, "_answer", lambda info, backend: next(answers))
        result = invoke("models", "verify", "small")
        assert result.exit_code == 1
        assert "small: the same answer on all runtimes (10.0% apart)" in result.stdout

    def test_bench_times_every_model_on_every_runtime(self, folder: Path) -> None:
        result = invoke("models", "bench", "--runs", 3, "--json")
        assert result.exit_code == 0
        rows = json.loads(result.stdout)
        assert {(row["model"], row["runtime"]) for row in rows} == {
            (model, runtime) for model in ("small", "other") for runtime in ("onnxruntime", "openvino")
        }
        assert all(0 < row["ms"] < 1000 and row["megabytes"] > 1 for row in rows)

    def test_bench_says_which_could_not_be_timed(self, folder: Path) -> None:
        (folder / "small" / "small.onnx").unlink()
        result = invoke("models", "bench", "small", "--runs", 3)
        assert result.exit_code == 1
        assert result.stderr.count("timing model 'small' with") == 2

    def test_an_unknown_model_is_one_line(self, folder: Path) -> None:
        result = invoke("models", "verify", "none-such")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "vqa-agent: there is no model 'none-such'; known are other, small\n"

    def test_no_models_at_all_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models, "MODELS", tmp_path)
        result = invoke("models", "verify")
        assert result.exit_code == 1
        assert (
            result.stderr == f"vqa-agent: looking for models in {tmp_path}: there are none; install the agent again\n"
        )


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    """A picture of 9 x 16 with the one before it, and 0.1 s of stereo sound."""
    store = SampleStore(tmp_path / "samples", 10_000_000)
    now = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    values = {"stream": "main", "time": now, "start": 1.0, "end": 2.0, "score": 0.5}
    rate = {"rate": 48_000}
    before = Picture(time=0, duration=0.04, luma=np.full((9, 16), 100, np.uint8))
    picture = Picture(time=0.04, duration=0.04, luma=np.full((9, 16), 101, np.uint8), previous=before)
    store.add(picture_files(picture), kind="picture", detector="block_corruption", uncertainty=0.9, **values)
    sound = wav(np.full((2, 4800), 0.25, np.float32), 48_000)
    store.add({"wav": sound}, kind="sound", detector="audio_artifacts", uncertainty=0.8, detail=rate, **values)
    return store


class TestSamples:
    def test_list_shows_the_least_sure_first(self, store: SampleStore) -> None:
        result = invoke("samples", "list", "--directory", store.directory)
        assert result.exit_code == 0
        assert result.stdout.index("block_corruption") < result.stdout.index("audio_artifacts")
        assert "2026-11-24 02:30:00" in result.stdout
        assert result.stderr == f"2 samples in {store.directory}\n"

    def test_label_by_the_beginning_of_an_id(self, store: SampleStore) -> None:
        assert invoke("samples", "label", "900", "damaged", "--directory", store.directory).exit_code == 0
        (shown, _) = json.loads(invoke("samples", "list", "--json", "--directory", store.directory).stdout)
        assert shown["label"] == "damaged"

    @pytest.mark.parametrize("name", ["out", "out.tar"])
    def test_what_is_exported_is_what_the_training_reads(self, store: SampleStore, tmp_path: Path, name: str) -> None:
        invoke("samples", "label", "900", "damaged", "--directory", store.directory)
        invoke("samples", "label", "800", "hum, hiss", "--directory", store.directory)
        result = invoke("samples", "export", tmp_path / name, "--directory", store.directory)
        assert (result.exit_code, result.stderr) == (0, f"2 samples written to {tmp_path / name}\n")
        picture, sound = read_samples(tmp_path / name)
        assert (picture.labels, picture.kind, picture.source) == (("damaged",), "picture", "main")
        assert picture.previous is not None
        assert (int(picture.data[0, 0]), int(picture.previous[0, 0]), picture.data.shape) == (101, 100, (9, 16))
        assert (sound.labels, sound.kind, sound.detail) == (("hum", "hiss"), "sound", {"rate": 48_000})
        np.testing.assert_array_equal(sound.data, np.full((2, 4800), 0.25, np.float32))
        assert [each.id for each in read_samples(tmp_path / name, "audio_artifacts")] == [sound.id]

    def test_an_export_is_private_and_has_no_paths_of_this_machine(self, store: SampleStore, tmp_path: Path) -> None:
        invoke("samples", "export", tmp_path / "out.tar", "--all", "--directory", store.directory)
        assert stat.S_IMODE((tmp_path / "out.tar").stat().st_mode) == 0o600
        with tarfile.open(tmp_path / "out.tar") as archive:
            assert {name.partition("/")[0] for name in archive.getnames()} == {"out"}

    def test_only_labelled_ones_go_unless_all_are_asked_for(self, store: SampleStore, tmp_path: Path) -> None:
        refused = invoke("samples", "export", tmp_path / "out", "--directory", store.directory)
        assert refused.exit_code == 1
        assert "none has a label" in refused.stderr
        assert invoke("samples", "export", tmp_path / "out", "--all", "--directory", store.directory).exit_code == 0
        assert [sample.labels for sample in read_samples(tmp_path / "out")] == [(), ()]

    def test_nothing_is_overwritten(self, store: SampleStore, tmp_path: Path) -> None:
        (tmp_path / "out.tar").write_text("mine")
        result = invoke("samples", "export", tmp_path / "out.tar", "--all", "--directory", store.directory)
        assert result.exit_code == 1
        assert (tmp_path / "out.tar").read_text() == "mine"
        assert result.stderr == (
            f"vqa-agent: exporting samples to {tmp_path / 'out.tar'}: it exists; name a new folder or .tar file\n"
        )

    def test_an_unknown_sample_is_one_line(self, store: SampleStore) -> None:
        result = invoke("samples", "label", "none-such", "clean", "--directory", store.directory)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)

    def test_the_folder_comes_from_the_configuration(self, store: SampleStore, tmp_path: Path) -> None:
        (tmp_path / "agent.toml").write_text(f'[samples]\ndirectory = "{store.directory}"\n')
        result = invoke("samples", "list", "--config", tmp_path / "agent.toml", "--json")
        assert len(json.loads(result.stdout)) == 2

    def test_an_export_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="make one with vqa-agent samples export"):
            list(read_samples(tmp_path))
