"""The budget of CPU and memory, for streams whose workers are made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.service.test_herald import BEAT
from vqa_agent.config import Config, validate
from vqa_agent.sample.governor import BOTTOM
from vqa_agent.service import steward as steward_module
from vqa_agent.service.meter import Use, own_cgroup
from vqa_agent.service.steward import MEMORY_PATIENCE, MEMORY_REST, Steward
from vqa_agent.service.stream import State, WatchedStream


class FakeMeter:
    """Says what it was told to say."""

    use = Use()

    def measure(self, workers: Mapping[str, int]) -> Use:
        return self.use


class FakeStream(WatchedStream):
    """A stream that seems to have a worker, and notes what is asked of it."""

    asked: list[Any]

    @property
    def pid(self) -> int | None:
        return 1

    def _send(self, order: Any) -> None:
        self.asked = [*getattr(self, "asked", []), order]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    streams = [
        {"name": "live", "url": "udp://@:5000"},
        {"name": "file", "url": "/media/clip.ts", "profile": "file"},
    ]
    return validate({"agent": {"state_dir": tmp_path}, "budget": {"cpu": "100%", "memory": "500M"}, "stream": streams})


@pytest.fixture
def steward(config: Config, monkeypatch: pytest.MonkeyPatch) -> Steward:
    monkeypatch.setattr(steward_module, "Meter", FakeMeter)
    return Steward(config)


def streams(config: Config) -> dict[str, FakeStream]:
    made = {section.name: FakeStream(section) for section in config.stream}
    for stream in made.values():
        stream.beat, stream.state = BEAT, State.RUNNING
    return made


def test_a_file_without_a_speed_of_its_own_is_looked_at_whole_and_gets_what_is_left(
    steward: Steward, config: Config
) -> None:
    watched = streams(config)
    FakeMeter.use = Use(0.9, {"live": 0.3, "file": 0.55})
    for second in range(20):
        steward.step(second, watched)
    assert steward.level("file") == 0
    assert watched["file"].asked[-1].index == 0
    assert watched["file"].asked[-1].cores == pytest.approx(0.95 - 0.35, abs=0.02)


def test_a_stream_that_is_too_dear_falls_and_what_was_learnt_is_kept(
    steward: Steward, config: Config, tmp_path: Path
) -> None:
    watched = streams(config)
    FakeMeter.use = Use(2.0, {"live": 1.9, "file": 0.0})
    for second in range(90):
        steward.step(second, watched)
    assert steward.level("live") == BOTTOM
    assert (tmp_path / "costs.json").is_file()
    assert steward.exhausted


def test_the_largest_worker_is_started_anew_when_memory_stays_above_the_budget(
    steward: Steward, config: Config
) -> None:
    watched = streams(config)
    FakeMeter.use = Use(0.1, {}, 600_000_000, {"live": 300_000_000, "file": 100_000_000})
    steward.step(0.0, watched)
    assert steward.too_large(0.0) is None
    assert steward.too_large(MEMORY_PATIENCE - 1) is None
    found = steward.too_large(MEMORY_PATIENCE)
    assert found is not None
    assert found.stream == "live"
    assert "600 MB in use, above the budget of 500 MB" in found.reason
    assert steward.too_large(MEMORY_PATIENCE + 5) is None
    assert steward.too_large(MEMORY_PATIENCE + MEMORY_REST) is not None


def test_a_short_peak_of_memory_is_let_pass(steward: Steward, config: Config) -> None:
    watched = streams(config)
    for second in range(120):
        FakeMeter.use = Use(0.1, {}, 600_000_000 if second % 20 else 100_000_000, {"live": 1})
        steward.step(second, watched)
        assert steward.too_large(second) is None


def test_a_stream_that_is_given_up_counts_as_failed_for_that_reason(config: Config) -> None:
    stream = WatchedStream(config.stream[0])
    stream.start(0.0)
    stream.give_up("memory: too much")
    assert stream.check(1.0) == "memory: too much"
    assert stream.pid is None
    assert stream.restarts == 1


def tree_of(folder: Path, members: list[int], usage: str = "usage_usec 1500000\n") -> Path:
    membership = Path("/proc/self/cgroup").read_text(encoding="ascii")
    path = next((line.removeprefix("0::/") for line in membership.splitlines() if line.startswith("0::/")), None)
    if path is None:
        pytest.skip("this system has no cgroups of version 2")
    (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in members))
    (folder / path / "cpu.stat").write_text(usage)
    return folder / path


def test_a_cgroup_of_its_own_is_used_and_one_that_is_shared_is_not(tmp_path: Path) -> None:
    me = psutil.Process()
    place = tree_of(tmp_path, [me.pid])
    assert own_cgroup(me, tmp_path) == place
    tree_of(tmp_path, [me.pid, 1])
    assert own_cgroup(me, tmp_path) is None
    tree_of(tmp_path, [me.pid], "user_usec 3\n")
    assert own_cgroup(me, tmp_path) is None
    assert own_cgroup(me, tmp_path / "none") is None
