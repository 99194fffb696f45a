"""API keys, the tokens made from them, and invitations: secrets of which only hashes are kept."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from test_serve_store_accounts import PASSWORD, rows_of

from samovar.errors import ConflictError, NotFoundError, UsageError
from samovar.serve.principal import SCOPES
from samovar.serve.store.store import Store


@pytest.fixture
def anna(store: Store) -> Any:
    return store.accounts.create("anna", PASSWORD, "admin")


def test_a_key_is_found_by_its_text_only(store: Store, anna: Any) -> None:
    text, key = store.keys.create(anna.id, " my  notebook\0", ["search", "ask"])
    assert re.fullmatch(r"smv-[0-9A-Za-z_-]{40}", text)
    assert (key.owner_id, key.name, key.hint, key.scopes) == (
        anna.id,
        "my notebook\ufffd",
        text[-4:],
        {"ask", "search"},
    )
    found = store.keys.find(text)
    assert found is not None and found[0] == anna and found[1].id == key.id
    for other in ("", "smv-", text[:-1], text + "A", text.swapcase(), text.removeprefix("smv-"), key.id, "smv-\ud800"):
        assert store.keys.find(other) is None
    assert text[4:] not in str(rows_of(store))


def test_a_revoked_or_disabled_key_does_not_work(store: Store, anna: Any) -> None:
    boris = store.accounts.create("boris", None, "reader")
    text, key = store.keys.create(boris.id, "k", SCOPES)
    store.accounts.set_disabled(boris.id, True)
    assert store.keys.find(text) is None
    store.accounts.set_disabled(boris.id, False)
    assert store.keys.find(text) is not None, "a disabled user's keys are not revoked"
    store.accounts.set_role(boris.id, "editor")
    found = store.keys.find(text)
    assert found is not None and found[0].role == "editor", "the role is the one at the time of use"
    store.keys.revoke(key.id)
    store.keys.revoke(key.id)
    assert store.keys.find(text) is None
    revoked = store.keys.get(key.id)
    assert revoked is not None and revoked.revoked and store.keys.list(boris.id) == [revoked]


@pytest.mark.parametrize(
    ("expires", "works_for", "then_not_after"),
    [("2026-03-02", {"hours": 35, "minutes": 59}, {"minutes": 2}), ("2026-03-01T13:00:00+00:00", {"minutes": 59}, {"minutes": 2}), ("2026-03-01T18:00+05:00", {"minutes": 59}, {"minutes": 2})],
)  # fmt: skip
def test_a_key_expires(
    store: Store, anna: Any, clock: Any, expires: str, works_for: dict[str, float], then_not_after: dict[str, float]
) -> None:
    text, key = store.keys.create(anna.id, "k", ["ask"], expires)
    token, _ = store.tokens.issue(key.id, "s")
    clock.turn(**works_for)
    assert store.keys.find(text) is not None
    clock.turn(**then_not_after)
    assert store.keys.find(text) is None and store.tokens.find(token) is None


@pytest.mark.parametrize("expires", ["2026-02-28", "yesterday", "2026-13-01", "2026-03-01T11:00:00Z", "9999-12-31T"])
def test_expiries_that_make_no_sense_are_refused(store: Store, anna: Any, expires: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        store.keys.create(anna.id, "k", ["ask"], expires)
    assert store.keys.list(anna.id) == []


def test_the_latest_possible_date_is_fine_or_refused_but_never_a_crash(store: Store, anna: Any) -> None:
    for expires in ("9999-12-30", "9999-12-31", "0001-01-01", "0001-01-01T00:00+23:59"):
        try:
            text, _ = store.keys.create(anna.id, "k", ["ask"], expires)
        except UsageError:
            continue
        assert store.keys.find(text) is not None


def test_keys_need_a_name_a_known_scope_and_an_owner(store: Store, anna: Any) -> None:
    for name, scopes in (("", ["ask"]), ("x" * 101, ["ask"]), ("k", []), ("k", ["ask", "everything"])):
        with pytest.raises(UsageError):
            store.keys.create(anna.id, name, scopes)
    with pytest.raises(NotFoundError):
        store.keys.create("local", "k", ["ask"])
    assert rows_of(store)["keys"] == []


def test_the_last_use_is_written_at_most_once_a_minute(store: Store, anna: Any, clock: Any) -> None:
    text, key = store.keys.create(anna.id, "k", ["ask"])
    assert key.last_used_at == ""
    uses = []
    for _ in range(4):
        store.keys.find(text)
        found = store.keys.get(key.id)
        assert found is not None
        uses.append(found.last_used_at)
        clock.turn(seconds=25)
    assert uses[0] == uses[1] == uses[2] < uses[3]


# -- tokens ---------------------------------------------------------------------------------------------------------
def test_a_token_stands_for_its_key_for_half_an_hour(store: Store, anna: Any, clock: Any) -> None:
    _, key = store.keys.create(anna.id, "k", ["ask"])
    token, ends = store.tokens.issue(key.id, "GIGACHAT_API_PERS")
    assert 1_799_000 <= ends - clock.moment.timestamp() * 1000 <= 1_800_000
    found = store.tokens.find(token)
    assert found is not None and found[0] == anna and found[1].id == key.id
    assert store.tokens.find(token + "x") is None and token not in str(rows_of(store))
    clock.turn(minutes=29, seconds=59)
    assert store.tokens.find(token) is not None
    clock.turn(seconds=2)
    assert store.tokens.find(token) is None
    store.tokens.issue(key.id, "s")
    assert len(rows_of(store)["tokens"]) == 1, "expired tokens are cleared away"


def test_a_token_ends_with_its_key(store: Store, anna: Any) -> None:
    _, key = store.keys.create(anna.id, "k", ["ask"])
    token, _ = store.tokens.issue(key.id, "s")
    store.keys.revoke(key.id)
    assert store.tokens.find(token) is None and rows_of(store)["tokens"] == []


def test_a_token_made_with_a_password_ends_with_it(store: Store, anna: Any) -> None:
    by_password, _ = store.tokens.issue_for_user(anna.id, "s")
    _, key = store.keys.create(anna.id, "k", ["ask"])
    by_key, _ = store.tokens.issue(key.id, "s")
    found = store.tokens.find(by_password)
    assert found is not None and found[0] == anna and found[1].scopes == frozenset(SCOPES) - {"admin"}
    store.accounts.set_password(anna.id, "another horse")
    assert store.tokens.find(by_password) is None
    assert store.tokens.find(by_key) is not None


def test_tokens_of_a_disabled_user_do_not_work(store: Store, anna: Any) -> None:
    boris = store.accounts.create("boris", None, "reader")
    _, key = store.keys.create(boris.id, "k", ["ask"])
    made = [store.tokens.issue_for_user(boris.id, "s")[0], store.tokens.issue(key.id, "s")[0]]
    store.accounts.set_disabled(boris.id, True)
    assert [store.tokens.find(token) for token in made] == [None, None]


def test_tokens_need_a_key_or_a_user(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.tokens.issue("none", "s")
    with pytest.raises(NotFoundError):
        store.tokens.issue_for_user("none", "s")


# -- invitations ----------------------------------------------------------------------------------------------------
def test_an_invitation_makes_one_account(store: Store, anna: Any) -> None:
    token, made = store.invitations.create("editor", anna.id)
    assert store.invitations.find(token) == made == store.invitations.get(made.id)
    boris = store.invitations.accept(token, "boris", PASSWORD)
    assert (boris.role, boris.name) == ("editor", "boris")
    assert store.accounts.check_password("boris", PASSWORD) == boris
    assert store.invitations.find(token) is None
    assert [i.used_by for i in store.invitations.list()] == [boris.id]
    with pytest.raises(NotFoundError):
        store.invitations.accept(token, "clara", PASSWORD)
    assert token not in str(rows_of(store))


def test_an_invitation_is_not_used_up_by_a_mistake(store: Store, anna: Any) -> None:
    token, _ = store.invitations.create("reader", anna.id)
    with pytest.raises(ConflictError):
        store.invitations.accept(token, "ANNA", PASSWORD)
    with pytest.raises(UsageError):
        store.invitations.accept(token, "boris", "short")
    assert store.invitations.accept(token, "boris", PASSWORD).role == "reader"


def test_invitations_end(store: Store, anna: Any, clock: Any) -> None:
    late, _ = store.invitations.create("reader", anna.id, days=7)
    taken, made = store.invitations.create("reader", anna.id, days=30)
    store.invitations.delete(made.id)
    clock.turn(days=7, seconds=1)
    for token in (late, taken, "", "\0"):
        assert store.invitations.find(token) is None
        with pytest.raises(NotFoundError):
            store.invitations.accept(token, "boris", PASSWORD)
    for days in (0, -1, 366, float("nan")):
        with pytest.raises(UsageError):
            store.invitations.create("reader", anna.id, days=days)


def test_many_who_accept_at_once_make_one_account(open_store: Any) -> None:
    stores = [open_store(), open_store()]
    admin = stores[0].accounts.create("anna", None, "admin")
    token, _ = stores[0].invitations.create("reader", admin.id)
    barrier = threading.Barrier(6)
    outcomes: list[str] = []

    def accept(number: int) -> None:
        barrier.wait()
        try:
            outcomes.append(stores[number % 2].invitations.accept(token, f"user{number}", PASSWORD).name)
        except NotFoundError:
            outcomes.append("")

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6 and len([name for name in outcomes if name]) == 1
    assert stores[0].accounts.count() == 2
