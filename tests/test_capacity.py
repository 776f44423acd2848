"""What a box can carry: measured, kept, and answered from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vqa_agent import capacity
from vqa_agent.capacity import Capacity, Form, measure, plan, read_capacity, write_capacity
from vqa_agent.capture import hardware
from vqa_agent.capture.hardware import Way
from vqa_agent.cli import app
from vqa_agent.cli import capacity as capacity_command
from vqa_agent.errors import AgentError, UsageError
from vqa_agent.sample import LADDER

KNOWN = Capacity("1", {"1080p30": [0.5, 0.45, 0.4, 0.3, 0.25, 0.07, 0.06, 0.055, 0.05], "720p25": [0.1] * len(LADDER)})


def test_every_rung_is_measured_and_leaving_out_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "FORMS", {"small": Form(320, 180, 25, 400_000)})
    told: list[str] = []
    found = measure(told.append)
    costs = found.cores["small"]
    assert len(costs) == len(LADDER)
    assert all(cost > 0 for cost in costs)
    assert costs[-1] < costs[0]
    assert len(told) == len(LADDER) + 1


@pytest.mark.parametrize(("streams", "budget"), [(1, 1.0), (4, 1.0), (8, 1.0), (4, 0.6), (2, 0.3)])
def test_a_plan_stays_within_the_budget_and_uses_it(streams: int, budget: float) -> None:
    found = plan(KNOWN, "1080p30", streams, budget)
    assert sum(found.rungs.values()) == streams
    assert found.kept
    assert found.cores <= budget
    assert found.rungs == {0: streams} or found.cores > 0.4 * budget


def test_a_plan_that_cannot_be_kept_says_how_many_can() -> None:
    found = plan(KNOWN, "1080p30", 40, 0.5)
    assert not found.kept
    assert found.rungs == {len(LADDER) - 1: 40}
    assert found.most == 10


def test_what_was_measured_is_kept_and_an_older_ladder_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match="run: vqa-agent bench"):
        read_capacity(tmp_path)
    path = write_capacity(tmp_path, KNOWN)
    assert read_capacity(tmp_path) == KNOWN
    path.write_text(json.dumps({"version": "0", "cores": {"1080p30": [1.0], "720p25": [1.0]}}))
    with pytest.raises(UsageError):
        read_capacity(tmp_path)
    (tmp_path / "file").touch()
    assert write_capacity(tmp_path / "file" / "x", KNOWN).is_relative_to(tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(AgentError, match="cannot be written"):
        write_capacity(tmp_path / "file" / "x", KNOWN)


def test_the_plan_on_the_command_line(tmp_path: Path) -> None:
    write_capacity(tmp_path, KNOWN)
    config = tmp_path / "agent.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}"\n')

    def answer(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["plan", "--config", str(config), *arguments])
        return result.exit_code, result.output

    assert answer("--streams", "1", "--budget", "100%") == (
        0, "1 streams of 1080p30 within 100% of a core take about 50%:\n  1 with 'full'\n",
    )  # fmt: skip
    code, text = answer("--streams", "40", "--budget", "50%")
    assert code == 1
    assert "50% carries 10" in text
    code, text = answer("--streams", "4", "--budget", "60%", "--json")
    assert sum(json.loads(text)["rungs"].values()) == 4
    code, text = answer("--streams", "4", "--budget", "a lot")
    assert code == 2
    assert "must be a share of one core" in text


def test_hardware_that_decodes_is_measured_beside_software(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's own decoder takes the place of the hardware."""
    monkeypatch.setattr(capacity, "FORMS", {"small": Form(320, 180, 25, 400_000)})
    monkeypatch.setitem(hardware.WAYS, "v4l2m2m", Way("null"))
    monkeypatch.setitem(hardware.WAYS, "vaapi", Way("no-such-node"))
    told: list[str] = []
    found = measure(told.append)
    assert list(found.hardware["small"]) == ["v4l2m2m"]
    assert 0 < found.hardware["small"]["v4l2m2m"] < 2 * found.cores["small"][0]
    assert told[-1] == "small: full, decode = v4l2m2m"


def test_bench_says_whether_hardware_pays_and_why_it_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hardware.WAYS, "v4l2m2m", Way("null"))
    monkeypatch.setitem(hardware.WAYS, "vaapi", Way("no-such-node"))
    measured = replace(KNOWN, hardware={"1080p30": {"v4l2m2m": 0.35}, "720p25": {"v4l2m2m": 0.095}})
    monkeypatch.setattr(capacity_command, "measure", lambda tell: measured)
    config = tmp_path / "agent.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}"\n')
    result = CliRunner().invoke(app, ["bench", "--config", str(config)])
    lines = result.output.splitlines()
    assert "1080p30, decode = v4l2m2m: 35.0%, 30% less than in software: it pays" in lines
    assert "720p25, decode = v4l2m2m: 9.5%, 5% less than in software: not worth setting" in lines
    assert "decode = vaapi: this box has no /dev/no-such-node" in lines
    assert read_capacity(tmp_path) == measured
