"""The daemon as a whole: real processes, a real broker."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.servers import free_port
from tests.service.harness import Agent, Subscriber, still_running, until
from vqa_agent.event import schema

pytestmark = [pytest.mark.mosquitto]

Start = Callable[[str], Agent]


def looped(clip: Path, name: str = "main", **settings: float) -> str:
    """A file played in a loop as if it were live, with a short set time for black."""
    settings = {"set_time": 0.5, **settings}
    values = "\n".join(f"{key} = {value}" for key, value in settings.items())
    return (
        f'[[stream]]\nname = "{name}"\nurl = "{clip}"\nloop = true\nrealtime = true\n[stream.defects.black]\n{values}\n'
    )


def test_defects_of_a_stream_arrive_as_numbered_events_while_another_stream_is_unreachable(
    agent: Start, subscriber: Subscriber, clip: Path
) -> None:
    nobody = f'[[stream]]\nname = "dead"\nurl = "udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"\n'
    running = agent(looped(clip) + nobody)
    opened = subscriber.event("black", "open")
    closed = subscriber.event("black", "closed")
    assert opened["id"] == closed["id"]
    assert opened["start"] == closed["start"] < closed["end"]
    assert closed["duration"] == pytest.approx(3.0, abs=0.3)
    assert [event["seq"] for event in subscriber.events] == list(range(1, len(subscriber.events) + 1))
    for event in subscriber.events:
        jsonschema.validate(event, schema())
    assert running.stream("main").signal == "ok"
    assert running.stream("main").restarts == running.stream("dead").restarts == 0
    state = until(lambda: subscriber.newest("/stream/main"), 3, "the stream's retained state")
    assert state["signal"] == "ok"
    assert state["format"]["width"] == 320


def test_sigterm_ends_the_agent_within_five_seconds_and_closes_what_is_open(
    agent: Start, subscriber: Subscriber, clip: Path
) -> None:
    running = agent(looped(clip))
    subscriber.event("black", "open")
    family = running.family()
    assert running.stop() < 5
    assert running.process is not None
    assert running.process.returncode == 0
    closed = subscriber.event("black", "closed", 3)
    assert closed["detail"]["reason"] == "agent stopped"
    assert subscriber.newest("/status")["state"] == "offline"
    assert running.status is not None
    assert running.status.state == "stopped"
    assert not still_running(family, 2)


def test_a_killed_worker_is_started_again_and_reported(agent: Start, subscriber: Subscriber, clip: Path) -> None:
    running = agent(looped(clip) + looped(clip, "other"))
    victim, other = running.await_running("main").pid, running.await_running("other").pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    failed = subscriber.event("worker_failed", "open")
    assert failed["detail"]["reason"] == "killed by SIGKILL"
    assert subscriber.event("worker_failed", "closed")["id"] == failed["id"]
    again = running.await_running("main")
    assert again.pid != victim
    assert again.restarts == 1
    assert running.stream("other").pid == other


def test_workers_end_with_a_killed_supervisor_and_the_next_run_closes_what_was_open(
    agent: Start, subscriber: Subscriber, clip: Path
) -> None:
    running = agent(looped(clip, set_time=0.5, clear_time=60))
    opened = subscriber.event("black", "open")
    family = running.family()
    assert family
    running.signal(signal.SIGKILL)
    assert not still_running(family, 5)
    assert running.process is not None
    running.process.wait()
    running.start()
    closed = subscriber.event("black", "closed")
    assert closed["id"] == opened["id"]
    assert closed["detail"]["reason"] == "agent restarted"
    assert closed["boot"] != opened["boot"]
    sequence = sorted({event["seq"] for event in subscriber.events})
    assert sequence == list(range(1, len(sequence) + 1))


def test_sighup_adds_a_stream_and_leaves_the_others_untouched(agent: Start, subscriber: Subscriber, clip: Path) -> None:
    running = agent(looped(clip))
    before = running.await_running("main").pid
    running.write(looped(clip) + looped(clip, "second"))
    running.signal(signal.SIGHUP)
    running.await_running("second")
    assert running.stream("main").pid == before

    running.write(looped(clip) + '[[stream]]\nname = "third"\nurl = "gopher://x"\n')
    running.signal(signal.SIGHUP)
    error = until(lambda: running.status and running.status.config_error, 5, "the refusal")
    assert "third" in error
    assert "gopher" in error
    assert set(running.status.streams if running.status else ()) == {"main", "second"}
    assert "the old one stays" in running.log

    running.write(looped(clip))
    running.signal(signal.SIGHUP)
    until(lambda: running.status and set(running.status.streams) == {"main"}, 5, "the second stream's removal")
    assert running.stream("main").pid == before
