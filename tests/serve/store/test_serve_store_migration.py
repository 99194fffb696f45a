"""Migrations: from every released schema, once, undone when they fail, after a backup; never down from a newer program's."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from test_serve_store_accounts import rows_of

from samovar.errors import DatabaseError
from samovar.serve.store import migration
from samovar.serve.store.database import Database
from samovar.serve.store.store import Store
from samovar.serve.store.tables import HEAD, metadata
from samovar.settings import ServeSettings, Settings

RELEASED = sorted({path.name.partition(".")[0] for path in Path(__file__).with_name("released").glob("*.sql")})
OPEN = "import sys; from pathlib import Path; from samovar.settings import *; from samovar.serve.store.store import Store; from samovar.serve.store import migration, store; Store.open(Settings(home=Path(sys.argv[2]), serve=ServeSettings(database_url=sys.argv[1]))).close()"  # fmt: skip
MORE = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
"""
ADD_COLUMN = (
    MORE + "    op.add_column('users', sa.Column('nickname', sa.Text(), nullable=False, server_default='none'))\n"
)
FAIL = ADD_COLUMN + "    op.execute('DELETE FROM messages')\n    op.execute('SELECT nonsense FROM nowhere')\n"
REBUILD = MORE + "    with op.batch_alter_table('users', recreate='always') as batch:\n        batch.add_column(sa.Column('nickname', sa.Text(), server_default='none'))\n"  # fmt: skip
ORPHAN = MORE + "    op.execute('DELETE FROM users')\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").url())
    return f"sqlite:///{tmp_path}/serve/serve.sqlite"


@pytest.fixture
def released_url(empty_url: str) -> str:
    """A database as the first release left it, with rows in every table."""
    load_released(empty_url, "v0001")
    return empty_url


def load_released(url: str, version: str) -> None:
    """Fill an empty database from the frozen dump of a released schema."""
    kind = url.partition(":")[0]
    dump = Path(__file__).with_name("released").joinpath(f"{version}.{kind}.sql").read_text(encoding="utf-8")
    if kind == "sqlite":
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(dump)
    else:
        with psycopg.connect(url) as connection:
            connection.execute(dump)  # type: ignore[arg-type]


def settings_of(url: str, home: Path) -> Settings:
    return Settings(home=home, serve=ServeSettings(database_url=url))


def backups_in(home: Path) -> list[Path]:
    return sorted(home.glob("serve/serve-*.sqlite"))


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Make up a program that is one migration further."""
    copy = tmp_path / "migrations"
    shutil.copytree(migration.SCRIPTS, copy)
    monkeypatch.setattr(migration, "SCRIPTS", copy)
    yield lambda text: (copy / "versions" / "v0002_next.py").write_text(text) and None


# -- the schema -----------------------------------------------------------------------------------------------------
def test_the_migrations_make_the_tables_of_the_program(empty_url: str, tmp_path: Path) -> None:
    with Store.open(settings_of(empty_url, tmp_path)) as store, store.database.read() as connection:
        assert migration.revision_of(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_is_the_one_the_program_expects() -> None:
    _, scripts = migration._scripts()
    assert scripts.get_heads() == [HEAD]


def test_every_migration_that_was_released_has_a_dump() -> None:
    _, scripts = migration._scripts()
    assert [f"v{script.revision}" for script in scripts.walk_revisions()][::-1] == RELEASED


@pytest.mark.parametrize("version", RELEASED)
def test_a_database_of_a_released_version_is_taken_over_with_all_in_it(
    empty_url: str, tmp_path: Path, version: str
) -> None:
    load_released(empty_url, version)
    then = datetime(2026, 11, 1, 9, 5, tzinfo=UTC)
    with Store.open(settings_of(empty_url, tmp_path), clock=lambda: then) as store:
        with store.database.read() as connection:
            assert migration.revision_of(connection) == HEAD
        anna = store.accounts.check_password("анна", "correct horse")
        assert anna is not None and [u.name for u in store.accounts.list()] == ["boris", "Clara", "Анна"]
        assert store.accounts.by_identity("https://issuer.example", "subject-1") is not None
        held = store.sessions.find("token-of-a-frozen-dump-1")
        assert held is not None and held[0] == anna
        key = store.keys.find("smv-KeyOfAFrozenDump0000000000000000000001")
        assert key is not None and key[1].scopes == {"ask", "search"}
        assert store.tokens.find("token-of-a-frozen-dump-2") is not None
        assert store.invitations.find("token-of-a-frozen-dump-4") is not None
        (found,) = store.conversations.list(anna.id, "гоголь мертвые")
        assert [m.text for m in store.conversations.messages(found.id)] == ["Кто написал «Мёртвые души»?", "Николай Гоголь [1]."]  # fmt: skip
        assert store.conversations.append(found.id, "user", "ещё").position == 3
        assert [f.comment for f in store.feedback.list(10)] == ["верно"]
        assert [u.document_ids for u in store.uploads.list(anna.id)] == [("d1", "d2")]


def test_opening_again_changes_nothing(released_url: str, tmp_path: Path) -> None:
    settings = settings_of(released_url, tmp_path)
    with Store.open(settings) as store:
        before = rows_of(store)
    for _ in range(3):
        with Store.open(settings) as store:
            assert rows_of(store) == before
    assert backups_in(tmp_path) == []


@pytest.mark.slow
def test_processes_that_start_at_once_migrate_once(empty_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, empty_url, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=120)[1] for process in processes] == [""] * 4
    with Store.open(settings_of(empty_url, tmp_path)) as store, store.database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def test_opening_a_migrated_database_imports_no_alembic(tmp_path: Path) -> None:
    Store.open(Settings(home=tmp_path)).close()
    program = OPEN + "; assert 'alembic' not in sys.modules, 'imported'"
    done = subprocess.run([sys.executable, "-c", program, "", str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- a step further -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("script", [ADD_COLUMN, REBUILD], ids=["add", "rebuild"])
def test_a_step_keeps_every_row_and_is_made_after_a_backup(
    released_url: str, tmp_path: Path, next_version: Any, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    if script == REBUILD and not released_url.startswith("sqlite"):
        pytest.skip("only SQLite rebuilds tables to change them")
    next_version(script)
    database = Database.at(released_url, tmp_path)
    store = Store(database, 14)
    before = rows_of(store)
    migration.migrate(database, "0002")
    migration.migrate(database, "0002")
    after = rows_of(store)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after["messages"] == before["messages"] and after["sessions"] == before["sessions"]
    with database.read() as connection:
        assert set(connection.execute(sa.text("SELECT nickname FROM users")).scalars()) == {"none"}
    if database.path is None:
        assert "operator" in caplog.text
    else:
        (copy,) = backups_in(tmp_path)
        assert copy.name.startswith("serve-0001-") and copy.stat().st_mode & 0o777 == 0o600
        assert str(copy) in caplog.text
        with Store.open(settings_of(f"sqlite:///{copy}", tmp_path)) as old:
            assert rows_of(old) == before
        with database.write() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_a_step_that_fails_changes_nothing_and_can_be_tried_again(
    released_url: str, tmp_path: Path, next_version: Any
) -> None:
    next_version(FAIL)
    database = Database.at(released_url, tmp_path)
    store = Store(database, 14)
    before = rows_of(store)
    with pytest.raises(DatabaseError, match="nowhere"):
        migration.migrate(database, "0002")
    assert rows_of(store) == before
    migration.migrate(database)  # the old program goes on
    next_version(ADD_COLUMN)
    migration.migrate(database, "0002")
    assert len(backups_in(tmp_path)) == (2 if database.path else 0)
    database.close()


def test_two_that_take_the_same_step_at_once_take_it_once(released_url: str, tmp_path: Path, next_version: Any) -> None:
    next_version(ADD_COLUMN)
    databases = [Database.at(released_url, tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda database: migration.migrate(database, "0002"), databases))
    with databases[0].read() as connection:
        assert migration.revision_of(connection) == "0002"
    assert len(backups_in(tmp_path)) == (1 if databases[0].path else 0)
    for database in databases:
        database.close()


def test_a_step_that_leaves_rows_pointing_nowhere_is_undone(tmp_path: Path, next_version: Any) -> None:
    load_released(f"sqlite:///{tmp_path}/serve/serve.sqlite", "v0001")
    next_version(ORPHAN)
    database = Database.at("", tmp_path)
    before = rows_of(Store(database, 14))
    with pytest.raises(DatabaseError, match="nowhere"):
        migration.migrate(database, "0002")
    assert rows_of(Store(database, 14)) == before
    database.close()


def test_a_step_killed_half_way_leaves_the_old_schema(tmp_path: Path, next_version: Any) -> None:
    url = f"sqlite:///{tmp_path}/serve/serve.sqlite"
    load_released(url, "v0001")
    next_version(ADD_COLUMN + "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    program = OPEN.replace("Store.open(", f"migration.SCRIPTS = Path({str(migration.SCRIPTS)!r}); store.migrate = lambda d: migration.migrate(d, '0002'); Store.open(")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program, url, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    with Store.open(settings_of(url, tmp_path)) as store:
        assert store.accounts.check_password("анна", "correct horse") is not None
        with store.database.read() as connection:
            assert migration.revision_of(connection) == "0001"
            assert "nickname" not in {c["name"] for c in sa.inspect(connection).get_columns("users")}


# -- what cannot be opened ------------------------------------------------------------------------------------------
def test_a_database_of_a_newer_program_is_refused_untouched(released_url: str, tmp_path: Path) -> None:
    database = Database.at(released_url, tmp_path)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = rows_of(Store(database, 14))
    with pytest.raises(DatabaseError, match="newer Samovar"):
        Store.open(settings_of(released_url, tmp_path))
    assert rows_of(Store(database, 14)) == before and backups_in(tmp_path) == []
    database.close()


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "serve" / "serve.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"Once upon a time there was a text file. " * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="database"):
        Store.open(Settings(home=tmp_path))
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused_untouched(empty_url: str, tmp_path: Path) -> None:
    database = Database.at(empty_url, tmp_path)
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE users (id INTEGER)"))
    with pytest.raises(DatabaseError, match="users"):
        Store.open(settings_of(empty_url, tmp_path))
    with database.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["users"]
    database.close()


def test_a_home_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="permissions"):
        Store.open(Settings(home=tmp_path / "file"))
