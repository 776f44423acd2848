"""Is every event that was decided in the collector, once, in order, without a hole, whatever happens on the way?

    python -m benchmarks.conservation --faults 1000 [--seed 1] [--rate 20]

An agent's ledger, outbox and publisher run in a process of their own and decide events without a pause; a collector
runs in another. Meanwhile, at random: the agent, the collector and the broker are killed (SIGKILL), the broker stops
answering, the network is cut or stalls, the agent's disk takes nothing, its clock is moved. The broker has no
persistence, so that a killed one loses what it had acknowledged. When all is mended, the store is held against what
the agent said to have committed. Waiting times of agent and collector are shortened: minutes hold many faults.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep, time
from typing import IO, Any

import psutil
from ulid import ULID

from benchmarks.faults import Broker, Link, pause
from vqa_agent.collect import Collector, Store, collector
from vqa_agent.config import validate
from vqa_agent.detect.interface import Severity
from vqa_agent.event import EventDraft, State
from vqa_agent.publish import Outbox, delivery, mqtt
from vqa_agent.service.herald import Herald
from vqa_agent.service.ledger import Ledger
from vqa_agent.service.meter import Use

SITE, AGENT = "bench", "box"
DEFECTS = ("black", "freeze", "silence", "blockiness")
MOST_ON_DISK = 4_000_000
FILE_LIMIT = 64
"""Bytes that a file may grow to while the disk takes nothing: enough for the mark, which is overwritten in place."""

STOP = "stop"
PATIENCE = 60.0
"""Seconds after the last fault within which everything must be in the store."""


# ---- the agent and the collector, each a process


def produce(folder: Path, port: int, rate: float) -> None:
    """Decide events until told to stop, deliver for ever. A line on stdout for each event that is safe; what is read
    from stdin moves the clock or is `STOP`."""
    mqtt.FIRST_WAIT, mqtt.LONGEST_WAIT, delivery.ACK_TIMEOUT = 0.2, 1.0, 3.0
    config = validate({"agent": {"id": AGENT, "site": SITE}, "mqtt": {"url": f"mqtt://127.0.0.1:{port}"}})
    outbox = Outbox(folder / "outbox.db", MOST_ON_DISK)
    ledger = Ledger(outbox)
    ledger.close_left_open(None)
    herald = Herald(config, outbox)
    orders = _Orders()
    rng = random.Random()
    unsafe: list[str] = []
    metrics_due = 0.0
    while True:
        ledger.enter([] if orders.stop else [_decide(rng, ledger, orders.now())])
        unsafe += [_line(event.payload()) for event in ledger.commit()]
        if not outbox.trouble:
            sys.stdout.write("".join(unsafe))
            sys.stdout.flush()
            unsafe = []
        if monotonic() >= metrics_due:
            metrics_due = monotonic() + 1
            herald.tell_metrics(Use(), [], orders.now())
        sleep(rng.expovariate(rate))


class _Orders:
    """What the bench says on stdin: seconds to move the wall clock by, or that nothing more is to be decided."""

    def __init__(self) -> None:
        self.stop = False
        self._offset = timedelta()
        threading.Thread(target=self._listen, daemon=True).start()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def _listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == STOP:
                self.stop = True
            else:
                self._offset += timedelta(seconds=float(line))


def _decide(rng: random.Random, ledger: Ledger, now: datetime) -> EventDraft:
    """The next thing that happens: a defect opens, or one that is open changes or closes."""
    stream, defect = f"cam-{rng.randrange(3)}", rng.choice(DEFECTS)
    begun = next((draft for draft in ledger.open_defects(stream) if draft.defect == defect), None)
    if begun is None:
        return EventDraft(
            id=str(ULID()), stream=stream, defect=defect, state=State.OPEN, severity=Severity.MAJOR, score=0.9,
            start=now, end=None, pts=1.0, duration=0.0, detail={"measured": rng.random()},
        )  # fmt: skip
    if rng.random() < 0.4:
        return begun.model_copy(update={"state": State.UPDATE, "severity": Severity.CRITICAL})
    return begun.model_copy(update={"state": State.CLOSED, "end": max(now, begun.start)})


def _line(payload: dict[str, Any]) -> str:
    return json.dumps({"at": time(), "event": payload}) + "\n"


def collect(store: Path, port: int) -> None:
    """The collector, impatient. A line on stdout for the duplicates that it has removed since the line before."""
    collector.FIRST_WAIT, collector.LONGEST_WAIT, collector.GRACE = 0.2, 1.0, 0.5
    collector.FIRST_PATIENCE, collector.LONGEST_PATIENCE = 1.0, 4.0
    settings = validate({"mqtt": {"url": f"mqtt://127.0.0.1:{port}"}}).mqtt
    gathering = Collector(settings, str(store), "bench")
    threading.Thread(target=_count_duplicates, args=(gathering,), daemon=True).start()
    gathering.run()


def _count_duplicates(gathering: Collector) -> None:
    told = 0
    while True:
        sleep(0.1)
        if found := gathering.progress.duplicates - told:
            told += found
            print(json.dumps({"duplicates": found}), flush=True)


# ---- the bench


class Part:
    """One of the two processes: killed, and started again as it was. What it logs goes to `log`."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        self._command = [sys.executable, "-m", "benchmarks.conservation", *arguments]
        self.told: list[dict[str, Any]] = []
        self._readers: list[threading.Thread] = []
        self.start()

    def start(self) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        self._readers.append(threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True))
        self._readers[-1].start()

    def kill(self) -> None:
        """End it; what it has said is all in `told` when this returns."""
        self.process.kill()
        self.process.wait()
        self._readers[-1].join(10)

    def last_words(self) -> str:
        """Its exit status (None: it lives), and what it has logged last."""
        logged = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
        return " | ".join([f"status {self.process.poll()}", *logged])

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def _listen(self, output: IO[str]) -> None:
        for line in output:
            if line.endswith("\n"):
                self.told.append(json.loads(line))


@dataclass
class Outcome:
    """What came of it. `complaints` is empty where nothing was lost, doubled, changed or out of order."""

    faults: Counter[str] = field(default_factory=Counter)
    told: int = 0
    stored: int = 0
    replayed: int = 0
    duplicates: int = 0
    """Events that came again and were removed; what a killed collector removed in its last tenth of a second is not
    in it."""
    longest_delay: float = 0.0
    settled_after: float = 0.0
    complaints: list[str] = field(default_factory=list)


class Bench:
    """A broker, a network, an agent and a collector, in `folder`."""

    def __init__(self, folder: Path, seed: int, rate: float) -> None:
        self._rng = random.Random(seed)
        self._store = folder / "events.db"
        self.broker = Broker(folder)
        self.broker.start()
        self.link = Link(self.broker.port)
        self.agent = Part(
            folder / "agent.log", "--produce", str(folder), "--port", str(self.link.port), "--rate", str(rate)
        )
        self.collector = Part(folder / "collector.log", "--collect", str(self._store), "--port", str(self.broker.port))
        self.faults: dict[str, Callable[[], None]] = {
            "agent killed": self._kill_agent,
            "collector killed": lambda: self._restart(self.collector),
            "broker killed": self._kill_broker,
            "broker silent": lambda: pause(self.broker, self._rng.uniform(0.2, 1.5)),
            "network cut": lambda: self._disturb(self.link.cut),
            "network stalled": lambda: self._disturb(self.link.hold),
            "disk full": self._fill_disk,
            "clock moved": lambda: self.agent.say(str(self._rng.uniform(-90_000, 90_000))),
        }

    def disturb(self, faults: int, done: Counter[str]) -> None:
        """That many faults, one after the other, counted in `done`; each kind before any comes again."""
        self._await(lambda: bool(self.agent.told), "the first event")
        kinds: list[str] = []
        for _ in range(faults):
            kinds = kinds or self._rng.sample(sorted(self.faults), len(self.faults))
            kind = kinds.pop()
            self.faults[kind]()
            done[kind] += 1
            sleep(self._rng.uniform(0.05, 0.6))
            if self.agent.process.poll() is not None:
                raise RuntimeError(f"after {kind}, the agent: {self.agent.last_words()}")

    def settle(self) -> float:
        """End the decisions and wait until the store has all; the seconds that took."""
        began = monotonic()
        sleep(1.0)
        self.agent.say(STOP)
        sleep(1.0)
        self._await(lambda: not self._missing(), "every event in the store")
        return monotonic() - began

    def end(self) -> None:
        self.agent.kill()
        self.collector.kill()
        self.broker.kill()

    def judge(self, outcome: Outcome) -> None:
        """Hold the store against what the agent told."""
        rows = _rows(self._store)
        stored = {seq: (json.loads(payload), replayed, received) for seq, payload, replayed, received in rows}
        told = {each["event"]["seq"]: each for each in self.agent.told}
        outcome.told, outcome.stored = len(told), len(stored)
        outcome.replayed = sum(replayed for _, replayed, _ in stored.values())
        lost, series = _losses(self._store)
        outcome.complaints += [f"events {first} to {last} are lost" for first, last in lost]
        outcome.complaints += ["the numbers began anew"] * (series > 1)
        if len(told) != len(self.agent.told):
            outcome.complaints.append("a number was used twice")
        holes = sorted(set(range(1, max(stored, default=0) + 1)) - set(stored))
        outcome.complaints += [f"number {seq} is missing" for seq in holes[:10]]
        for seq, each in told.items():
            if seq not in stored:
                outcome.complaints.append(f"event {seq} was decided and is not in the store")
            elif seq in stored and stored[seq][0] != each["event"]:
                outcome.complaints.append(f"event {seq} is not as it was decided")
        delays = [_seconds(stored[seq][2]) - each["at"] for seq, each in told.items() if seq in stored]
        outcome.longest_delay = max(delays, default=0.0)
        outcome.complaints += _disorder(payload for _, (payload, _, _) in sorted(stored.items()))

    def _missing(self) -> int:
        there = {seq for seq, *_ in _rows(self._store)}
        return sum(each["event"]["seq"] not in there for each in self.agent.told)

    def _restart(self, part: Part) -> None:
        part.kill()
        part.start()

    def _kill_agent(self) -> None:
        self.agent.kill()
        told = len(self.agent.told)
        self.agent.start()
        self._await(lambda: len(self.agent.told) > told, "the agent to decide again")

    def _kill_broker(self) -> None:
        self.broker.kill()
        sleep(self._rng.uniform(0, 1.0))
        self.broker.start()

    def _disturb(self, fault: Callable[[], None]) -> None:
        fault()
        sleep(self._rng.uniform(0.1, 1.5))
        self.link.mend()

    def _fill_disk(self) -> None:
        """Until the disk takes events again, what is told to be safe does not grow."""
        process = psutil.Process(self.agent.process.pid)
        process.rlimit(psutil.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
        sleep(self._rng.uniform(0.2, 1.5))
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        told = len(self.agent.told)
        self._await(lambda: len(self.agent.told) > told, "the agent to store again")

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        until = monotonic() + PATIENCE
        while not condition():
            if monotonic() > until:
                raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}; the agent: {self.agent.last_words()}")
            sleep(0.1)


def _rows(path: Path) -> list[Any]:
    """Number, payload, whether it was replayed, when it was stored."""
    return _select(path, "SELECT seq, payload, replayed, received FROM event")


def _losses(path: Path) -> tuple[list[Any], int]:
    series = _select(path, "SELECT count(DISTINCT series) FROM event")
    return _select(path, "SELECT from_seq, to_seq FROM lost"), int(series[0][0]) if series else 0


def _select(path: Path, statement: str) -> list[Any]:
    if not path.exists():
        return []
    store = Store(str(path))
    try:
        return list(store.select(statement))
    finally:
        store.close()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _disorder(events: Any) -> list[str]:
    """Per defect: open first, nothing after closed, and only one start."""
    complaints, begun, ended = [], {}, set()
    for event in events:
        name = event["id"]
        if event["state"] == State.OPEN and event["stream"] != "agent":
            if name in begun:
                complaints.append(f"event {event['seq']} opens a defect twice")
            begun[name] = event["start"]
        elif event["stream"] != "agent" and (name in ended or begun.get(name) != event["start"]):
            complaints.append(f"event {event['seq']} is out of order")
        if event["state"] == State.CLOSED:
            ended.add(name)
    return complaints


def run(faults: int, seed: int, rate: float = 20.0) -> Outcome:
    """The whole of it, in a folder of its own."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), seed, rate)
        try:
            bench.disturb(faults, outcome.faults)
            outcome.settled_after = bench.settle()
        except (TimeoutError, RuntimeError) as error:
            outcome.complaints.append(str(error))
        finally:
            bench.end()
        outcome.duplicates = sum(line["duplicates"] for line in bench.collector.told)
        bench.judge(outcome)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second")
    parser.add_argument("--produce", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--collect", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.produce:
        produce(arguments.produce, arguments.port, arguments.rate)
    if arguments.collect:
        collect(arguments.collect, arguments.port)
        return 0
    began = monotonic()
    outcome = run(arguments.faults, arguments.seed, arguments.rate)
    print(f"{sum(outcome.faults.values())} faults in {monotonic() - began:.0f} s: {dict(outcome.faults)}")
    print(f"{outcome.told} events told to be safe, {outcome.stored} in the store, {outcome.replayed} of them replayed")
    print(f"{outcome.duplicates} duplicates removed")
    print(f"longest delay {outcome.longest_delay:.1f} s; all in the store {outcome.settled_after:.1f} s after the end")
    for complaint in outcome.complaints:
        print(f"FAILED: {complaint}")
    return 1 if outcome.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
