"""What is still found under each budget, and how long after its start a subscriber hears of it.

    python -m benchmarks.recall [--budgets 30% 60% 100% 150%] [--streams 1 4] [--rounds 1]

The daemon watches streams that this process sends over UDP at the speed of their clock, each a drawn 720p25 clip with
five defects of 5 s, and publishes to mosquitto on this machine, to which this process subscribes. The set time of
each of the five is 2 s. Told are: how many of the defects sent were heard of as open while they lasted, or at
most `PATIENCE` later; and the delay from the moment at which the defect's first coded picture was sent to the arrival
of the event, less the set time, its median for each defect. The clip is sent again for each round, and its clean
beginning once before, so that opening the input is not counted.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import numpy as np
import psutil

from benchmarks.budget import DEFECTS, LASTS, LENGTH, damaged_clip
from benchmarks.daemon import configuration, running, status
from benchmarks.faults import Broker, free_port
from vqa_agent.config import MqttSection
from vqa_agent.demo.programme import Part
from vqa_agent.demo.sender import Sender
from vqa_agent.publish.subscriber import subscribe

SET_TIME = 2.0
CONFIGURED = {**dict.fromkeys(DEFECTS, SET_TIME), "black": SET_TIME / 2}
"""Set times as they are configured: a black picture under sound has twice the time."""

CLEAN = 4.0
"""Seconds at the start of the clip without any defect."""

STARTING = 3.0
"""Seconds from the start of a worker until its input surely is open."""

READY = 30.0
"""Seconds that the workers have to be there."""

PATIENCE = 5.0
"""Seconds after a defect's end in which it may still be heard of."""


@dataclass
class Heard:
    """The events that opened, as (stream, defect, moment of arrival)."""

    opened: list[tuple[str, str, datetime]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def listen(self, url: str) -> None:
        for topic, message in subscribe(MqttSection(url=url), stop=self.stop):
            if "/event/" in topic and message["state"] == "open":
                self.opened.append((message["stream"], message["defect"], datetime.now(UTC)))

    def delay(self, stream: str, defect: str, began: datetime) -> float | None:
        """Seconds from `began` to the arrival of its event; None where there was none in time."""
        latest = began + timedelta(seconds=LASTS + PATIENCE)
        moments = (
            moment for each, name, moment in self.opened if (each, name) == (stream, defect) and began < moment < latest
        )
        first = min(moments, default=None)
        return None if first is None else (first - began).total_seconds()


@dataclass(frozen=True)
class Outcome:
    """Of one run: the delays less the set time of what was heard of, by defect; how many were sent; the rungs."""

    delays: dict[str, list[float]]
    sent: int
    rungs: list[int]

    def row(self, budget: str, streams: int) -> str:
        every = [delay for delays in self.delays.values() for delay in delays]
        middle, late = (f"{np.percentile(every, share):.2f} s" if every else "-" for share in (50, 95))
        told = [f"{median(delays):.2f} s" if delays else "missed" for delays in self.delays.values()]
        rungs = ", ".join(map(str, self.rungs))
        cells = [budget, str(streams), rungs, f"{len(every)} of {self.sent}", middle, late, *told]
        return f"| {' | '.join(cells)} |"


def listen_to(budget: str, streams: int, rounds: int) -> Outcome:
    """Run the daemon while the clip is sent `rounds` times to each stream."""
    clip = damaged_clip()
    ports = [free_port() for _ in range(streams)]
    with tempfile.TemporaryDirectory(prefix="vqa-recall-") as folder, ExitStack() as stack:
        broker = Broker(Path(folder))
        broker.start()
        stack.callback(broker.kill)
        heard = Heard()
        url = f"mqtt://127.0.0.1:{broker.port}"
        threading.Thread(target=heard.listen, args=(url,), daemon=True).start()
        stack.callback(heard.stop.set)
        rules = "".join(f"[stream.defects.{name}]\nset_time = {seconds}\n" for name, seconds in CONFIGURED.items())
        urls = [f"udp://127.0.0.1:{port}" for port in ports]
        config = configuration(Path(folder), budget, urls, rules, url)
        stack.enter_context(running(config))
        _ready(config, streams)
        _send(clip, urls, CLEAN)
        began: list[datetime] = []
        rungs: list[int] = []
        for _ in range(rounds):
            began.append(_send(clip, urls, LENGTH))
            rungs = [int(each["level"]) for each in status(config)["streams"].values()]
        sleep(PATIENCE)
    delays: dict[str, list[float]] = {name: [] for name in DEFECTS}
    for start in began:
        for name, second in DEFECTS.items():
            for stream in range(streams):
                delay = heard.delay(f"s{stream}", name, start + timedelta(seconds=second))
                delays[name] += [] if delay is None else [delay - SET_TIME]
    return Outcome(delays, len(began) * streams * len(DEFECTS), rungs)


def _ready(config: Path, streams: int) -> None:
    """Wait until every worker waits for its stream. Raises TimeoutError where one does not."""
    until = monotonic() + READY
    while monotonic() < until:
        with suppress(OSError, ValueError):
            if sum(bool(each["pid"]) for each in status(config)["streams"].values()) == streams:
                sleep(STARTING)
                return
        sleep(0.2)
    raise TimeoutError(f"not all of {streams} workers were there after {READY:.0f} s")


def _send(clip: Path, urls: list[str], seconds: float) -> datetime:
    """Send the clip's first `seconds` to every URL; the moment (UTC) at which that began."""
    senders = [Sender(clip, url, (Part(seconds, clip.stem),)) for url in urls]
    plans = [sender.start() for sender in senders]
    sleep(seconds)
    for sender in senders:
        sender.stop()
    return plans[0][0].start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", nargs="+", default=["30%", "60%", "100%", "150%"])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(f"load of the box before: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores\n")
    print(f"| Budget | Streams | rungs at the end | heard of | delay, median | p95 | {' | '.join(DEFECTS)} |")
    print("|---" * (6 + len(DEFECTS)) + "|")
    for budget in options.budgets:
        for streams in options.streams:
            print(listen_to(budget, streams, options.rounds).row(budget, streams), flush=True)


if __name__ == "__main__":
    main()
