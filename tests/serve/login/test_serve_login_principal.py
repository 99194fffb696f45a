"""Who is calling, asked of a real server: keys, tokens and cookies that count, and everything that must not."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serve_harness import PASSWORD, Running
from starlette.requests import HTTPConnection

from samovar.serve.login import bearer, principal_of
from samovar.serve.principal import LOCAL, Principal
from samovar.serve.store import passwords

WHO = "/api/samovar/account"  # logins only
SESSIONS = "/api/samovar/sessions"


def ask(running: Running, *headers: tuple[str, str], cookie: str = "") -> Principal | None:
    """Ask `principal_of` about a request with these headers."""
    found = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    if cookie:
        found.append((b"cookie", b"samovar_session=" + cookie.encode("latin-1")))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": found, "app": running.app, "client": ("::1", 1)}
    return running.call(principal_of(HTTPConnection(scope)))


def test_without_accounts_everybody_is_local(running: Running) -> None:
    for headers in ([], [("Authorization", "Bearer nonsense")], [("Authorization", "")]):
        assert ask(running, *headers) == LOCAL
    assert running.client().get(WHO).json() == {
        "user": {"id": "local", "name": "local", "role": "admin", "created_at": "", "disabled": False, "has_password": False},
        "way": "open", "scopes": ["ask", "search", "files", "library", "admin"], "login_needed": False,
    }  # fmt: skip


def test_three_ways_in(guarded: Running) -> None:
    person = guarded.people["reader"]
    key = ask(guarded, ("Authorization", f"Bearer {person.key}"))
    scopes = frozenset({"ask", "search", "files"})
    assert key == Principal(person.user.id, "reader", "reader", scopes, "key", person.api_key.id)  # type: ignore[arg-type]
    assert ask(guarded, ("authorization", f"bearer   {person.key} ")) == key
    token, _ = guarded.state.store.tokens.issue(person.api_key.id, "s")
    assert ask(guarded, ("Authorization", f"Bearer {token}")) == Principal(person.user.id, "reader", "reader", scopes, "token", person.api_key.id)  # type: ignore[arg-type]  # fmt: skip
    assert ask(guarded, cookie=person.token) == person.principal


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer {key}x", "Basic {key}", "{key}", "Bearer {key} {key}", "Bearer\t{key}", "Bearer smv-", "Bearer {session}",
     "Bearer " + "x" * 10_000, "Bearer \xff\xfe", "Token {key}", "Bearer: {key}", "Bearer {id}"],
)  # fmt: skip
def test_credentials_that_do_not_count_are_nobody_even_beside_a_good_cookie(guarded: Running, header: str) -> None:
    person = guarded.people["reader"]
    header = header.format(key=person.key, session=person.token, id=person.api_key.id)
    assert ask(guarded, ("Authorization", header)) is None
    assert ask(guarded, ("Authorization", header), cookie=person.token) is None


def test_two_authorization_headers_are_nobody(guarded: Running) -> None:
    people = guarded.people
    both = [("Authorization", f"Bearer {people[name].key}") for name in ("reader", "admin")]
    assert ask(guarded, *both) is None


@pytest.mark.parametrize("cookie", ["", "x", "{key}", "{id}", "{token}x", '"{token}', "x" * 10_000, "\xff"])
def test_cookies_that_do_not_count_are_nobody(guarded: Running, cookie: str) -> None:
    person = guarded.people["reader"]
    assert ask(guarded, cookie=cookie.format(key=person.key, id=person.session.id, token=person.token)) is None


def test_a_disabled_user_is_nobody_by_any_way(guarded: Running) -> None:
    person, store = guarded.people["reader"], guarded.state.store
    token, _ = store.tokens.issue(person.api_key.id, "s")
    store.accounts.set_disabled(person.user.id, True)
    assert ask(guarded, ("Authorization", f"Bearer {person.key}")) is None
    assert ask(guarded, ("Authorization", f"Bearer {token}")) is None
    assert ask(guarded, cookie=person.token) is None


def test_the_secret_of_a_header() -> None:
    assert bearer("Bearer abc") == bearer(" BEARER  abc ") == "abc"
    for wrong in ("", "abc", "Bearer", "Bearer a b", "Bearer а", "Basic abc", "Bearer " + "a" * 513):
        assert bearer(wrong) == ""


# -- logging in -----------------------------------------------------------------------------------------------------
def log_in(running: Running, name: str = "reader", password: str = PASSWORD, **options: Any) -> Any:
    return running.client(**options).post("/api/samovar/login", json={"name": name, "password": password})


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_do_not_get(guarded: Running) -> None:
    answer = log_in(guarded, "READER", headers={"User-Agent": "Firefox"})
    assert (answer.status_code, answer.json()["user"]["name"]) == (200, "reader")
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes and "secure" not in attributes
    client = guarded.client(cookie=answer.cookies["samovar_session"])
    assert client.get(WHO).json()["way"] == "session"
    newest = client.get(SESSIONS).json()["sessions"][0]
    assert (newest["agent"], newest["address"], newest["current"]) == ("Firefox", "127.0.0.1", True)
    assert answer.cookies["samovar_session"] not in client.get(SESSIONS).text


def test_the_cookie_is_for_https_only_where_there_is_https(serve: Any) -> None:
    running = serve(accounts=True, public_url="https://samovar.example")
    attributes = log_in(running).headers["set-cookie"].lower()
    assert "secure" in attributes


def test_a_wrong_login_tells_nothing(guarded: Running) -> None:
    guarded.state.store.accounts.set_disabled(guarded.people["other"].user.id, True)
    answers = [
        log_in(guarded, "reader", "wrong password"), log_in(guarded, "nobody"), log_in(guarded, "other"), log_in(guarded, "reader", ""),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_many_logins_wait_for_each_other_and_for_nobody_else(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing takes memory and time on purpose: a flood of logins must not stop those who are in."""
    running = serve(accounts=True, logins_per_minute=1000)
    door, hashing = threading.Event(), passwords.verify

    def slow(password: str, hashed: str) -> tuple[bool, str]:
        door.wait(60)
        return hashing(password, hashed)

    monkeypatch.setattr(passwords, "verify", slow)
    try:
        with ThreadPoolExecutor(24) as pool:
            logins = [pool.submit(log_in, running) for _ in range(24)]
            time.sleep(0.2)
            assert running.session_client("other").get(WHO).status_code == 200
            assert running.client("other").get("/v1/models").status_code == 200
            assert not any(login.done() for login in logins)
            door.set()
            assert {login.result().status_code for login in logins} == {200}
    finally:
        door.set()


def test_a_new_login_ends_the_browsers_last_one(guarded: Running) -> None:
    """No session of before the login goes on after it (fixation)."""
    old = guarded.people["other"].token
    headers = {"Origin": guarded.url}
    answer = log_in(guarded, "reader", cookie=old, headers=headers)
    assert answer.status_code == 200 and answer.cookies["samovar_session"] != old
    assert guarded.client(cookie=old).get(WHO).status_code == 401


def test_logging_out_ends_the_session_not_only_the_cookie(guarded: Running) -> None:
    client = guarded.session_client("reader")
    answer = client.post("/api/samovar/logout")
    assert answer.status_code == 200 and 'samovar_session=""' in answer.headers["set-cookie"]
    assert guarded.session_client("reader").get(WHO).status_code == 401
    assert guarded.client().post("/api/samovar/logout").status_code == 200
