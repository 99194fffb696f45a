"""The database behind the store: SQLite in a file, or PostgreSQL. Connections, transactions, and its errors as ours. Knows no table.

SQLite: write-ahead log, every commit synced to the disk (``synchronous=FULL``) before the call returns; one writer at a time takes the write lock when its
transaction begins (BEGIN IMMEDIATE), so that no two read the same state and write over it. Sources: sqlite.org/wal.html, sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from samovar.errors import DatabaseError, MissingExtraError

BUSY_SECONDS = 30.0  # how long to wait for another process's write
POOL = 8  # connections kept
OVERFLOW = 32  # more under load: as many threads work as the engine has
_WRITE = {"samovar_write": True}


class Database:
    """An open database. `path` is the file of SQLite, None for PostgreSQL."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.path = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self.engine = _engine(url)
        self._writing: Any = threading.Lock() if self.path else nullcontext()

    @classmethod
    def at(cls, url: str, home: Path) -> Database:
        """Open by URL, or ``home/serve/serve.sqlite`` when it is empty; the file is made, readable by its owner only.

        Raises:
            DatabaseError: the URL is wrong, or the file cannot be made.
        """
        database = cls(_url(url, home))
        if database.path is not None:
            _make_file(database.path)
        return database

    @property
    def name(self) -> str:
        """How to name it to people: the file, or the URL without its password."""
        return str(self.path or self.url.render_as_string(hide_password=True))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one state of the database."""
        with self._errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; on the disk when the block is left, undone when it raises.

        Raises:
            DatabaseError: it could not be written.
            IntegrityError: it clashes with what there is (callers make it a `ConflictError`).
        """
        opened = self.engine.connect
        with self._errors(), self._writing, opened().execution_options(**_WRITE) as connection, connection.begin():
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise DatabaseError(_explain(error, self.name)) from error

    def close(self) -> None:
        """Close all connections; safe to call twice."""
        self.engine.dispose()


def _url(text: str, home: Path) -> URL:
    if not text:
        return URL.create("sqlite+pysqlite", database=str(home / "serve" / "serve.sqlite"))
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise DatabaseError(_wrong_url()) from error
    if backend == "sqlite" and url.database and url.database != ":memory:" and not url.query:
        return url.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise DatabaseError(_wrong_url())


def _wrong_url() -> str:
    return "expected serve.database_url like postgresql://user:password@host/name or sqlite:////folder/file.sqlite, found another. Correct the setting."


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseError(
            f"expected to write the database {path}, found: {error.strerror}. Check the folder's permissions."
        ) from error


def _engine(url: URL) -> sa.Engine:
    try:
        if url.get_backend_name() == "sqlite":
            engine = sa.create_engine(
                url,
                connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
                pool_size=POOL,
                max_overflow=OVERFLOW,
            )
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(url, pool_size=POOL, max_overflow=OVERFLOW, pool_pre_ping=True)
    except (ImportError, NoSuchModuleError) as error:
        raise MissingExtraError("postgres", "PostgreSQL") from error


def _prepare_sqlite(connection: Any, record: Any) -> None:
    for setting in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("samovar_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(error: SQLAlchemyError, name: str) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)
    line = " ".join(said.split())[:300]
    return f"expected to use the database {name}, found: {line}. See that it is reachable and its disk not full, then try again."
