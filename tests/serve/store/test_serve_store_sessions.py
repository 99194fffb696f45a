"""Sessions: found by their token, renewed by use, ended from anywhere."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from samovar.serve.store.store import Store
from samovar.serve.store.tables import sessions

PASSWORD = "correct horse"


@pytest.fixture
def anna(store: Store) -> Any:
    return store.accounts.create("anna", PASSWORD, "admin")


def test_a_session_is_found_by_its_token_only(store: Store, anna: Any) -> None:
    token, session = store.sessions.start(anna.id, "Firefox" * 100, "127.0.0.1")
    assert len(session.agent) == 300
    assert store.sessions.find(token) == (anna, session)
    assert store.sessions.get(session.id) == session
    for other in ("", token[:-1], token + "A", session.id, token.swapcase(), "\ud800", "\0"):
        assert store.sessions.find(other) is None
    with store.database.read() as connection:
        assert token not in str(connection.execute(sessions.select()).all())


def test_use_renews_a_session_at_most_once_a_minute(store: Store, anna: Any, clock: Any) -> None:
    token, session = store.sessions.start(anna.id)
    clock.turn(seconds=59)
    assert store.sessions.find(token) == (anna, session)
    clock.turn(seconds=2)
    found = store.sessions.find(token)
    assert found is not None
    assert found[1].last_used_at > session.last_used_at and found[1].expires_at > session.expires_at
    assert store.sessions.list(anna.id) == [found[1]]
    for _ in range(10):  # used every ten days it lives for ever, unused it ends after 14
        clock.turn(days=10)
        assert store.sessions.find(token) is not None
    clock.turn(days=14, seconds=1)
    assert store.sessions.find(token) is None
    assert store.sessions.list(anna.id) == []
    clock.turn(days=-10)
    assert store.sessions.find(token) is None, "an expired session must not come back"


def test_the_end_of_a_session_is_announced_once(store: Store, anna: Any) -> None:
    ended: list[str] = []
    store.sessions.on_end(ended.append)
    token, session = store.sessions.start(anna.id)
    store.sessions.end(session.id)
    store.sessions.end(session.id)
    store.sessions.sweep()
    assert ended == [session.id] and store.sessions.find(token) is None


def test_a_callback_that_fails_does_not_keep_the_others_from_hearing(
    store: Store, anna: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    store.sessions.on_end(lambda session_id: ended.remove(session_id))  # fails
    store.sessions.on_end(ended.append)
    _, session = store.sessions.start(anna.id)
    store.sessions.end(session.id)
    assert ended == [session.id]
    assert "callback" in caplog.text


CHANGES = {
    "password": lambda store, user: store.accounts.set_password(user.id, "another horse"),
    "role": lambda store, user: store.accounts.set_role(user.id, "editor"),
    "disable": lambda store, user: store.accounts.set_disabled(user.id, True),
    "delete": lambda store, user: store.accounts.delete(user.id),
    "end_all": lambda store, user: store.sessions.end_all(user.id),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_an_account_end_its_sessions_and_no_others(store: Store, anna: Any, change: str) -> None:
    ended: list[str] = []
    store.sessions.on_end(ended.append)
    boris = store.accounts.create("boris", PASSWORD, "reader")
    kept, _ = store.sessions.start(anna.id)
    pairs = [store.sessions.start(boris.id) for _ in range(3)]
    CHANGES[change](store, boris)
    assert sorted(ended) == sorted(session.id for _, session in pairs)
    assert all(store.sessions.find(token) is None for token, _ in pairs)
    assert store.sessions.find(kept) is not None


def test_whoever_changes_the_own_password_stays_logged_in(store: Store, anna: Any) -> None:
    (here, session), (there, _) = store.sessions.start(anna.id), store.sessions.start(anna.id)
    store.accounts.set_password(anna.id, "another horse", keep_session=session.id)
    assert store.sessions.find(here) is not None and store.sessions.find(there) is None


def test_a_role_that_does_not_change_ends_nothing(store: Store, anna: Any) -> None:
    token, _ = store.sessions.start(anna.id)
    store.accounts.set_role(anna.id, "admin")
    store.accounts.set_disabled(anna.id, False)
    assert store.sessions.find(token) is not None


def test_sessions_that_another_process_ends_are_announced_by_the_sweep(open_store: Any) -> None:
    server, command = open_store(), open_store()
    anna = server.accounts.create("anna", PASSWORD, "admin")
    boris = server.accounts.create("boris", PASSWORD, "reader")
    ended: list[str] = []
    server.sessions.on_end(ended.append)
    token, session = server.sessions.start(boris.id)
    server.sessions.start(anna.id)
    server.sessions.sweep()
    assert ended == []
    command.accounts.set_disabled(boris.id, True)
    assert server.sessions.find(token) is None
    server.sessions.sweep()
    assert ended == [session.id]


def test_the_sweep_runs_by_itself(open_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from samovar.serve.store import sessions as module

    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.02)
    server, command = open_store(), open_store()
    anna = server.accounts.create("anna", PASSWORD, "admin")
    ended = threading.Event()
    server.sessions.on_end(lambda session_id: ended.set())
    _, session = server.sessions.start(anna.id)
    command.sessions.end(session.id)
    assert ended.wait(20)
    server.close()
    assert not any(t.name == "samovar-sessions" and t.is_alive() for t in threading.enumerate())


def test_the_sweep_removes_expired_sessions(store: Store, anna: Any, clock: Any) -> None:
    ended: list[str] = []
    store.sessions.on_end(ended.append)
    _, old = store.sessions.start(anna.id)
    clock.turn(days=10)
    _, young = store.sessions.start(anna.id)
    clock.turn(days=5)
    store.sessions.sweep()
    assert ended == [old.id]
    with store.database.read() as connection:
        assert connection.execute(sa.select(sessions.c.id)).scalars().all() == [young.id]
