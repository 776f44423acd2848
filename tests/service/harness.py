"""A real agent in processes of its own, and a subscriber, for the tests of the service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from vqa_agent.config import MqttSection
from vqa_agent.publish.subscriber import subscribe
from vqa_agent.service import status as status_file


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `condition`; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


class Subscriber:
    """Everything that arrives at the broker, in order."""

    def __init__(self, url: str) -> None:
        self.messages: list[tuple[str, Any]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(url,), daemon=True)
        self._thread.start()

    def _listen(self, url: str) -> None:
        for message in subscribe(MqttSection(url=url), stop=self._stop):
            self.messages.append(message)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload for topic, payload in list(self.messages) if "/event/" in topic]

    def event(self, defect: str, state: str, seconds: float = 15) -> dict[str, Any]:
        """The first event message of this defect and state."""

        def found() -> Any:
            return next((e for e in self.events if e["defect"] == defect and e["state"] == state), None)

        return dict(until(found, seconds, f"{defect} {state}"))

    def newest(self, ending: str) -> Any:
        """The newest message on the topic that ends so."""
        return next((payload for topic, payload in reversed(list(self.messages)) if topic.endswith(ending)), None)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(3)


class Agent:
    """`vqa-agent run` in a folder of its own."""

    def __init__(self, folder: Path, url: str, streams: str) -> None:
        self.folder = folder
        self.url = url
        self.config = folder / "agent.toml"
        self.write(streams)
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, streams: str) -> None:
        head = f'[agent]\nid = "box"\nsite = "lab"\nstate_dir = "{self.folder}/state"\n[mqtt]\nurl = "{self.url}"\n'
        self.config.write_text(head + streams)

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("VQA__", "RUNTIME_"))}
        command = [sys.executable, "-m", "vqa_agent", "run", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(lambda: self.status and self.status.pid == self.pid, 20, "the agent's start")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def status(self) -> status_file.Status | None:
        try:
            return status_file.read(self.folder / "state" / "status.json")
        except (OSError, ValueError):
            return None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stream(self, name: str) -> status_file.StreamStatus:
        assert self.status is not None
        return self.status.streams[name]

    def await_running(self, name: str) -> status_file.StreamStatus:
        """The stream's status once its worker has seen media."""

        def running() -> Any:
            status = self.status
            stream = status.streams.get(name) if status else None
            return stream if stream and stream.signal == "ok" and stream.pid else None

        stream: status_file.StreamStatus = until(running, 15, f"stream {name} running")
        return stream

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def family(self) -> list[psutil.Process]:
        """All processes that the agent started."""
        return psutil.Process(self.pid).children(recursive=True)

    def stop(self) -> float:
        """End it as systemd does; the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return time.monotonic() - began


def still_running(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that have not ended after so long. One that the machine's init has not yet collected has ended."""
    left = []
    for process in psutil.wait_procs(processes, seconds)[1]:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    return left


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]
