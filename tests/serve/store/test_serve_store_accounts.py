"""Accounts: names, passwords, roles, the last administrator, and what goes when somebody goes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from samovar.errors import ConflictError, NotFoundError, UsageError
from samovar.serve.store import passwords
from samovar.serve.store.database import Database
from samovar.serve.store.store import Store
from samovar.serve.store.tables import metadata, users

PASSWORD = "correct horse"


def rows_of(store: Store) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with store.database.read() as connection:
        return {table.name: list(connection.execute(table.select())) for table in metadata.sorted_tables}


def test_an_account_is_found_by_id_and_by_name_in_any_case(store: Store) -> None:
    made = store.accounts.create("  Анна Ёлкина ", PASSWORD, "editor")
    assert (made.name, made.role, made.disabled, made.has_password) == ("Анна Ёлкина", "editor", False, True)
    assert store.accounts.get(made.id) == store.accounts.by_name("АННА ЁЛКИНА") == made
    assert store.accounts.list() == [made]
    assert store.accounts.count() == 1
    assert store.accounts.get("none") is None and store.accounts.by_name("none") is None


@pytest.mark.parametrize("again", ["anna", "ANNA", " Anna ", "ａｎｎａ"])  # the last: full-width letters
def test_a_name_is_taken_once(store: Store, again: str) -> None:
    store.accounts.create("Anna", None, "reader")
    with pytest.raises(ConflictError, match="taken"):
        store.accounts.create(again, None, "reader")
    assert store.accounts.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a:b", "a/b", "a\nb", "a\0b", "<b>", "a\u202eb", "a\ud800"])
def test_names_that_would_do_harm_are_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        store.accounts.create(name, None, "reader")
    assert store.accounts.count() == 0


@pytest.mark.parametrize(
    ("password", "why"),
    [("short", "at least 10"), ("aaaaaaaaaaaa", "different"), ("Anna-Maria9", "name"), ("x1" * 600, "at most")],
)
def test_poor_passwords_are_refused(store: Store, password: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        store.accounts.create("anna-maria9", password, "reader")
    made = store.accounts.create("anna-maria9", PASSWORD, "reader")
    with pytest.raises(UsageError, match=why):
        store.accounts.set_password(made.id, password)
    assert store.accounts.check_password("anna-maria9", PASSWORD) == made


def test_a_password_is_checked(store: Store) -> None:
    made = store.accounts.create("Анна", PASSWORD, "reader")
    assert store.accounts.check_password("анна", PASSWORD) == made
    for name, wrong in [("анна", "correct horsf"), ("анна", ""), ("анна", "x" * 5000), ("boris", PASSWORD), ("\0", "\ud800" * 10)]:  # fmt: skip
        assert store.accounts.check_password(name, wrong) is None
    store.accounts.create("boris", None, "reader")
    assert store.accounts.check_password("boris", "") is None


def test_the_same_password_typed_on_another_keyboard_fits(store: Store) -> None:
    composed, decomposed = "пароль с й и ё", "пароль с и\u0306 и е\u0308"
    store.accounts.create("anna", composed, "reader")
    assert store.accounts.check_password("anna", decomposed) is not None


def test_an_unknown_name_is_checked_like_a_known_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hashes are computed, over as many bytes of parameters, whether the name is there or not, or has no password."""
    store.accounts.create("anna", PASSWORD, "reader")
    store.accounts.create("boris", None, "reader")
    store.accounts.check_password("nobody", PASSWORD)  # makes the hash that stands for nobody
    seen: list[str] = []
    verify = PasswordHash.verify_and_update

    def watch(self: PasswordHash, password: str | bytes, hash: str | bytes) -> tuple[bool, str | None]:
        seen.append(str(hash).rsplit("$", 2)[0])
        return verify(self, password, hash)

    monkeypatch.setattr(PasswordHash, "verify_and_update", watch)
    for name in ("anna", "boris", "nobody"):
        assert store.accounts.check_password(name, "wrong password") is None
    assert len(seen) == 3 and len(set(seen)) == 1


def test_hashes_are_argon2id_and_passwords_are_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHash.recommended)
    hashed = passwords.hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")  # RFC 9106, second recommended option
    assert passwords.verify(PASSWORD, hashed) == (True, "")
    assert passwords.verify("another horse", hashed) == (False, "")


def test_hashes_of_older_parameters_are_renewed_at_the_next_login(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.accounts.create("anna", PASSWORD, "reader")
    stronger = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=16, parallelism=1),))
    monkeypatch.setattr(passwords, "_hasher", lambda: stronger)
    assert store.accounts.check_password("anna", "another horse") is None
    assert "t=1" in rows_of(store)["users"][0].password
    assert store.accounts.check_password("anna", PASSWORD) == made
    assert "t=2" in rows_of(store)["users"][0].password
    assert store.accounts.check_password("anna", PASSWORD) == made


# -- roles ----------------------------------------------------------------------------------------------------------
def test_the_last_admin_stays(store: Store) -> None:
    anna = store.accounts.create("anna", None, "admin")
    other = store.accounts.create("boris", None, "admin")
    store.accounts.set_disabled(other.id, True)  # a disabled admin does not count
    before = rows_of(store)
    for attempt in (
        lambda: store.accounts.set_role(anna.id, "reader"),
        lambda: store.accounts.set_disabled(anna.id, True),
        lambda: store.accounts.delete(anna.id),
        lambda: store.accounts.check_removable(anna.id),
    ):
        with pytest.raises(ConflictError, match="last administrator"):
            attempt()
    assert rows_of(store) == before
    store.accounts.set_disabled(other.id, False)
    store.accounts.set_role(anna.id, "reader")
    assert [user.role for user in store.accounts.list()] == ["reader", "admin"]


def test_two_admins_who_demote_each_other_at_once_do_not_leave_none(open_store: Any) -> None:
    first, second = open_store(), open_store()
    for _ in range(5):
        for user in first.accounts.list():
            first.accounts.set_role(user.id, "admin")
        admins = first.accounts.list() or [first.accounts.create(name, None, "admin") for name in ("a", "b")]
        barrier = threading.Barrier(2)
        refused: list[Exception] = []

        def demote(store: Store, user_id: str, barrier: threading.Barrier = barrier, refused: Any = refused) -> None:
            barrier.wait()
            try:
                store.accounts.set_role(user_id, "reader")
            except ConflictError as error:
                refused.append(error)

        threads = [
            threading.Thread(target=demote, args=(s, u.id)) for s, u in zip((first, second), admins, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        assert sorted(user.role for user in first.accounts.list()) == ["admin", "reader"]


def test_unknown_users_and_roles_are_refused(store: Store) -> None:
    made = store.accounts.create("anna", None, "admin")
    for attempt in (
        lambda: store.accounts.set_role("none", "reader"),
        lambda: store.accounts.set_disabled("none", True),
        lambda: store.accounts.set_password("none", PASSWORD),
        lambda: store.accounts.delete("none"),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    with pytest.raises(UsageError, match="reader, editor, admin"):
        store.accounts.set_role(made.id, "king")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="reader, editor, admin"):
        store.accounts.create("boris", None, "king")  # type: ignore[arg-type]


# -- going ----------------------------------------------------------------------------------------------------------
def fill(store: Store, user_id: str) -> None:
    """Give a user something in every table."""
    store.sessions.start(user_id)
    _, key = store.keys.create(user_id, "k", ["ask"])
    store.tokens.issue(key.id, "s")
    store.tokens.issue_for_user(user_id, "s")
    conversation = store.conversations.create(user_id, "t")
    message = store.conversations.append(conversation.id, "assistant", "text")
    store.feedback.set(message.id, user_id, 1, "good")
    store.uploads.create(user_id, "a.txt", path="a1", source=f"user:{user_id}", document_ids=["d1"])
    store.uploads.create(user_id, "b.txt", path="b1", source="shared", document_ids=["d2"])


def test_a_deleted_user_leaves_nothing_and_takes_nothing_of_others(store: Store) -> None:
    keeper = store.accounts.create("keeper", PASSWORD, "admin")
    fill(store, keeper.id)
    before = rows_of(store)
    gone = store.accounts.create("gone", PASSWORD, "reader")
    fill(store, gone.id)
    store.feedback.set(before["messages"][0].id, gone.id, -1, "of another's answer")
    left = store.accounts.delete(gone.id)
    assert rows_of(store) == before
    assert left.sources == (f"user:{gone.id}",)  # what was shared stays shared
    assert sorted(left.paths) == ["a1", "b1"]


# -- OpenID Connect -------------------------------------------------------------------------------------------------
def test_an_identity_gets_its_own_account_and_never_anothers(store: Store) -> None:
    anna = store.accounts.create("anna", PASSWORD, "admin")
    first = store.accounts.create_for_identity("https://issuer", "s1", "Anna", "reader")
    assert (first.name, first.role, first.has_password) == ("Anna-2", "reader", False)
    assert store.accounts.create_for_identity("https://issuer", "s1", "Anna", "reader") == first
    assert store.accounts.by_identity("https://issuer", "s1") == first != anna
    assert store.accounts.by_identity("https://other", "s1") is None
    assert store.accounts.create_for_identity("https://other", "s1", "\0/:", "reader").name == "user-s1"
    store.accounts.delete(first.id)
    assert store.accounts.by_identity("https://issuer", "s1") is None


def test_it_all_stays_when_the_store_is_closed(store: Store, open_store: Any) -> None:
    made = store.accounts.create("anna", PASSWORD, "admin")
    fill(store, made.id)
    before = rows_of(store)
    store.close()
    assert rows_of(open_store()) == before


def test_the_database_of_sqlite_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    from samovar.settings import Settings

    with Store.open(Settings(home=tmp_path / "new" / "home")) as store:
        store.accounts.create("anna", None, "reader")
        folder = tmp_path / "new" / "home" / "serve"
        assert isinstance(store.database, Database)
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600} and {"serve.sqlite", "serve.sqlite-wal"} <= set(modes)


def test_names_are_compared_as_the_table_says(store: Store) -> None:
    """The unique column is what keeps names apart, also against a program that does not look first."""
    store.accounts.create("anna", None, "reader")
    with store.database.read() as connection:
        assert [row.folded for row in connection.execute(users.select())] == ["anna"]
