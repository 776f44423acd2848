from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.publish.events import event
from vqa_agent.event import State
from vqa_agent.publish import Outbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"


def numbers(outbox: Outbox) -> list[int]:
    return [waiting.seq for waiting in outbox.pending(10_000)]


def test_numbers_without_holes_and_over_restarts(path: Path) -> None:
    first = Outbox(path)
    assert [stored.seq for stored in first.commit([event(1), event(2)])] == [1, 2]
    first.close()
    second = Outbox(path)
    (third,) = second.commit([event(3)])
    assert third.seq == 3
    assert third.boot != first.boot
    assert numbers(second) == [1, 2, 3]


def test_only_an_acknowledgement_forgets(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event(number) for number in range(5)])
    outbox.acknowledge([2, 4])
    assert numbers(outbox) == [1, 3, 5]
    outbox.close()
    assert numbers(Outbox(path)) == [1, 3, 5]


def test_numbers_go_on_when_everything_has_been_delivered(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event()])
    outbox.acknowledge([1])
    outbox.close()
    assert Outbox(path).commit([event()])[0].seq == 2


def test_gives_what_comes_after_a_number(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event(number) for number in range(10)])
    assert [waiting.seq for waiting in outbox.pending(3, after=4)] == [5, 6, 7]


def test_remembers_what_is_open(path: Path) -> None:
    outbox = Outbox(path)
    opened, other = event(1, State.OPEN), event(2, State.OPEN, "freeze")
    outbox.commit([opened, other])
    outbox.commit([other.model_copy(update={"state": State.CLOSED, "end": other.start})])
    outbox.close()
    assert Outbox(path).left_open() == [opened]


def test_a_full_outbox_gives_up_updates_first_and_says_so(path: Path) -> None:
    outbox = Outbox(path, max_size=300_000)
    opens = [event(number, State.OPEN) for number in range(100)]
    outbox.commit(opens)
    for number in range(3000):
        outbox.commit([event(number, State.UPDATE, id=opens[number % 100].id)])
    waiting = [waiting.event for waiting in outbox.pending(10_000)]
    notices = [kept for kept in waiting if kept.defect == "agent_outbox"]
    assert sum(1 for kept in waiting if kept.state is State.OPEN) == 100
    assert notices
    kept = len(waiting) - len(notices)
    assert sum(notice.detail["dropped"] for notice in notices) == 3100 - kept
    assert outbox.trouble == ""
    assert path.stat().st_size <= 300_000


def test_what_is_too_old_is_given_up_and_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(path, max_age=3600.0)
    outbox.commit([event(1), event(2)])
    monkeypatch.setattr("vqa_agent.publish.outbox.time", lambda: __import__("time").time() + 7200)
    outbox.commit([event(3)])
    kept = [waiting.event for waiting in outbox.pending(10)]
    assert [(stored.defect, stored.seq) for stored in kept] == [("agent_outbox", 3), ("black", 4)]
    assert kept[0].detail == {"dropped": 2, "reason": "older than max_age"}


def test_a_damaged_file_is_set_aside_and_told(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    outbox = Outbox(path)
    assert "set aside" in outbox.trouble
    assert [stored.seq for stored in outbox.commit([event()])] == [1]
    (aside,) = path.parent.glob("outbox.sqlite.corrupt-*")
    assert aside.read_bytes().endswith(b"\xa5")


def test_what_the_disk_does_not_take_is_published_from_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(path)
    outbox.commit([event(1)])
    outbox.acknowledge([1])

    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_write", full)
        assert [stored.seq for stored in outbox.commit([event(2)])] == [2]
    assert "full" in outbox.trouble
    assert numbers(outbox) == [2]
    assert outbox.commit([event(3)])[0].seq == 3
    assert outbox.trouble == ""
    outbox.acknowledge([2, 3])
    assert (numbers(outbox), outbox.depth) == ([], 0)


KILLED = """
    import sys
    from pathlib import Path
    from tests.publish.events import event
    from vqa_agent.publish import Outbox
    outbox = Outbox(Path(sys.argv[1]))
    while True:
        for stored in outbox.commit([event(), event()]):
            print(stored.seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            lines = [process.stdout.readline() for _ in range(60)]
            os.kill(process.pid, signal.SIGKILL)
            lines += process.stdout.readlines()
        told = [int(line) for line in lines if line.endswith("\n")]
        outbox = Outbox(path)
        kept = numbers(outbox)
        outbox.close()
        assert set(told) <= set(kept)
        assert kept == list(range(1, len(kept) + 1))
