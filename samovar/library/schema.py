"""The tables of `library.sqlite`, how a connection to them is opened, and how an older layout is brought up to date.

SQLite in WAL mode: readers never wait for the writer. The text of a document is not stored twice: each passage row
holds its passage plus the white space up to the next one, and the document is put together from the rows (overlaps
skipped). Measured on 50,000 passages, 64 MB of UTF-8 text (CPU ms for 200 random passages · MB on disk): text in the
passage row and again whole per document
1.1–2.0 · 165; substr() of the whole text 110–220 · 67; fixed pieces of 1–4 thousand characters 2.8–4.9 · 75; pieces cut
at passage borders 2.2–3.9 · 71; this layout reads like the first at about half its size.

Durability: ``synchronous=FULL`` syncs the log on every commit, so an acknowledged document survives `kill -9` and, as
far as the disk keeps its promise to sync, a power cut. Source: sqlite.org/wal.html, sqlite.org/pragma.html.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from samovar.errors import LibraryError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x53414D4F  # "SAMO": tells our file from another program's
PAGE_BYTES = 8192  # five passages of 120 Russian words; 4096 holds two and wastes a fifth
BUSY_MS = 15_000
CACHE_KIB = 8_000

TABLES = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL, num_documents INTEGER NOT NULL, num_passages INTEGER NOT NULL, next_passage INTEGER NOT
NULL );
INSERT INTO state VALUES (1, 0, 0, 0, 1);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('identity', lower(hex(randomblob(16))));
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL, uri TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL, published TEXT NOT NULL,
    publisher TEXT NOT NULL, origin TEXT NOT NULL, licence TEXT NOT NULL, added_at TEXT NOT NULL,
    metadata TEXT NOT NULL,
    input TEXT NOT NULL, split TEXT NOT NULL, run INTEGER NOT NULL, version INTEGER NOT NULL,
    num_characters INTEGER NOT NULL, first_passage INTEGER NOT NULL, num_passages INTEGER NOT NULL,
    lead TEXT NOT NULL,
    UNIQUE (uri, source)
);
CREATE INDEX documents_by_source ON documents (source);
CREATE INDEX documents_by_input ON documents (input);
CREATE INDEX documents_by_version ON documents (version);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE UNIQUE INDEX passages_by_place ON passages (document, start);
CREATE TABLE removals (
    version INTEGER NOT NULL, document_id TEXT NOT NULL, source TEXT NOT NULL, uri TEXT NOT NULL,
    first_passage INTEGER NOT NULL, num_passages INTEGER NOT NULL
);
CREATE INDEX removals_by_version ON removals (version);
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL, stage TEXT NOT NULL, decision TEXT NOT NULL, reason TEXT NOT NULL,
    value TEXT NOT NULL, at TEXT NOT NULL, source TEXT NOT NULL
);
CREATE INDEX ledger_by_uri ON ledger (uri);
CREATE TABLE inputs (
    uri TEXT NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    outcome TEXT NOT NULL, recipe TEXT NOT NULL, num_documents INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (uri, source)
) WITHOUT ROWID;
CREATE TABLE withheld (source TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (source, uri)) WITHOUT ROWID;
"""

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: Mapping[int, Migration] = {}
"""From layout n to n + 1, each run in the transaction that also writes the new number. Layout 1 is the first."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode that may be used from several threads (SQLite serialises the calls).

    Raises:
        LibraryError: the file cannot be opened or is not SQLite.
    """
    with translated(path):
        connection = sqlite3.connect(
            _address(path, read_only), uri=True, isolation_level=None, timeout=BUSY_MS / 1000, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA trusted_schema = OFF")
            if not read_only:
                connection.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten, not only unlinked
                connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute(
                "PRAGMA schema_version"
            ).fetchone()  # the first real read: finds out whether this is a database
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _address(path: Path, read_only: bool) -> str:
    """Return the SQLite URI of a file. A closed library on a read-only medium has no log to share: it is then opened as
    unchanging.
    """
    if not read_only:
        return f"{path.absolute().as_uri()}?mode=rwc"
    log = Path(f"{path}-wal")
    unchanging = not os.access(path.parent, os.W_OK) and not log.exists()
    return f"{path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if unchanging else "")


def layout_of(connection: sqlite3.Connection) -> int:
    """Return the layout number of an open file; 0 means "new"."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_layout(connection: sqlite3.Connection, path: Path) -> int:
    """Return the layout number, refusing files of other programs and of newer versions of Samovar."""
    layout = layout_of(connection)
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application not in (0, APPLICATION_ID) or (
        application == 0 and connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    ):
        raise LibraryError(
            f"expected a Samovar library in {path}, found another program's database. "
            "Move the file away, or name another place with SAMOVAR_HOME."
        )
    if layout > SCHEMA_VERSION:
        raise LibraryError(
            f"expected a library of layout {SCHEMA_VERSION} or older in {path}, found layout {layout}, written by a "
            "newer Samovar. "
            "Update with  pip install --upgrade samovar  or name another place with SAMOVAR_HOME."
        )
    return layout


def prepare(connection: sqlite3.Connection, path: Path, migrations: Mapping[int, Migration] = MIGRATIONS) -> None:
    """Create the tables in a new file or migrate an older layout, in one transaction. The caller holds the write lock.

    Raises:
        LibraryError: no migration leads from the layout found to the present one.
    """
    with translated(path):
        layout = check_layout(connection, path)
        if layout == 0:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            layout = layout_of(connection)
            if layout == 0:
                for statement in TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                layout = SCHEMA_VERSION
            while layout < SCHEMA_VERSION:
                step = migrations.get(layout)
                if step is None:
                    raise LibraryError(
                        f"expected a library that can be brought to layout {SCHEMA_VERSION} in {path}, found layout "
                        f"{layout}. "
                        "Export it with the Samovar that wrote it and import the export here."
                    )
                step(connection)
                layout += 1
            connection.execute(f"PRAGMA user_version = {layout}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one immediate transaction: committed at the end, rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a `LibraryError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise LibraryError(f"expected a working library in {path}, found: {error}. {_advice(error)}") from error


def _advice(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL"):
        return "Free some space on the disk and run the command again; nothing acknowledged is lost."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "Another process keeps the file locked; run the command again when it is done."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "Check that the folder exists and that you may write in it, or name another with SAMOVAR_HOME."
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "The file is damaged: move it away, then restore a copy or import an export (samovar library import)."
    return "Run the command again; if it fails again, restore a copy or an export."
