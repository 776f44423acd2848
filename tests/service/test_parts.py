"""The supervisor's parts, one by one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.service.harness import until
from vqa_agent.config import StreamSection
from vqa_agent.detect import Severity
from vqa_agent.event import EventDraft, State
from vqa_agent.publish import Outbox
from vqa_agent.service.ledger import WORKER_FAILED, Ledger
from vqa_agent.service.messages import Beat, Signal
from vqa_agent.service.meter import Meter
from vqa_agent.service.notify import Notifier
from vqa_agent.service.stream import FASTEST, HANG, LONGEST_DELAY, SLOWEST, SOUND_RUN, WatchedStream

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def draft(state: State = State.OPEN, number: int = 1, start: datetime = NOW, **changes: object) -> EventDraft:
    values = {
        "id": f"01J0000000000000000000000{number}",
        "stream": "main",
        "defect": "black",
        "state": state,
        "severity": Severity.MAJOR,
        "score": 1.0,
        "start": start,
        "end": None if state is not State.CLOSED else start + timedelta(seconds=5),
        "pts": 3.0,
        "duration": 2.0,
        "detail": {"luma": 0.01},
    }
    return EventDraft.model_validate(values | changes)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db")


def test_an_event_keeps_the_start_with_which_it_was_opened(outbox: Outbox) -> None:
    ledger = Ledger(outbox)
    ledger.enter([draft()])
    ledger.enter([draft(State.CLOSED, start=NOW + timedelta(seconds=9), pts=12.0)])
    opened, closed = ledger.commit()
    assert opened.start == closed.start == NOW
    assert opened.pts == closed.pts
    assert ledger.open_defects("main") == []


def test_what_was_open_ends_with_the_worker_and_the_failure_ends_with_the_next(outbox: Outbox) -> None:
    ledger = Ledger(outbox)
    ledger.enter([draft(), draft(number=2, stream="other")])
    ledger.fail("main", "killed by SIGKILL", 7.0, NOW + timedelta(seconds=4))
    assert [each.defect for each in ledger.open_defects("main")] == [WORKER_FAILED]
    ledger.recover("main", NOW + timedelta(seconds=6))
    events = {(event.defect, event.state): event for event in ledger.commit() if event.stream == "main"}
    assert events["black", State.CLOSED].duration == 4.0
    assert events["black", State.CLOSED].detail == {"luma": 0.01, "reason": "its worker failed"}
    assert events[WORKER_FAILED, State.CLOSED].duration == 2.0
    assert len(ledger.open_defects("other")) == 1


def test_events_of_a_killed_run_end_at_its_last_sign_of_life(tmp_path: Path) -> None:
    before = Outbox(tmp_path / "outbox.db")
    Ledger(before).commit()
    first = Ledger(before)
    first.enter([draft()])
    first.commit()
    before.close()
    outbox = Outbox(tmp_path / "outbox.db")
    ledger = Ledger(outbox)
    ledger.close_left_open(NOW + timedelta(seconds=30))
    (closed,) = ledger.commit()
    assert (closed.state, closed.duration, closed.seq) == (State.CLOSED, 30.0, 2)
    assert closed.detail["reason"] == "agent restarted"
    assert outbox.left_open() == []


def test_nothing_is_committed_when_nothing_was_entered(outbox: Outbox) -> None:
    assert Ledger(outbox).commit() == []
    assert outbox.seq == 0


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(tmp_path / "notify"))
    channel.settimeout(2)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return channel


def test_systemd_is_told_in_its_own_form(systemd: socket.socket) -> None:
    Notifier().tell(READY=1, STATUS="watching 2 streams")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=watching 2 streams"


def test_a_vanished_socket_does_not_stop_the_daemon(systemd: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "notify").unlink()
    Notifier().tell(WATCHDOG=1)


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().tell(READY=1)


def test_the_meter_counts_the_children_of_a_worker_to_its_stream() -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    worker = subprocess.Popen([sys.executable, "-c", burn], start_new_session=True)
    try:
        meter = Meter()
        meter.measure({"main": worker.pid})
        until(lambda: meter.measure({"main": worker.pid}).by_stream["main"] > 0.1, 10, "the child's use")
        use = meter.measure({"main": worker.pid})
        assert use.total >= use.by_stream["main"] - 1e-6
        assert use.rss > 10_000_000
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.fixture
def waiting() -> StreamSection:
    """A stream to which nobody sends."""
    return StreamSection(name="main", url=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")


def test_a_worker_without_a_heartbeat_is_killed_and_waits_before_its_return(waiting: StreamSection) -> None:
    stream = WatchedStream(waiting)
    stream.start(0.0)
    pid = stream.pid
    assert pid is not None
    assert stream.check(HANG - 1) == ""
    assert "no heartbeat" in stream.check(HANG + 1)
    assert stream.pid is None
    stream.start(HANG + 1.5)
    assert stream.pid is None
    stream.start(HANG + 2.5)
    assert stream.pid not in (None, pid)
    assert stream.restarts == 1
    stream.kill()


def test_the_pace_is_what_media_time_gains_on_the_clock(waiting: StreamSection) -> None:
    stream = WatchedStream(waiting)
    beat = Beat(0.0, 0.0, 0.0, 0, Signal.OK, "", 0.0, 0, 0, 0, {})
    now = 100.0
    for media_time, pace in (
        (3.0, 1.0),
        (3.5, 0.5),
        (5.0, 1.0),
        (5.3, 0.9),
        (90.0, FASTEST),
        (90.0, FASTEST),
        (90.0, SLOWEST),
    ):
        stream._note(replace(beat, media_time=media_time), now)
        assert stream.pace == pytest.approx(pace)
        now += 1.0


def test_the_wait_doubles_with_every_failure_and_is_bounded(waiting: StreamSection) -> None:
    stream = WatchedStream(waiting)
    now, waits = 0.0, []
    for _ in range(8):
        stream.start(now)
        now += HANG + 1
        stream.check(now)
        waits.append(stream._due - now)
        now = stream._due
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_DELAY, LONGEST_DELAY]
    stream.start(now)
    stream._run.heard = now + SOUND_RUN + 1  # type: ignore[union-attr]
    assert stream.check(now + SOUND_RUN + 1) == ""
    stream._run.process.kill()  # type: ignore[union-attr]
    until(stream.has_stopped, 5, "the worker's end")
    assert stream.check(now + SOUND_RUN + 2) == "killed by SIGKILL"
    assert stream._due - (now + SOUND_RUN + 2) == 1


def test_a_missing_file_is_a_failure_with_a_reason(tmp_path: Path) -> None:
    stream = WatchedStream(StreamSection(name="main", url=str(tmp_path / "none.ts")))
    stream.start(time.monotonic())

    def failure() -> str:
        stream.take(time.monotonic())
        return stream.check(time.monotonic())

    assert "there is no such file" in until(failure, 10, "the failure")


def test_systemd_hears_of_the_start_of_progress_and_of_the_end(systemd: socket.socket, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}"\n')
    daemon = subprocess.Popen([sys.executable, "-m", "vqa_agent", "run", "--config", str(config)])
    try:
        systemd.settimeout(15)
        assert systemd.recv(1000) == b"READY=1\nSTATUS=watching 0 streams"
        assert systemd.recv(1000).startswith(b"WATCHDOG=1\nSTATUS=0 of 0 streams watched")
        daemon.send_signal(signal.SIGTERM)
        heard = b""
        while not heard.startswith(b"STOPPING=1"):
            heard = systemd.recv(1000)
        assert daemon.wait(5) == 0
    finally:
        daemon.kill()
