"""A worker keeps samples when it is told to, and only then."""

from __future__ import annotations

import multiprocessing
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from vqa_agent.capture import Source, open_source
from vqa_agent.config import Config, validate
from vqa_agent.detect import Detector, Finding, Profile, Rule, Settings
from vqa_agent.judge import Judge
from vqa_agent.learning import SampleStore
from vqa_agent.media import Picture
from vqa_agent.service import worker as worker_module
from vqa_agent.service.worker import Task, Worker
from vqa_agent.simulate import scenes
from vqa_agent.simulate.encode import encode


class Unsure(Detector[Settings]):
    """A network that is never sure."""

    name, reads, cost, defects = "unsure", "video", "neural", ("unsure",)
    settings_type = Settings
    rules = dict.fromkeys(Profile, Rule(1.0, 1.0))

    def look(self, picture: Picture) -> Iterable[Finding]:
        yield Finding(self.name, picture.time, picture.end, 0.5, False, uncertainty=0.8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "clip.ts", scenes.pan(1, (160, 90), noise=0.0))


def watch(clip: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch, **samples: Any) -> Config:
    config = validate(
        {
            "agent": {"state_dir": state_dir},
            "samples": samples,
            "stream": [{"name": "main", "url": str(clip), "profile": "file"}],
        }
    )
    monkeypatch.setattr(worker_module, "build_detectors", lambda *_, **__: [Unsure(Settings(enabled=True))])
    monkeypatch.setattr(Judge, "weigh", lambda self, findings: [])
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs, open_source(Source.from_config(config.stream[0])) as capture:
        # Not run(): its second thread ends this process when the pipe closes.
        Worker(Task(config.stream[0], config=config), theirs)._watch(capture)
    return config


def test_nothing_is_kept_by_default(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(clip, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_what_was_unsure_is_kept_in_the_state_directory(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = watch(clip, tmp_path, monkeypatch, enabled=True)
    (kept,) = SampleStore(config.samples_directory, 0).samples()
    assert (kept.stream, kept.detector) == ("main", "unsure")
    assert config.samples_directory == tmp_path / "samples"
    assert stat.S_IMODE(config.samples_directory.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_does_not_stop_the_stream(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    watch(clip, tmp_path, monkeypatch, enabled=True, directory=tmp_path / "file" / "samples")
    assert len(caplog.records) == 1
    assert "keeping a sample in" in caplog.text
