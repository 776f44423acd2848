"""SQLite and PostgreSQL behind the few calls that the collector needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from vqa_agent.errors import DeliveryError, hide_secrets

Row = Sequence[Any]


class Database(Protocol):
    """A connection. Statements use `?`; what the engine raises comes as DeliveryError."""

    moment: str
    """Its type for a time."""

    document: str
    """Its type for JSON."""

    def transaction(self) -> Any:
        """A context in which `execute` works, all or nothing."""

    def execute(self, statement: str, rows: Sequence[Row] = ((),)) -> int:
        """Run a statement once for each row of parameters; how many rows of tables that changed."""

    def select(self, statement: str, parameters: Row = ()) -> list[Row]: ...

    def close(self) -> None: ...


def open_database(url: str) -> Database:
    """`sqlite:PATH`, a bare path, or `postgresql://...`. Raises DeliveryError with one line."""
    if url.startswith(("postgresql://", "postgres://")):
        return PostgreSql(url)
    return SQLite(Path(url.removeprefix("sqlite://").removeprefix("sqlite:")))


class SQLite:
    moment, document = "TEXT", "TEXT"

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
        except (OSError, sqlite3.Error) as error:
            raise DeliveryError(f"opening the store {path}: {error}; name a file that may be written") from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise DeliveryError(f"writing the store {self._path}: {error}; make room or correct its rights") from None

    def execute(self, statement: str, rows: Sequence[Row] = ((),)) -> int:
        return self._connection.executemany(statement, rows).rowcount

    def select(self, statement: str, parameters: Row = ()) -> list[Row]:
        return self._connection.execute(statement, parameters).fetchall()

    def close(self) -> None:
        self._connection.close()


class PostgreSql:
    """PostgreSQL, TimescaleDB or what speaks their language; needs the extra [postgres]."""

    moment, document = "TIMESTAMPTZ", "JSONB"

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise DeliveryError(
                f"opening the store {hide_secrets(url)}: the driver is missing; pip install 'vqa-agent[postgres]'"
            ) from None
        self._errors: type[Exception] = psycopg.Error
        self._place = hide_secrets(url)
        try:
            self._connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            reason = hide_secrets(" ".join(str(error).split()))
            raise DeliveryError(
                f"opening the store {self._place}: {reason}; check the address and the rights"
            ) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with self._connection.transaction():
                yield
        except self._errors as error:
            reason = hide_secrets(" ".join(str(error).split()))
            raise DeliveryError(f"writing the store {self._place}: {reason}; see the database's log") from None

    def execute(self, statement: str, rows: Sequence[Row] = ((),)) -> int:
        with self._connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), rows)
            return int(cursor.rowcount)

    def select(self, statement: str, parameters: Row = ()) -> list[Row]:
        with self._connection.cursor() as cursor:
            return list(cursor.execute(statement.replace("?", "%s"), parameters).fetchall())

    def close(self) -> None:
        self._connection.close()
