"""Logs as the journal takes them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vqa_agent.logs import JournalHandler, fields, set_up_logging


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journal.settimeout(2)
        yield journal


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    log = logging.getLogger("tests.logs")
    handler = JournalHandler(tmp_path / "socket")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield log
    log.removeHandler(handler)
    handler.close()


def test_setting_up_logging_leaves_the_message_as_it_is(
    journal: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    monkeypatch.setattr("vqa_agent.logs.JOURNAL", tmp_path / "socket")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    set_up_logging("info")
    root.info("watching")
    assert journal.recv(1000).startswith(b"MESSAGE=watching\nPRIORITY=6\n")


def test_a_record_arrives_with_its_fields(journal: socket.socket, log: logging.Logger) -> None:
    log.warning("stream %s: black open", "main", extra=fields(STREAM="main", DEFECT="black"))
    assert journal.recv(1000).decode().splitlines() == [
        "MESSAGE=stream main: black open",
        "PRIORITY=4",
        "SYSLOG_IDENTIFIER=vqa-agent",
        "STREAM=main",
        "DEFECT=black",
    ]


def test_a_message_of_several_lines_stays_one(journal: socket.socket, log: logging.Logger) -> None:
    log.error("one\ntwo")
    assert journal.recv(1000).startswith(b"MESSAGE\n\x07\x00\x00\x00\x00\x00\x00\x00one\ntwo\n")


def test_without_a_journal_it_goes_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("name", logging.ERROR, "file", 1, "nobody listens", (), None)
    JournalHandler(tmp_path / "socket").handle(record)
    assert "<3>nobody listens" in capfd.readouterr().err
