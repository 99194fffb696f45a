"""The database's schema brought up to date when the store is opened: by Alembic, once, whoever comes first, after a backup.

SQLite: under a file lock; the file is copied beside itself before anything is changed (``serve-0001-20260102T030405Z.sqlite``), all steps are one
transaction. PostgreSQL: one transaction under an advisory lock; the backup is the operator's, which the log says. A database of a newer program is
refused untouched. Nothing is imported from Alembic (100 ms, 10 MB) when there is nothing to do. Knows no table.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from samovar.errors import DatabaseError, MissingExtraError
from samovar.serve.store.database import Database
from samovar.serve.store.moments import utc
from samovar.serve.store.tables import HEAD

log = logging.getLogger("samovar.serve")

SCRIPTS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x73616D6F766172  # "samovar": the number PostgreSQL knows our migrations by


def migrate(database: Database, target: str = HEAD) -> None:
    """Bring the schema to `target`; return at once when it is there.

    Raises:
        DatabaseError: the database is of a newer program, not a database, or cannot be written.
    """
    with database.read() as connection:
        if revision_of(connection) == target and _keeps_log(connection, database):
            return
    if database.path is not None:
        _migrate_sqlite(database, database.path, target)
    else:
        _migrate_postgresql(database, target)


def revision_of(connection: Connection) -> str:
    """Return the revision the database is at, "" for a new one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _keeps_log(connection: Connection, database: Database) -> bool:
    return database.path is None or connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def _migrate_sqlite(database: Database, path: Path, target: str) -> None:
    with file_lock(path.with_name(path.name + ".lock")):
        try:
            with closing(sqlite3.connect(path, timeout=30.0)) as plain:
                plain.execute("PRAGMA journal_mode=WAL")
                _set_foreign_keys(database, "OFF")
                with database.write() as connection:
                    before = revision_of(connection)
                    _check_known(before, database)
                    if before and before != target:
                        copy = back_up(plain, path, before)
                        log.warning("database %s: before changing its schema, a copy was made: %s", path, copy)
                    _upgrade(connection, target)
                    _check_foreign_keys(connection)
        except sqlite3.Error as error:
            raise DatabaseError(
                f"expected an SQLite database in {path}, found: {error}. Move the file away, or name another in serve.database_url."
            ) from error
        finally:
            database.close()  # connections that do not check foreign keys go


def _set_foreign_keys(database: Database, value: str) -> None:
    """Let the next transaction run with or without them: a step that rebuilds a table must not cascade."""
    database.close()
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.execute(f"PRAGMA foreign_keys={value}")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise DatabaseError(
            f"expected rows that belong together, found {len(broken)} in {broken[0][0]} that point nowhere. Nothing was changed."
        )


def _migrate_postgresql(database: Database, target: str) -> None:
    with database.write() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        before = revision_of(connection)
        _check_known(before, database)
        if before and before != target:
            log.warning(
                "database %s: its schema is changed from %s to %s. Backing up PostgreSQL is the operator's",
                database.name,
                before,
                target,
            )
        _upgrade(connection, target)


def _scripts() -> Any:
    try:
        from alembic.config import Config
        from alembic.script import ScriptDirectory
    except ImportError as error:
        raise MissingExtraError("serve", "the server's database") from error
    return Config(), ScriptDirectory(SCRIPTS, version_locations=[SCRIPTS / "versions"])


def _check_known(revision: str, database: Database) -> None:
    _, scripts = _scripts()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision and revision not in known:
        raise DatabaseError(
            f"expected the database {database.name} at schema {HEAD} or older, found {revision}: a newer Samovar wrote it. "
            "Install that version, or start from the copy made before the change (beside the database)."
        )


def _upgrade(connection: Connection, target: str) -> None:
    from alembic.runtime.environment import EnvironmentContext

    config, scripts = _scripts()
    with EnvironmentContext(config, scripts, fn=lambda at, _: scripts._upgrade_revs(target, at)) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()


def back_up(source: sqlite3.Connection, path: Path, revision: str) -> Path:
    """Copy an SQLite database beside itself, whole and on the disk when this returns; return where."""
    copy = path.with_name(f"{path.stem}-{revision}-{utc():%Y%m%dT%H%M%S%fZ}{path.suffix}")
    unfinished = copy.with_name(copy.name + ".unfinished")
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    for place in (unfinished, path.parent):
        _sync(place)
    os.replace(unfinished, copy)
    _sync(path.parent)
    return copy


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock that one process at a time holds, waiting for it. Source: flock(2)."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(
            f"expected to write in {path.parent}, found: {error.strerror}. Check the folder's permissions."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
