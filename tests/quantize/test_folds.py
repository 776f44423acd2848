"""Recordings that are left out in turn: no one is judged by trees that heard it, and alarms are told by margin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra [quantize] is not installed")

import torch

from quantize.audio_artifacts import folds
from quantize.audio_artifacts.sources import CLASSES
from vqa_agent.hearing import MEASURES

SETTINGS = {
    "seed": 0, "trees": 8, "shrinkage": 0.5, "leaves": 4, "depth": 3, "least": 5, "features": 1.0, "ridge": 1.0,
}  # fmt: skip


def seconds(sources: int = 12, each: int = 20) -> dict[str, np.ndarray]:
    """Clips of ten seconds, every second one with all defects, which the first measure tells."""
    count = sources * each
    rng = np.random.default_rng(0)
    damaged = np.arange(count) // 10 % 2
    told = rng.normal(size=(count, MEASURES)).astype(np.float32)
    told[:, 0] = damaged + 0.01 * told[:, 0]
    return {
        "measures": told,
        "truth": np.repeat(damaged[:, None], len(CLASSES), axis=1).astype(np.int8),
        "source": np.repeat([f"speech/{number}" for number in range(sources)], each),
        "clip": np.arange(count) // 10,
        "kind": np.where(damaged, "hum sine", ""),
        "codec": np.full(count, ""),
    }


def test_a_defect_that_others_have_is_told() -> None:
    data = seconds()
    assert ((folds.left_out(data, SETTINGS, 3) > 0) == (data["truth"] == 1)).all()


def test_every_second_is_judged_by_trees_of_other_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seconds()
    data["measures"][:, 1] = np.unique(data["source"], return_inverse=True)[1]

    def grow(rest: dict[str, np.ndarray], settings: dict[str, Any]) -> Any:
        known = torch.from_numpy(np.unique(rest["measures"][:, 1]))
        return lambda told: torch.isin(told[:, [1]], known).float().expand(-1, len(CLASSES))

    monkeypatch.setattr(folds, "grow", grow)
    assert not folds.left_out(data, SETTINGS, 3).any()


def test_joined_sets_keep_their_clips_apart() -> None:
    one, other = seconds(2), seconds(3)
    whole = folds.joined({"train": one, "validation": other})
    assert len(np.unique(whole["clip"])) == len(np.unique(one["clip"])) + len(np.unique(other["clip"]))


def test_alarms_tell_margin_and_recall(capsys: pytest.CaptureFixture[str]) -> None:
    data: dict[str, Any] = seconds()
    folds.alarms(data, np.where(data["truth"] == 1, 4.0, -4.0))
    assert "3 an hour at -4.0: 1.000" in capsys.readouterr().out
