"""What `status` makes of a status file, without a daemon."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from vqa_agent.detect.interface import Severity
from vqa_agent.event import Event, State
from vqa_agent.publish.messages import StreamState
from vqa_agent.service.messages import Signal
from vqa_agent.service.report import Recent
from vqa_agent.service.status import DeliveryStatus, Health, Status, StreamStatus, judge, read, write

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def status(**changes: Any) -> Status:
    fine = {
        "pid": os.getpid(),
        "time": NOW - timedelta(seconds=1),
        "started": NOW - timedelta(hours=1),
        "streams": {"main": StreamStatus(state="running", signal=Signal.OK)},
        "delivery": DeliveryStatus(configured=True, connected=True),
    }
    return Status(**(fine | changes))


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def stream(signal: Signal, state: str = "running", **more: Any) -> StreamStatus:
    return StreamStatus(state=state, signal=signal, **more)


@pytest.mark.parametrize(
    ("found", "health", "reason"),
    [
        pytest.param(status(), Health.HEALTHY, "", id="all is well"),
        pytest.param(status(streams={}), Health.HEALTHY, "", id="no stream is configured"),
        pytest.param(
            status(streams={"a": stream(Signal.OK), "b": stream(Signal.LOST, reason="timed out")}),
            Health.DEGRADED,
            "stream b: no signal: timed out",
            id="one of two streams is lost",
        ),
        pytest.param(
            status(streams={"a": stream(Signal.LOST)}),
            Health.DOWN,
            "no stream can be watched",
            id="all streams are lost",
        ),
        pytest.param(status(streams={"a": stream(Signal.ENDED, "ended")}), Health.HEALTHY, "", id="a file is over"),
        pytest.param(
            status(streams={"a": stream(Signal.OK), "b": stream(Signal.STARTING, "restarting", reason="killed")}),
            Health.DEGRADED,
            "stream b: restarting: killed",
            id="a worker failed",
        ),
        pytest.param(
            status(streams={"a": stream(Signal.OK, faults={"black": "ValueError: x"})}),
            Health.DEGRADED,
            "detector black is put aside, blind",
            id="a detector is put aside",
        ),
        pytest.param(
            status(streams={"a": stream(Signal.OK, blind={"stutter": "x", "tearing": "x"}, level_name="key pictures")}),
            Health.DEGRADED,
            "stream a: blind: stutter, tearing: x; the budget buys 'key pictures' only",
            id="detectors that do not look",
        ),
        pytest.param(
            status(streams={"a": stream(Signal.OK, degraded="too slow")}),
            Health.DEGRADED,
            "stream a: degraded: too slow",
            id="a stream that cannot be kept",
        ),
        pytest.param(
            status(delivery=DeliveryStatus(configured=True, pending=7, reason="nothing listens there")),
            Health.DEGRADED,
            "7 events wait: nothing listens there",
            id="the broker is away",
        ),
        pytest.param(
            status(delivery=DeliveryStatus(configured=True, connected=True, oldest=90)),
            Health.DEGRADED,
            "has not acknowledged",
            id="the broker is connected but silent",
        ),
        pytest.param(
            status(delivery=DeliveryStatus(configured=True, connected=True, trouble="the outbox cannot be written")),
            Health.DEGRADED,
            "the outbox cannot be written",
            id="the disk is full, and the broker takes all",
        ),
        pytest.param(status(delivery=DeliveryStatus()), Health.HEALTHY, "", id="no broker is wanted"),
        pytest.param(
            status(over_budget=True, cpu=1.3, budget=1.0), Health.DEGRADED, "above the budget", id="over the CPU budget"
        ),
        pytest.param(status(rss=2, memory=1), Health.DEGRADED, "memory", id="over the memory budget"),
        pytest.param(status(config_error="x"), Health.DEGRADED, "reload was refused", id="a reload was refused"),
        pytest.param(status(state="stopped"), Health.DOWN, "was stopped", id="it was stopped"),
        pytest.param(status(pid=dead_pid()), Health.DOWN, "died", id="it died"),
        pytest.param(status(time=NOW - timedelta(seconds=30)), Health.DOWN, "hangs", id="it hangs"),
    ],
)
def test_the_verdict_names_the_reason(found: Status, health: Health, reason: str) -> None:
    verdict = judge(found, NOW)
    assert verdict.health is health
    assert reason in "\n".join(verdict.reasons)
    assert bool(verdict.reasons) == (health is not Health.HEALTHY)


def test_the_file_is_replaced_as_a_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(path, status())
    write(path, status(agent="box"))
    assert read(path) == status(agent="box")
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_on_a_full_disk_the_room_of_the_file_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write(path, status(agent="box" * 100))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    for agent in ("a", "b" * 500):
        write(path, status(agent=agent))
        assert read(path) == status(agent=agent)
    with pytest.raises(OSError, match="No space"):
        write(path, status(agent="c" * 100_000))
    assert read(path) == status(agent="b" * 500)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'], ids=["empty", "cut", "a list", "wrong types"])
def test_a_file_that_is_no_status_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "status.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r".+"):
        read(path)


def event(number: int, state: State = State.OPEN) -> Event:
    return Event(
        v=1, id=f"{number:026d}", seq=number + 1, boot="b", stream="main", defect="black", state=state,
        severity=Severity.MAJOR, score=1.0, start=NOW, end=None, pts=0.0, duration=0.0, detail={},
    )  # fmt: skip


def test_the_last_events_are_listed_once_each_and_outlive_a_restart() -> None:
    recent = Recent()
    for number in range(12):
        recent.note(event(number))
    recent.note(event(5, State.CLOSED))
    listed = recent.latest()
    assert [int(each.id) for each in listed] == [5, 11, 10, 9, 8, 7, 6, 4, 3, 2]
    assert listed[0].state is State.CLOSED
    again = Recent()
    again.remember(listed)
    again.note(event(20))
    assert [int(each.id) for each in again.latest()] == [20, 5, 11, 10, 9, 8, 7, 6, 4, 3]


def test_the_signal_has_the_same_values_in_the_status_and_on_the_wire() -> None:
    assert set(get_args(StreamState.model_fields["signal"].annotation)) == {signal.value for signal in Signal}
