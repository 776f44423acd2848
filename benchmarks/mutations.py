"""Damaged text, seeded: configurations, lists of models, model files and messages. Is each refused with clear lines?

    python -m benchmarks.mutations --count 200 [--seed 1]

Bytes are changed at random, as in `benchmarks.hostile`, or a value is replaced by one that is odd: of another type,
huge, empty, nested deeply, not a number, with a NUL in it. Each kind is read as the agent or the collector reads it.
What is neither taken nor refused in the agent's own words (one line for each fault) is a failure, and so is one that
takes a second.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import cbor2

from benchmarks.hostile import mutate
from vqa_agent.capture import Source
from vqa_agent.collect.collector import read
from vqa_agent.collect.store import Reject, Store
from vqa_agent.config import load
from vqa_agent.detect.interface import Severity
from vqa_agent.errors import AgentError
from vqa_agent.event import EventDraft, State
from vqa_agent.infer.manifest import MANIFEST, MODELS, read_manifest, read_verified
from vqa_agent.pipeline import build_detectors
from vqa_agent.publish import Outbox, Topics
from vqa_agent.publish.messages import Replay
from vqa_agent.publish.replay import Replayer
from vqa_agent.publish.session import Received
from vqa_agent.publish.subscriber import decoded
from vqa_agent.service.limits import needs

SLOW = 1.0
"""Seconds that reading one may take at most."""

LONGEST_LINE = 2000

CONFIGURATION = """\
[agent]
id = "box"
site = "lab"
state_dir = "/var/lib/vqa-agent"
[budget]
cpu = "60%"
memory = "600M"
[mqtt]
url = "mqtts://broker:8883"
encoding = "cbor"
password_file = "/etc/vqa-agent/secrets/mqtt-password"
[outbox]
max_size = "64M"
max_age = "72h"
[samples]
enabled = true
[[stream]]
name = "cam-1"
url = "rtsp://cam:554/1"
profile = "live"
weight = 2.0
options = { rtsp_transport = "tcp" }
allow_hosts = ["nvr"]
expect = { audio = true, captions = false, width = 1920 }
[stream.defects.black]
enabled = true
set_time = 3.0
severity = "minor"
[[stream]]
name = "card"
command = ["ffmpeg", "-i", "x", "-"]
"""

ODD_TOML = [
    "0", "-1", "1e999", "nan", "[]", "{}", '""', "true", '"\\u0000"', '"' + "x" * 5000 + '"', "[" * 2000 + "]" * 2000,
    "99999999999999999999", "2026-01-01", "[[1], [2]]", '{ name = "x" }', '"../../../etc/passwd"', '"\\n\\u001b[31m"',
    '"file:///dev/zero"', "0x7fffffffffffffff", "-0.0", '"ftp://x"', '"rtsp://[::1"', '"rtsp://x:99999/"', "",
]  # fmt: skip

ODD_VALUES: list[Any] = [
    None, True, -1, 0, 2**63, 2**70, 1e308, float("nan"), float("inf"), "", "\0", "\ud800", "x" * 5000, [], {}, [[]],
    {"v": 1}, "1", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", b"\xff", "+", "#", "a/b", [1, 2], -(2**63), 1.5,
]  # fmt: skip


@dataclass
class Outcome:
    """How many were taken or refused, and what became of the others."""

    taken: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


Reader = Callable[[bytes], str]
"""Reads one as the agent does; the refusal, or nothing."""


def change_text(data: bytes, rng: random.Random) -> bytes:
    """TOML with some of its bytes changed, or with one to three of its values replaced."""
    if rng.random() < 0.4:
        return mutate(data, rng)
    lines = data.decode().splitlines()
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        lines[place] = re.sub(r"(= ?).*", lambda found: found[1] + rng.choice(ODD_TOML), lines[place], count=1)
    return "\n".join(lines).encode()


def change_message(data: bytes, rng: random.Random) -> bytes:
    """A message in JSON, or CBOR, with some of its bytes changed, or with one value replaced, left out or added."""
    values = json.loads(data)
    if rng.random() < 0.7:
        holder = values
        while (inner := [each for each in _inside(holder) if each]) and rng.random() < 0.5:
            holder = rng.choice(inner)
        _replace(holder, rng)
    if rng.random() < 0.05:
        return b"[" * 100_000
    encoded = json.dumps(values, default=str).encode()
    if rng.random() < 0.5:
        with suppress(UnicodeEncodeError):
            encoded = cbor2.dumps(values)
    return mutate(encoded, rng) if rng.random() < 0.5 else encoded


def _inside(holder: Any) -> list[Any]:
    found = holder.values() if isinstance(holder, dict) else holder
    return [each for each in found if isinstance(each, dict | list)]


def _replace(holder: Any, rng: random.Random) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = rng.choice(keys)
    match rng.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(["", "x", "\0", "seq"])] = rng.choice(ODD_VALUES)
        case _:
            holder[key] = rng.choice(ODD_VALUES)


def _refusal(reading: Callable[[], object]) -> str:
    try:
        reading()
    except AgentError as error:
        return str(error) or "refused without a word"
    return ""


def read_configuration(folder: Path) -> Reader:
    """Loads it, twice over, and makes of it what a worker makes of it at its start."""
    path, drop_in = folder / "agent.toml", folder / "agent.d" / "again.toml"
    drop_in.parent.mkdir()

    def start() -> None:
        config = load(path, {})
        for stream in config.stream:
            build_detectors(stream.profile, stream.defects, expect=stream.expect.model_dump(exclude_none=True))
            needs(stream, config)
            Source.from_config(stream).describe()

    def reader(data: bytes) -> str:
        path.write_bytes(data)
        drop_in.write_bytes(data)
        return _refusal(start)

    return reader


def read_models(folder: Path) -> Reader:
    """Reads a changed list of models, and of the first in it every file."""

    def check() -> None:
        for info in list(read_manifest(folder).values())[:1]:
            for file in info.files:
                read_verified(info, file, MODELS)

    def reader(data: bytes) -> str:
        (folder / MANIFEST).write_bytes(data)
        return _refusal(check)

    return reader


def read_model(folder: Path) -> Reader:
    """Reads a changed file of a model that is in the list."""
    info = min(read_manifest().values(), key=lambda each: each.suited.bytes)
    path = folder / info.name / info.suited.file
    path.parent.mkdir()

    def reader(data: bytes) -> str:
        path.write_bytes(data)
        return _refusal(lambda: read_verified(info, info.suited, folder))

    return reader


def read_request(folder: Path) -> Reader:
    """Gives it to what answers requests for replay, and lets that answer once."""
    replayer = Replayer(filled_outbox(folder))

    def reader(data: bytes) -> str:
        taken = replayer.take(data)
        if (answer := replayer.answer()) is not None:
            answer.encode("json")
        replayer.forget()
        return "" if taken else "not heard"

    return reader


def read_message(folder: Path) -> Reader:
    """Gives it to the collector on every kind of topic, stores what comes of it, and shows it to a subscriber."""
    store = Store(str(folder / "events.db"))
    topics = Topics("lab", "box")
    of_all = [topics.event("cam-1", "black"), topics.replay, topics.metrics, topics.status, "vqa/v1/lab/b\0x/status"]

    def reader(data: bytes) -> str:
        messages = [Received(topic, data, number) for number, topic in enumerate(of_all)]
        entries = [entry for message in messages for entry in read(message)]
        store.save(entries)
        list(decoded(messages))
        rejects = [entry.reason for entry in entries if isinstance(entry, Reject)]
        return rejects[0] if len(rejects) == len(of_all) else ""

    return reader


def filled_outbox(folder: Path) -> Outbox:
    """An outbox with twenty events that are settled."""
    outbox, now = Outbox(folder / "outbox.db"), datetime.now(UTC)
    draft = EventDraft(
        id="01J00000000000000000000000", stream="cam-1", defect="black", state=State.CLOSED, severity=Severity.MAJOR,
        score=0.9, start=now, end=now, pts=0.0, duration=0.0, detail={"luma": 0.01},
    )  # fmt: skip
    outbox.commit([draft] * 20)
    outbox.acknowledge(range(1, 21))
    return outbox


def messages(folder: Path) -> list[bytes]:
    """One of each kind that a collector hears."""
    events = filled_outbox(folder).history(1, 20, 3)
    replay = Replay(v=1, boot=None, from_seq=1, to_seq=9, events=events, gone=[(4, 9)], last=True)
    figures = {"cpu": 0.5, "budget": 0.6, "memory": 1, "outbox": 0, "oldest": 0.0, "seq": 7, "settled": 7}
    metrics = {"v": 1, "time": datetime.now(UTC).isoformat(), **figures, "streams": {"cam-1": {"looks": 1.0}}}
    status = {"v": 1, "state": "online", "boot": "b"}
    return [events[0].json_bytes(), replay.encode("json"), *(json.dumps(each).encode() for each in (metrics, status))]


def run(
    originals: list[bytes], change: Callable[[bytes, random.Random], bytes], reader: Reader, count: int, seed: int
) -> Outcome:
    """Read `count` changed ones of `originals`."""
    rng, outcome = random.Random(seed), Outcome()
    for number in range(count):
        data, began = change(originals[number % len(originals)], rng), monotonic()
        try:
            refusal = reader(data)
        except Exception as error:  # noqa: BLE001  what escapes is what is looked for
            outcome.failures.append(f"number {number}: {type(error).__name__}: {error}"[:300])
            continue
        if monotonic() - began > SLOW:
            outcome.failures.append(f"number {number}: took {monotonic() - began:.1f} s")
        elif "Traceback" in refusal or any(len(line) > LONGEST_LINE for line in refusal.splitlines()):
            outcome.failures.append(f"number {number}: not one clear line: {refusal[:300]}")
        else:
            outcome.refused += bool(refusal)
            outcome.taken += not refusal
    return outcome


def run_all(count: int, seed: int) -> dict[str, Outcome]:
    """`count` of each kind."""
    request = json.dumps({"v": 1, "from_seq": 3, "to_seq": 18, "boot": "0a"}).encode()
    listed = (MODELS / MANIFEST).read_bytes()
    smallest = min((info.suited for info in read_manifest().values()), key=lambda file: file.bytes)
    model = next(MODELS.glob(f"*/{smallest.file}")).read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "configurations": run([CONFIGURATION.encode()], change_text, read_configuration(folder), count, seed),
            "lists of models": run([listed], change_text, read_models(folder), count, seed),
            "model files": run([model], mutate, read_model(folder), count, seed),
            "requests for replay": run([request], change_message, read_request(folder), count, seed),
            "messages to the collector": run(messages(folder), change_message, read_message(folder), count, seed),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = run_all(arguments.count, arguments.seed)
    for kind, outcome in found.items():
        print(f"{kind}: {outcome.taken} taken, {outcome.refused} refused, {len(outcome.failures)} failures")
        for failure in outcome.failures:
            print(f"  FAILED: {failure}")
    return 1 if any(outcome.failures for outcome in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
