"""A folder with one small model in it, and no memory of which runtime was faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infer.networks import install
from vqa_agent.infer import choice, prefer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models; not to be written to."""
    folder = tmp_path_factory.mktemp("models")
    install(folder)
    return folder


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's process remembers which runtime is the faster one."""
    monkeypatch.setattr(choice, "_known", {})
    prefer("auto", tmp_path / "state")
    yield tmp_path / "state"
    prefer("auto", None)
