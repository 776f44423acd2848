from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from time import monotonic

import pytest

from tests.publish.events import event
from vqa_agent.errors import DeliveryError
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
    monkeypatch.setattr("vqa_agent.publish.outbox.monotonic", lambda: monotonic() + 7200)
    outbox.commit([event(3)])
    kept = [waiting.event for waiting in outbox.pending(10)]
    assert [(stored.defect, stored.seq) for stored in kept] == [("agent_outbox", 3), ("black", 4)]
    assert outbox.history(1, 4, 10) == kept
    assert kept[0].detail == {"dropped": 2, "reason": "older than max_age"}


def test_a_damaged_file_is_set_aside_and_told(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    outbox = Outbox(path)
    assert "set aside" in outbox.trouble
    told, first = outbox.commit([event()])
    assert (told.defect, told.detail, told.seq) == ("agent_outbox", {"reason": "a damaged outbox was set aside"}, 1)
    assert first.seq == 2
    (aside,) = path.parent.glob("outbox.sqlite.corrupt-*")
    assert aside.read_bytes().endswith(b"\xa5")


class FullDisk:
    """Writing fails as on a full disk, until it is lifted."""

    def __init__(self, outbox: Outbox, patch: pytest.MonkeyPatch, mark_too: bool = False) -> None:
        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(outbox, "_transaction", full)
        if mark_too:
            patch.setattr(outbox._mark, "note_used", lambda _: False)


def test_what_the_disk_does_not_take_is_published_from_memory_and_stored_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(path)
    outbox.commit([event(1)])
    outbox.acknowledge([1])
    with monkeypatch.context() as patch:
        FullDisk(outbox, patch)
        assert [stored.seq for stored in outbox.commit([event(2), event(3)])] == [2, 3]
        assert numbers(outbox) == [2, 3]
        outbox.acknowledge([2])
        assert numbers(outbox) == [3]
        assert outbox.depth == 1
    assert "full" in outbox.trouble
    assert outbox.commit([event(4)])[0].seq == 4
    assert outbox.trouble == ""
    outbox.close()
    again = Outbox(path)
    assert numbers(again) == [3, 4]
    assert [kept.seq for kept in again.history(1, 9, 10)] == [1, 2, 3, 4]


def test_a_full_disk_is_in_the_log_once_until_it_takes_events_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(path)
    for number in (1, 2):
        with monkeypatch.context() as patch:
            FullDisk(outbox, patch)
            for _ in range(5):
                outbox.commit([event(number)])
        errors = [record for record in caplog.records if record.levelname == "ERROR"]
        assert len(errors) == len({record.getMessage() for record in errors}) * number
        outbox.commit()
        assert outbox.trouble == ""


def test_a_disk_that_cannot_even_be_read_ends_nothing(path: Path) -> None:
    class Broken:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

    outbox = Outbox(path)
    outbox.commit([event(1)])
    whole, outbox._database = outbox._database, Broken()
    assert [stored.seq for stored in outbox.commit([event(2)])] == [2]
    assert (numbers(outbox), outbox.depth, outbox.oldest_age, outbox.history(1, 9, 9)[0].seq) == ([2], 1, 0.0, 2)
    assert "disk I/O error" in outbox.trouble
    outbox._database = whole
    outbox.commit()
    assert (numbers(outbox), outbox.trouble) == ([1, 2], "")


def test_no_number_is_used_twice_when_the_agent_is_killed_while_the_disk_is_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(path)
    outbox.commit([event(1)])
    with monkeypatch.context() as patch:
        FullDisk(outbox, patch)
        assert [stored.seq for stored in outbox.commit([event(2), event(3)])] == [2, 3]
    outbox.close()
    assert Outbox(path).commit([event(4)])[0].seq == 4


def test_no_number_is_given_while_not_even_the_mark_can_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(path)
    with monkeypatch.context() as patch:
        FullDisk(outbox, patch, mark_too=True)
        assert outbox.commit([event(1)]) == []
        assert (outbox.depth, outbox.seq) == (1, 0)
    assert [stored.seq for stored in outbox.commit([event(2)])] == [1, 2]


def test_memory_is_bounded_while_the_disk_is_full_and_the_loss_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vqa_agent.publish.outbox.MOST_IN_MEMORY", 300)
    outbox = Outbox(path)
    with monkeypatch.context() as patch:
        FullDisk(outbox, patch)
        for number in range(500):
            outbox.commit([event(number, State.UPDATE if number % 2 else State.OPEN)])
        kept = [waiting.event for waiting in outbox.pending(1000)]
    assert len(kept) <= 302
    told = [each for each in kept if each.defect == "agent_outbox"]
    assert sum(each.detail["dropped"] for each in told) == 500 - (len(kept) - len(told))
    assert sum(each.state is State.OPEN for each in kept) == 250


LIMITED = """
    import resource, sys
    from pathlib import Path
    from tests.publish.events import event
    from vqa_agent.publish import Outbox
    outbox = Outbox(Path(sys.argv[1]))
    outbox.commit([event(1)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    told = [stored.seq for number in range(2, 6) for stored in outbox.commit([event(number)])]
    assert outbox.trouble, "the limit was not felt"
    print(told, [waiting.seq for waiting in outbox.pending(10)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    outbox.commit([event(6)])
    print(outbox.trouble or "well")
"""


def test_a_disk_that_really_refuses_is_survived(path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.stdout.splitlines() == ["[2, 3, 4, 5] [1, 2, 3, 4, 5]", "well"], done.stderr
    assert numbers(Outbox(path)) == [1, 2, 3, 4, 5, 6]


def test_a_new_database_begins_above_all_numbers_of_a_damaged_one(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event(number) for number in range(30)])
    outbox.close()
    path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    assert Outbox(path).commit()[0].seq > 30


def test_delivered_events_stay_as_history_until_their_room_is_needed(path: Path) -> None:
    outbox = Outbox(path, max_size=300_000)
    for number in range(3000):
        (stored, *_) = outbox.commit([event(number, State.OPEN)])
        outbox.acknowledge([stored.seq])
    assert outbox.depth == 0
    kept = [each.seq for each in outbox.history(1, 3000, 5000)]
    assert kept == list(range(kept[0], 3001)), "history goes before anything is given up"
    assert 200 < len(kept) < 3000


def test_what_can_never_be_sent_is_parked_and_told(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event(1), event(2)])
    outbox.park([1], "topic name invalid")
    assert numbers(outbox) == [2, 3]
    assert outbox.pending(5)[1].event.detail == {"refused": 1, "reason": "topic name invalid"}
    assert [each.seq for each in outbox.history(1, 1, 5)] == [1]


def test_an_unreadable_event_does_not_stop_the_others(path: Path) -> None:
    outbox = Outbox(path)
    outbox.commit([event(1), event(2)])
    outbox._database.execute("UPDATE outbox SET payload = x'5b00' WHERE seq = 1")
    assert numbers(outbox) == [2]
    assert numbers(outbox) == [2, 3]


def test_settled_is_the_number_below_the_first_that_waits(path: Path) -> None:
    outbox = Outbox(path)
    assert outbox.settled == 0
    outbox.commit([event(number) for number in range(4)])
    outbox.acknowledge([1, 3])
    assert outbox.settled == 1
    outbox.acknowledge([2, 4])
    assert outbox.settled == 4


def test_ages_do_not_follow_the_wall_clock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(path, max_age=3600.0)
    outbox.commit([event(1)])
    outbox.close()
    monkeypatch.setattr("time.time", lambda: 4e9)
    outbox = Outbox(path, max_age=3600.0)
    outbox.commit([event(2)])
    assert numbers(outbox) == [1, 2]
    assert outbox.oldest_age < 60


def test_an_outbox_of_the_first_version_is_taken_over(path: Path) -> None:
    path.parent.mkdir()
    payload = event(1).numbered(7, "abcdef").json_bytes()
    with sqlite3.connect(path) as old:
        old.executescript(
            """CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE outbox (
                seq INTEGER PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, payload BLOB NOT NULL);
            CREATE TABLE open_event (id TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
            INSERT INTO meta VALUES ('seq', 7); PRAGMA user_version = 1"""
        )
        old.execute("INSERT INTO outbox VALUES (7, unixepoch() - 100, 'closed', ?)", (payload,))
    outbox = Outbox(path)
    assert numbers(outbox) == [7]
    assert 99 < outbox.oldest_age < 160
    assert outbox.commit([event(2)])[0].seq == 8


def test_an_outbox_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    Outbox(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    with pytest.raises(DeliveryError, match="a later version"):
        Outbox(path)
    assert not list(path.parent.glob("*.corrupt-*"))


def test_two_agents_cannot_share_an_outbox(path: Path) -> None:
    first = Outbox(path)
    with pytest.raises(DeliveryError, match="another agent uses it"):
        Outbox(path)
    first.close()
    Outbox(path).close()


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
