"""What the store has acknowledged is there, whatever happens to the process that wrote it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from samovar.errors import DatabaseError
from samovar.serve.store import database
from samovar.serve.store.store import Store
from samovar.serve.store.tables import messages
from samovar.settings import ServeSettings, Settings

WRITER = Path(__file__).with_name("store_writer.py")
KILLS = 10


def start_writer(settings: Settings, conversation: str, count: int, name: str) -> subprocess.Popen[str]:
    arguments = [settings.serve.database_url, str(settings.home), conversation, str(count), name]
    return subprocess.Popen([sys.executable, str(WRITER), *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_writers_lose_nothing_they_were_told_was_kept(open_store: Any, settings: Settings) -> None:
    """kill -9 at ten different moments; each next writer goes on without repair."""
    store = open_store()
    conversation = store.conversations.create("local", "t").id
    acknowledged: list[list[str]] = []
    for kill in range(KILLS):
        writer = start_writer(settings, conversation, 0, f"w{kill}")
        assert writer.stdout is not None
        acknowledged.append(writer.stdout.readline().split())
        time.sleep(0.013 * kill)
        writer.kill()
        rest = writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        acknowledged += [line.split() for line in rest if line.endswith("\n")]  # a torn line was not said
    found = store.conversations.messages(conversation)
    kept = {m.id: (m.position, m.text.split()[0]) for m in found}
    assert len(acknowledged) >= KILLS
    assert not [row for row in acknowledged if row[0] not in kept], "an acknowledged message is lost"
    assert all(kept[identity] == (int(position), text) for identity, position, text in acknowledged)
    assert [m.position for m in found] == list(range(len(found)))
    if store.database.path is not None:
        with store.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@pytest.mark.slow
def test_processes_that_append_at_once_keep_positions_in_order(open_store: Any, settings: Settings) -> None:
    store = open_store()
    conversation = store.conversations.create("local", "t").id
    writers = [start_writer(settings, conversation, 20, f"w{number}") for number in range(3)]
    said = [writer.communicate(timeout=120)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    found = store.conversations.messages(conversation)
    assert [m.position for m in found] == list(range(60))
    by_id = {m.id: m for m in found}
    for lines in said:
        rows = [line.split() for line in lines]
        assert [by_id[i].text.split()[0] for i, _, _ in rows] == [text for _, _, text in rows]
        assert [int(position) for _, position, _ in rows] == sorted(int(position) for _, position, _ in rows)


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    with Store.open(Settings(home=tmp_path)) as store:
        for open_transaction in (store.database.read, store.database.write):
            with open_transaction() as connection:
                names = ("journal_mode", "synchronous", "foreign_keys")
                found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2: FULL


# -- faults ---------------------------------------------------------------------------------------------------------
def test_a_full_disk_is_an_error_and_leaves_no_half_of_anything(tmp_path: Path) -> None:
    with Store.open(Settings(home=tmp_path)) as store:
        conversation = store.conversations.create("local", "t")
        store.conversations.append(conversation.id, "user", "before")
        pages = _pragma(store, "page_count")

        def limit(connection: Any, record: Any) -> None:
            connection.execute(f"PRAGMA max_page_count={pages}")

        sa.event.listen(store.database.engine, "connect", limit)
        store.database.close()  # connections from now on are under the limit
        with pytest.raises(DatabaseError, match="full"):
            store.conversations.append(conversation.id, "user", "x" * 1_000_000)
        found = store.conversations.get(conversation.id)
        assert found is not None
        assert [m.text for m in store.conversations.messages(conversation.id)] == ["before"]
        assert found.updated_at == store.conversations.messages(conversation.id)[0].created_at
        sa.event.remove(store.database.engine, "connect", limit)
        store.database.close()
        assert store.conversations.append(conversation.id, "user", "x" * 1_000_000).position == 1


def _pragma(store: Store, name: str) -> Any:
    with store.database.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_a_full_disk_logs_nobody_out(tmp_path: Path, clock: Any) -> None:
    with Store.open(Settings(home=tmp_path), clock=clock) as store:
        anna = store.accounts.create("anna", None, "admin")
        token, _ = store.sessions.start(anna.id)
        text, _ = store.keys.create(anna.id, "k", ["ask"])

        def read_only(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA query_only=ON")

        sa.event.listen(store.database.engine, "connect", read_only)
        store.database.close()
        clock.turn(minutes=5)
        with pytest.raises(DatabaseError):
            store.conversations.create(anna.id, "t")
        held, owned = store.sessions.find(token), store.keys.find(text)
        assert held is not None and owned is not None and held[0] == owned[0] == anna


def test_a_write_lock_that_is_never_released_is_an_error(
    open_store: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not settings.serve.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL locks rows, not the database")
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    store = open_store()
    other = sqlite3.connect(store.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="locked"):
        store.conversations.create("local", "t")
    assert store.conversations.list("local") == [], "reading goes on"
    other.execute("COMMIT")
    other.close()
    assert store.conversations.create("local", "t").title == "t"


def test_a_transaction_that_fails_is_undone(store: Store) -> None:
    conversation = store.conversations.create("local", "t")
    with pytest.raises(ZeroDivisionError), store.database.write() as connection:
        connection.execute(messages.delete())
        store_row = {"id": "m", "conversation_id": conversation.id, "position": 0, "role": "user", "text": "", "folded": "", "created_at": "", "status": "", "model": "", "answer": "", "superseded": False}  # fmt: skip
        connection.execute(messages.insert().values(**store_row))
        raise ZeroDivisionError
    assert store.conversations.message("m") is None
    assert store.conversations.append(conversation.id, "user", "text").position == 0


def test_a_postgresql_that_restarts_is_found_again(postgres: Any, emptied: str, tmp_path: Path) -> None:
    with Store.open(Settings(home=tmp_path, serve=ServeSettings(database_url=emptied))) as store:
        conversation = store.conversations.create("local", "t")
        postgres.stop()
        with pytest.raises(DatabaseError, match="reachable"):
            store.conversations.append(conversation.id, "user", "lost, and said so")
        postgres.start()
        assert store.conversations.append(conversation.id, "user", "text").position == 0
        assert [m.text for m in store.conversations.messages(conversation.id)] == ["text"]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://anna:geheim@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "://",
        "sqlite:///x?mode=ro",
        "http://[::1",
    ],
)
def test_urls_that_cannot_be_meant_are_refused_without_repeating_passwords(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"serve\.database_url") as caught:
        Store.open(Settings(home=tmp_path, serve=ServeSettings(database_url=url)))
    assert "geheim" not in str(caught.value)


def test_errors_do_not_tell_the_password(tmp_path: Path) -> None:
    url = f"postgresql://anna:geheim@/none?host={tmp_path}"
    with pytest.raises(DatabaseError, match="reachable") as caught:
        Store.open(Settings(home=tmp_path, serve=ServeSettings(database_url=url)))
    assert "geheim" not in str(caught.value) and "anna" in str(caught.value)
