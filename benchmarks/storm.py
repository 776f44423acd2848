"""A broker comes back, and all agents with it: how long until every one is connected and has delivered?

    python -m benchmarks.storm --agents 1000 [--events 20] [--outage 5]

Every agent is a real outbox and a real publisher, with the waiting times that it has in the field; so many agents share
a process. The broker is killed, each agent decides events meanwhile, and the broker starts again. Printed: when agents
came back (a second a line), the most in any second, and when the last event was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from ulid import ULID

from benchmarks.faults import OPEN, Broker
from vqa_agent.config import MqttSection
from vqa_agent.detect.interface import Severity
from vqa_agent.event import EventDraft, State
from vqa_agent.publish import Outbox, Publisher, StateMessage, Topics, Will

PATIENCE = 300.0

SHARE = 100
"""Agents in one process: each has up to seven open files, and paho's select() takes none above 1023."""


class SimulatedAgent:
    """An outbox and its publisher."""

    def __init__(self, folder: Path, name: str, port: int) -> None:
        self.outbox = Outbox(folder / f"{name}.db")
        topics = Topics("storm", name)
        birth = StateMessage(topics.status, b'{"state":"online"}')
        will = Will(topics.status, b'{"state":"offline"}')
        settings = MqttSection(url=f"mqtt://127.0.0.1:{port}")
        self.publisher = Publisher(settings, topics, self.outbox, birth, will)
        self.back = self.drained = 0.0

    def look(self, now: float) -> bool:
        """Note what has come true; whether all has."""
        if not self.back and self.publisher.health.connected:
            self.back = now
        if not self.drained and self.back and not self.outbox.depth:
            self.drained = now
        return bool(self.drained)


def simulate(folder: Path, first: int, agents: int, events: int, port: int) -> None:
    """So many agents in this process, told by lines on stdin; the last answer is when each was back and drained."""
    logging.disable(logging.CRITICAL)
    threading.stack_size(256 * 1024)
    fleet = [SimulatedAgent(folder, f"box-{number}", port) for number in range(first, first + agents)]
    for agent in fleet:
        agent.publisher.start()
    _until(lambda: all(agent.publisher.health.connected for agent in fleet))
    print("connected", flush=True)
    sys.stdin.readline()
    _until(lambda: not any(agent.publisher.health.connected for agent in fleet))
    for agent in fleet:
        agent.outbox.commit([_draft() for _ in range(events)])
    print("waiting", flush=True)
    began = float(sys.stdin.readline())
    _until(lambda: not [agent for agent in fleet if not agent.look(monotonic() - began)])
    print(json.dumps([(agent.back, agent.drained) for agent in fleet]), flush=True)


def _until(condition: Any) -> None:
    until = monotonic() + PATIENCE
    while not condition():
        if monotonic() > until:
            raise SystemExit("not within the time allowed")
        sleep(0.1)


def _draft() -> EventDraft:
    now = datetime.now(UTC)
    return EventDraft(
        id=str(ULID()), stream="cam", defect="black", state=State.CLOSED, severity=Severity.MAJOR, score=0.9,
        start=now, end=now, pts=0.0, duration=0.0, detail={"luma": 0.01},
    )  # fmt: skip


def run(agents: int, events: int, outage: float) -> list[tuple[float, float]]:
    """When each agent was connected again, and when it had delivered: seconds after the broker's return."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder, [*OPEN, "max_connections -1"])
        broker.start()
        parts = [
            _part(folder, first, min(SHARE, agents - first), events, broker.port) for first in range(0, agents, SHARE)
        ]
        try:
            _hear(parts)
            broker.kill()
            _say(parts, "killed")
            _hear(parts)
            sleep(outage)
            broker.start()
            _say(parts, str(monotonic()))
            return [tuple(each) for answer in _hear(parts) for each in json.loads(answer)]
        finally:
            for part in parts:
                part.kill()
            broker.kill()


def _part(folder: Path, first: int, agents: int, events: int, port: int) -> subprocess.Popen[str]:
    numbers = [str(number) for number in (first, agents, events, port)]
    command = [sys.executable, "-m", "benchmarks.storm", "--simulate", str(folder), *numbers]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _say(parts: list[subprocess.Popen[str]], line: str) -> None:
    for part in parts:
        assert part.stdin is not None
        part.stdin.write(line + "\n")
        part.stdin.flush()


def _hear(parts: list[subprocess.Popen[str]]) -> list[str]:
    answers = [part.stdout.readline() for part in parts if part.stdout is not None]
    if not all(answers):
        raise SystemExit("a process of agents ended")
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20, help="that wait in each agent")
    parser.add_argument("--outage", type=float, default=5.0, help="seconds")
    parser.add_argument("--simulate", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.simulate:
        folder, *numbers = arguments.simulate
        simulate(Path(folder), *map(int, numbers))
        return
    times = run(arguments.agents, arguments.events, arguments.outage)
    seconds = Counter(int(back) for back, _ in times)
    for second in range(max(seconds) + 1):
        print(f"second {second:3}: {seconds[second]:4} agents back")
    print(f"most in one second: {max(seconds.values())} of {len(times)}")
    print(f"all connected after {max(back for back, _ in times):.1f} s, {len(times) * arguments.events} events")
    print(f"delivered after {max(drained for _, drained in times):.1f} s")


if __name__ == "__main__":
    main()
