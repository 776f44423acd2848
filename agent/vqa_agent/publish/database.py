"""The outbox's files: the database, opened with care, and the mark beside it that outlives a full disk."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import struct
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from vqa_agent.errors import DeliveryError

log = logging.getLogger(__name__)

PAGE = 4096
LEAST_SIZE = 64 * PAGE
VERSION = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, payload BLOB NOT NULL, settled REAL);
CREATE INDEX IF NOT EXISTS waiting ON outbox (seq) WHERE settled IS NULL;
CREATE TABLE IF NOT EXISTS open_event (id TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('seq', 0), ('lived', 0);
"""
"""`created` and `settled` are seconds on the outbox's own clock; an event waits while `settled` is null."""

FROM_VERSION_1 = """
ALTER TABLE outbox ADD COLUMN settled REAL;
UPDATE outbox SET created = created - strftime('%s', 'now');
"""


def open_database(path: Path, max_size: int) -> tuple[sqlite3.Connection, str]:
    """The database at `path`, and what had to be done to it; a damaged one is set aside, never deleted.

    Raises DeliveryError where it is another's, of a later version, or cannot be opened now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(path, max_size), ""
    except sqlite3.OperationalError as error:
        # Locked, unreadable, no room: nothing says that the file is damaged.
        raise DeliveryError(
            f"opening the outbox {path}: {error}; end what else uses it, make room, or correct its permissions"
        ) from None
    except sqlite3.DatabaseError as error:
        aside = _set_aside(path)
        log.error("the outbox %s is damaged (%s): set aside as %s, a new one is begun", path, error, aside.name)
        return _connect(path, max_size), f"a damaged outbox was set aside as {aside.name}"


def _connect(path: Path, max_size: int) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA max_page_count = {max(LEAST_SIZE, max_size) // PAGE}")
        _bring_up_to_date(database, path)
        if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("its check found damage")
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(database: sqlite3.Connection, path: Path) -> None:
    """Nothing is written where nothing changes, so that a full disk is no reason not to start."""
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise DeliveryError(
            f"opening the outbox {path}: a later version of vqa-agent wrote it; install that again, or move the file"
        )
    if version < VERSION:
        change = FROM_VERSION_1 if version == 1 else ""
        database.executescript(f"BEGIN; {change} {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


class Mark:
    """Two event numbers in a small file of fixed size, which is overwritten in place: that works on a full disk, too.

    `used` is the highest number that was given to an event while the database could not be written. `ceiling` is one
    that no event has reached yet; a new database begins there when the old one was damaged. The file is also the lock
    that keeps a second agent out.
    """

    FORM = struct.Struct("<QQI")
    STEP = 1000
    """Numbers between two renewals of the ceiling."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise DeliveryError(
                f"opening the outbox beside {path}: another agent uses it; end that one, or give each its own state_dir"
            ) from None
        self.used, self.ceiling = self._read()

    def note_used(self, seq: int) -> bool:
        """Remember that numbers up to `seq` are given away; whether that is on disk."""
        return self._write(seq, max(self.ceiling, seq))

    def keep_above(self, seq: int) -> None:
        """Keep the ceiling above `seq`. Where that fails, only a damaged database would tell the difference."""
        if seq >= self.ceiling:
            self._write(self.used, seq + self.STEP)

    def close(self) -> None:
        self._file.close()

    def _read(self) -> tuple[int, int]:
        data = self._file.read(self.FORM.size)
        if len(data) < self.FORM.size:
            return 0, 0
        used, ceiling, check = self.FORM.unpack(data)
        return (used, ceiling) if check == zlib.crc32(data[:16]) else (0, 0)

    def _write(self, used: int, ceiling: int) -> bool:
        data = struct.pack("<QQ", used, ceiling)
        try:
            os.pwrite(self._file.fileno(), data + struct.pack("<I", zlib.crc32(data)), 0)
            os.fdatasync(self._file.fileno())
        except OSError as error:
            log.error("writing %s: %s; make room on that disk", self._path, error.strerror)
            return False
        self.used, self.ceiling = used, ceiling
        return True
