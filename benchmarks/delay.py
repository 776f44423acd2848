"""How soon a defect is told, and how soon after its start the agent looks.

    python -m benchmarks.delay [--defects 24] [--starts 3]

First part: a recorded programme is sent over UDP in real time, with black pictures, stills and silence in turn; the
daemon watches it at full rate and a subscriber waits at a mosquitto broker on this machine. Told is the time from the
moment at which the defect's first packet is sent to the arrival of the event, less the set time: decoding, looking,
deciding, writing to the outbox, publishing. Second part: seconds from the start of the daemon's process to the first
picture of a 1080p30 clip that it has looked at, read from its status file (which is written once a second).
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from benchmarks.clips import clip_1080p30
from benchmarks.faults import Broker, free_port
from vqa_agent.config import MqttSection, validate
from vqa_agent.demo.programme import Part, build
from vqa_agent.demo.sender import Sender, Sent
from vqa_agent.event import Event, State
from vqa_agent.publish.subscriber import subscribe

SET_TIME = 1.0
KINDS = {"black": SET_TIME / 2, "freeze": SET_TIME, "silence": SET_TIME}
"""Set times as they are configured: a black picture under sound has twice the time."""

CLEAN, LASTS = 3.5, 3.0
"""Seconds of the programme between two defects, and that each of them lasts."""

NEAR = 2.0
"""Seconds by which the start of an event may miss the defect that it is about."""

CONFIGURATION = """\
[agent]
id = "bench"
site = "lab"
state_dir = "{folder}/state"
[budget]
cpu = "150%"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[[stream]]
name = "s"
{stream}
"""


def programme(defects: int) -> tuple[Part, ...]:
    """Clean stretches with one defect after each."""
    parts = [Part(6.0, "clean")]
    for number in range(defects):
        kind = list(KINDS)[number % len(KINDS)]
        parts += [Part(LASTS, kind, kind), Part(CLEAN, "clean")]
    return tuple(parts)


@contextmanager
def daemon(folder: Path, stream: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon with one stream."""
    config = folder / "agent.toml"
    config.write_text(CONFIGURATION.format(folder=folder, stream=stream, port=port))
    command = [sys.executable, "-m", "vqa_agent", "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def first_look(folder: Path, began: float, patience: float = 60.0) -> float:
    """Seconds from `began` until the status tells of a picture."""
    while monotonic() - began < patience:
        with suppress(OSError, ValueError, KeyError):
            status = json.loads((folder / "state" / "status.json").read_text(encoding="utf-8"))
            if status["streams"]["s"]["pictures"]:
                return monotonic() - began
        sleep(0.02)
    raise TimeoutError("the daemon has not looked at anything")


def delays(defects: int) -> list[float]:
    """Seconds beyond the set time of each defect that was told."""
    found: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vqa-delay-")))
        parts = programme(defects)
        build(folder / "programme.ts", parts)
        broker, port = Broker(folder), free_port()
        broker.start()
        stack.callback(broker.kill)
        rules = "".join(f"[stream.defects.{kind}]\nset_time = {time}\n" for kind, time in KINDS.items())
        stream = f'url = "udp://127.0.0.1:{port}"\n{rules}'
        began = monotonic()
        stack.enter_context(daemon(folder, stream, broker.port))
        arrived: list[tuple[datetime, Event]] = []
        stop = threading.Event()
        stack.callback(stop.set)
        settings = validate({"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"}}).mqtt
        threading.Thread(target=_listen, args=(settings, stop, arrived), daemon=True).start()
        while not (folder / "state" / "status.json").exists() and monotonic() - began < 30:
            sleep(0.1)
        sender = Sender(folder / "programme.ts", f"udp://127.0.0.1:{port}", parts)
        plan = sender.start()
        stack.callback(sender.stop)
        sleep(sum(part.seconds for part in parts) + 2)
        for sent in (each for each in plan if each.part.defect):
            if (delay := _delay(sent, arrived)) is not None:
                found.append(delay)
    return found


def _listen(settings: MqttSection, stop: threading.Event, arrived: list[tuple[datetime, Event]]) -> None:
    for topic, payload in subscribe(settings, stop=stop):
        if "/event/" in topic:
            arrived.append((datetime.now(UTC), Event.model_validate(payload)))


def _delay(sent: Sent, arrived: list[tuple[datetime, Event]]) -> float | None:
    """Seconds from the sending of a defect to its event's arrival, less the set time; None where none came."""
    for moment, event in arrived:
        off = abs((event.start - sent.start).total_seconds())
        if event.defect == sent.part.defect and event.state is State.OPEN and off <= NEAR:
            return (moment - sent.start).total_seconds() - SET_TIME
    return None


def starts(count: int) -> list[float]:
    """Seconds from the process' start to the first look, each time anew."""
    clip, found = clip_1080p30(), []
    for _ in range(count):
        with tempfile.TemporaryDirectory(prefix="vqa-delay-") as folder:
            began = monotonic()
            stream = f'url = "{clip.resolve()}"\nloop = true\nrealtime = true'
            with daemon(Path(folder), stream, free_port()):
                found.append(first_look(Path(folder), began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defects", type=int, default=24)
    parser.add_argument("--starts", type=int, default=3)
    options = parser.parse_args()
    if options.starts:
        found = starts(options.starts)
        print(f"start to first look: {', '.join(f'{each:.1f}' for each in found)} s")
    if options.defects:
        told = sorted(delays(options.defects))
        print(f"{len(told)} of {options.defects} defects told; beyond the set time: ", end="")
        late = told[min(len(told) - 1, int(0.95 * len(told)))]
        print(f"median {statistics.median(told):.2f} s, p95 {late:.2f} s, at most {told[-1]:.2f} s")


if __name__ == "__main__":
    main()
