"""What a sealed process can no longer do, by trying it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.service.harness import Agent, Subscriber, until
from vqa_agent.config import Config, StreamSection, validate
from vqa_agent.service import landlock, limits
from vqa_agent.service.landlock import Allowed

needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
needs_ports = pytest.mark.skipif(landlock.version() < 4, reason="this kernel's Landlock knows no ports (before 6.7)")
needs_signals = pytest.mark.skipif(
    landlock.version() < 6, reason="this kernel's Landlock knows no signals (before 6.12)"
)

ATTEMPTS = """
import os, pathlib, signal, socket, subprocess, sys, threading
from pathlib import Path
from vqa_agent.service.landlock import Allowed, restrict

def attempt(what):
    try:
        eval(what)
        print("yes", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)

restrict({allowed})
for what in {attempts}:
    thread = threading.Thread(target=attempt, args=(what,))
    thread.start()
    thread.join()
"""


def attempts(allowed: str, *what: str) -> list[str]:
    """What became of expressions in a thread of a process to which only `allowed` is left: "yes", or the error."""
    code = ATTEMPTS.format(allowed=allowed, attempts=list(what))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "old").write_text("old")
    (tmp_path / "outside" / "empty").mkdir()
    return tmp_path / "inside"


@needs_landlock
def test_writing_goes_on_inside_and_nowhere_else(inside: Path) -> None:
    outside = inside.parent / "outside"
    within = [
        f"Path('{inside}/new').write_text('x')", f"Path('{inside}/new').rename('{inside}/newer')",
        f"Path('{inside}/deep').mkdir()", f"Path('{inside}/newer').unlink()", f"Path('{inside}/deep').rmdir()",
        "open('/dev/null', 'w')", f"Path('{outside}/old').read_text()",
    ]  # fmt: skip
    beyond = [
        f"Path('{outside}/new').write_text('x')", f"open('{outside}/old', 'a')", f"open('{outside}/old', 'r+')",
        f"Path('{outside}/old').unlink()", f"Path('{outside}/empty').rmdir()", f"Path('{outside}/deep').mkdir()",
        f"Path('{outside}/old').rename('{inside}/old')", f"Path('{outside}/link').symlink_to('/etc')",
        f"os.mkfifo('{outside}/pipe')", f"os.truncate('{outside}/old', 0)", "open('/dev/shm/new', 'w')",
    ]  # fmt: skip
    said = attempts(f"Allowed(folders=[Path('{inside}'), Path('/nowhere')])", *within, *beyond)
    assert said[: len(within)] == ["yes"] * len(within)
    tried = dict(zip(beyond, said[len(within) :], strict=True))
    if landlock.version() < 3:
        del tried[f"os.truncate('{outside}/old', 0)"]
    assert set(tried.values()) <= {"PermissionError", "OSError"}, tried
    assert sorted(path.name for path in outside.iterdir()) == ["empty", "old"]


@needs_landlock
def test_nothing_is_executed_unless_that_is_allowed() -> None:
    run = "subprocess.run(['true'], check=True)"
    assert attempts("Allowed()", run) == ["PermissionError"]
    assert attempts("Allowed(execute=True)", run) == ["yes"]


@needs_ports
def test_tcp_goes_to_the_named_ports_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = one.getsockname()[1], other.getsockname()[1]
        connect = [f"socket.create_connection(('127.0.0.1', {port}))" for port in ports]
        assert attempts(f"Allowed(ports=[{ports[0]}])", *connect) == ["yes", "PermissionError"]
        assert attempts("Allowed(ports=[])", *connect) == ["PermissionError"] * 2
        assert attempts("Allowed()", *connect) == ["yes", "yes"]


@needs_signals
def test_no_process_outside_is_signalled() -> None:
    assert attempts("Allowed()", "os.kill(os.getppid(), 0)", "os.kill(os.getpid(), 0)") == ["PermissionError", "yes"]


def test_a_kernel_without_it_is_told_once_and_no_hindrance(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with caplog.at_level(logging.DEBUG, limits.__name__):
        limits.seal(StreamSection(name="main", url="/x.ts"), Config())
    assert [record.getMessage() for record in caplog.records] == [
        "stream main: no Landlock here; whoever takes over a decoder has all rights of this user"
    ]


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("rtsp://cam/1", {53, 554}), ("rtsp://user:pass@cam:8554/1", {53, 8554}), ("rtsps://cam/1", {53, 322}),
        ("rtmp://cam/1", {53, 1935}), ("tcp://cam:9000", {53, 9000}), ("udp://239.0.0.1:5000", {53}), ("/x.ts", {53}),
        ("srt://cam:9000", {53}), ("https://cam/x.m3u8", None), ("rtsp://cam:99999/1", {53}),
    ],
)  # fmt: skip
def test_an_input_without_a_program_may_write_nothing(url: str, ports: set[int] | None) -> None:
    assert limits.needs(StreamSection(name="main", url=url), Config()) == Allowed([], ports=ports)


def test_what_else_streams_need(tmp_path: Path) -> None:
    config = validate({"agent": {"state_dir": tmp_path}, "samples": {"enabled": True}})
    camera = limits.needs(StreamSection(name="main", url="v4l2:///dev/video0"), config)
    assert camera == Allowed([tmp_path / "samples"], [Path("/dev")])
    program = limits.needs(StreamSection(name="main", command=["ffmpeg"]), config)
    assert program.execute
    assert tmp_path in program.folders


KEEPING = """
import sys
from datetime import UTC, datetime
from vqa_agent.config import validate
from vqa_agent.learning import SampleStore
from vqa_agent.service.limits import seal

config = validate({"agent": {"state_dir": sys.argv[1]}, "samples": {"enabled": True},
                   "stream": [{"name": "main", "url": "udp://127.0.0.1:5000"}]})
seal(config.stream[0], config)
store = SampleStore(config.samples_directory, 100_000)
known = {"kind": "picture", "stream": "main", "detector": "blur", "time": datetime.now(UTC), "start": 0, "end": 1}
for number in range(6):
    store.add({"png": bytes(20_000)}, **known, score=0.5, uncertainty=0.9 - number / 10)
store.add({"png": bytes(20_000)}, **known, score=0.5, uncertainty=0.99)
print(*(sample.uncertainty for sample in store.samples()))
open(sys.argv[1] + "/elsewhere", "w")
"""


@needs_landlock
def test_a_sealed_worker_keeps_and_drops_samples_and_writes_nothing_beside_them(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KEEPING, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0.99", "0.9", "0.8", "0.7"], done.stderr
    assert "PermissionError" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]


@needs_landlock
@pytest.mark.mosquitto
def test_sealed_workers_watch_files_and_programs(
    agent: Callable[[str], Agent], subscriber: Subscriber, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "agent.d").mkdir()
    (tmp_path / "agent.d" / "debug.toml").write_text('[agent]\nlog_level = "debug"\n')
    running = agent(
        f'[[stream]]\nname = "file"\nurl = "{clip}"\nloop = true\nrealtime = true\n[stream.defects.black]\n'
        f'set_time = 0.5\n[[stream]]\nname = "program"\ncommand = ["sh", "-c", "while cat {clip}; do sleep 1; done"]\n'
    )
    for name in ("file", "program"):
        sealed = f"stream {name}: sealed by version {landlock.version()} of Landlock"
        until(lambda sealed=sealed: sealed in running.log, 20, sealed)
        # The program sends in bursts: between them its signal is lost, however long one waits.
        until(lambda name=name: running.status and running.stream(name).pictures, 20, f"pictures of {name}")
    subscriber.event("black", "open")
    worker = psutil.Process(running.stream("file").pid or 0)
    assert "NoNewPrivs:\t1" in Path(f"/proc/{worker.pid}/status").read_text()
