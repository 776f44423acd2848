from __future__ import annotations

import pytest

from vqa_agent.cli import analyze


@pytest.fixture(autouse=True)
def unsealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in this process must not seal it."""
    monkeypatch.setattr(analyze, "seal_look", lambda urls: None)
