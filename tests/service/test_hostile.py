"""Streams are hostile: damage ends a worker at worst, and what is secret is told nowhere."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks import hostile
from tests.service.harness import Agent, Subscriber, until
from vqa_agent.service.limits import LARGEST_FILE, MEMORY_FLOOR

Start = Callable[[str], Agent]


@pytest.mark.timeout(180)
def test_damaged_clips_are_read_or_refused_and_none_hangs(tmp_path: Path) -> None:
    outcome = hostile.run(hostile.draw(tmp_path), count=40, seed=8, patience=30.0)
    assert outcome.hung == []
    assert outcome.crashed == []
    assert outcome.read > 5
    assert outcome.refused > 0


def test_mutations_are_the_same_for_a_seed_and_change_something() -> None:
    data = bytes(range(256)) * 20
    first, again = (hostile.mutate(data, hostile.random.Random(3)) for _ in range(2))
    assert first == again != data


CONFINED = """
    import resource
    from vqa_agent.service.limits import confine
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
    confine(10_000_000)
    print(*(resource.getrlimit(kind)[0] for kind in
            (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)))
    try:
        bytearray(5 * 2**30)
    except MemoryError:
        print("refused")
"""


def test_a_worker_is_confined_and_a_lower_limit_stays() -> None:
    code = "\n".join(line[4:] for line in CONFINED.splitlines())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(MEMORY_FLOOR), str(LARGEST_FILE), "100", "0", "refused"], done.stderr
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0, "this process itself stays as it was"


CANARY = "canary-4711"


@pytest.mark.mosquitto
def test_credentials_are_told_nowhere(agent: Start, subscriber: Subscriber, tmp_path: Path) -> None:
    urls = {
        "a": f"rtsp://user:{CANARY}@127.0.0.1:9/x",
        "b": f"http://user:{CANARY}@127.0.0.1:9/x.m3u8?token={CANARY}",
        "c": f"srt://127.0.0.1:9?passphrase={CANARY}",
    }
    streams = "".join(f'[[stream]]\nname = "{name}"\nurl = "{url}"\n' for name, url in urls.items())
    running = agent(streams)
    running.config.write_text(running.config.read_text().replace("[mqtt]", 'log_level = "debug"\n[mqtt]'))
    running.signal(signal.SIGHUP)
    for name in urls:
        until(lambda name=name: running.stream(name).reason, 20, f"what is wrong with {name}")
    processes = [psutil.Process(running.pid), *running.family()]
    command_lines = " ".join(" ".join(process.cmdline()) for process in processes)
    running.stop()
    told = [running.log, command_lines, str(subscriber.messages)]
    told += [path.read_bytes().decode(errors="replace") for path in (tmp_path / "state").iterdir() if path.is_file()]
    assert subscriber.messages
    assert [text for text in told if CANARY in text] == []
