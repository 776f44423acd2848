"""What the benchmarks of the budget measure with."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from benchmarks.budget import LASTS, START, Run
from benchmarks.daemon import competing, configuration, spent
from benchmarks.recall import PATIENCE, Heard
from vqa_agent.config import load


def test_the_configuration_is_one_that_the_agent_takes(tmp_path: Path) -> None:
    config = load(configuration(tmp_path, "150%", ["/a.ts", "/b.ts"], broker="mqtt://127.0.0.1:1883"))
    assert config.budget.cpu == 1.5
    assert [(stream.url, stream.loop, stream.realtime) for stream in config.stream] == [
        ("/a.ts", True, True), ("/b.ts", True, True),
    ]  # fmt: skip


def test_competing_processes_end_with_the_block() -> None:
    before = set(psutil.Process().children())
    with competing(2):
        begun = set(psutil.Process().children()) - before
    assert len(begun) == 2
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in begun)


def test_what_an_ended_child_has_used_is_counted() -> None:
    me = psutil.Process()
    before = spent(me)
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], check=True)
    assert spent(me) > before


def test_windows_begin_after_the_start() -> None:
    run = Run("50%", 1, cores=[9.0] * START + [0.4] * 10 + [0.6] * 5)
    assert run.averages[0] == pytest.approx(0.4)
    assert run.averages[-1] == pytest.approx(0.5)


def test_a_defect_is_heard_of_by_stream_and_in_time() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    late = began + timedelta(seconds=LASTS + PATIENCE + 1)
    heard = Heard([("s0", "black", began + timedelta(seconds=2.5)), ("s1", "black", late)])
    assert heard.delay("s0", "black", began) == 2.5
    assert heard.delay("s1", "black", began) is None
    assert heard.delay("s0", "freeze", began) is None
