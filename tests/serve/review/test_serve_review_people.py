"""Ways round a login that a reader of the code tried: hidden names, invitations that outlive their inviter, a proxy in front, a silent issuer."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serve_harness import PASSWORD, Running, settings_for
from starlette.types import Message, Receive, Scope, Send

from samovar.errors import ConflictError, UsageError
from samovar.serve.protect.asgi import notes_of
from samovar.serve.protect.buckets import Buckets
from samovar.serve.protect.logins import names_in
from samovar.serve.protect.rates import Rates
from samovar.serve.server import asks_for_login, check_start

INVITATIONS = "/api/samovar/invitations"


# -- the limit of tries for one name --------------------------------------------------------------------------------
def scope_of(**headers: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic " + base64.b64encode(b"somebody-else:x").decode()},
        {"content_type": "application/json; kind=form"},
        {"content_type": "application/x-www-form-urlencoded"},
    ],
)
def test_no_header_hides_the_name_in_the_body(headers: dict[str, str]) -> None:
    assert "anna" in names_in(scope_of(**headers), b'{"name": "anna", "password": "x"}')


@pytest.mark.parametrize(
    "value", ["anna:password 42", "  " + base64.b64encode(b"anna:x").decode(), base64.b64encode(b"anna:x").decode()]
)
def test_basic_is_read_as_the_route_reads_it(value: str) -> None:
    assert names_in(scope_of(authorization="Basic " + value), b"") == {"anna"}


@pytest.mark.parametrize("name", ["ANNA", " anna ", "\uff41nna", "a\U0001d427na"])
def test_another_way_of_writing_a_name_is_the_same_name(guarded: Running, name: str) -> None:
    guarded.add_person("anna")
    body = f'{{"name": "{name}", "password": "{PASSWORD}"}}'.encode()
    headers = {"Content-Type": "application/json", "Origin": guarded.url}
    assert guarded.client().post("/api/samovar/login", content=body, headers=headers).status_code == 200
    assert names_in(scope_of(), body) == {"anna"}


def test_tries_with_a_hidden_name_are_counted(serve: Any) -> None:
    """One address per try, as a botnet has; the header names a fresh user each time."""
    running = serve(accounts=True, logins_per_minute=2, trusted_proxies=("127.0.0.1",))
    client, statuses = running.client(), []
    for number in range(14):
        decoy = base64.b64encode(f"decoy{number}:x".encode()).decode()
        headers = {"Authorization": f"Basic {decoy}", "X-Forwarded-For": f"20.0.0.{number}"}
        body = {"name": "reader", "password": "wrong password"}
        statuses.append(client.post("/api/samovar/login", json=body, headers=headers).status_code)
    assert statuses.count(429) >= 1


def test_passwords_of_the_gigachat_dialect_wait_for_nobody_else(
    guarded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    accounts = guarded.state.store.accounts
    check = accounts.check_password

    def watched(name: str, password: str) -> Any:
        names.append(threading.current_thread().name)
        return check(name, password)

    monkeypatch.setattr(accounts, "check_password", watched)
    basic = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
    answer = guarded.client().post("/api/v1/token", headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200 and names
    assert all(name.startswith("samovar-password") for name in names)


# -- invitations ----------------------------------------------------------------------------------------------------
def removed(running: Running, user_id: str) -> None:
    assert running.client("admin").delete(f"/api/samovar/users/{user_id}").status_code == 200


def disabled(running: Running, user_id: str) -> None:
    running.state.store.accounts.set_disabled(user_id, True)


def demoted(running: Running, user_id: str) -> None:
    running.state.store.accounts.set_role(user_id, "reader")


@pytest.mark.parametrize("end", [removed, disabled, demoted])
def test_an_invitation_ends_with_the_power_to_invite(guarded: Running, end: Callable[[Running, str], None]) -> None:
    boss = guarded.add_person("boss", "admin")
    made = guarded.client("boss").post(INVITATIONS, json={"role": "admin"}).json()
    taken = guarded.client("boss").post(INVITATIONS, json={"role": "reader"}).json()
    other = guarded.client("admin").post(INVITATIONS, json={"role": "reader"}).json()
    accept = {"token": taken["token"], "name": "invited", "password": PASSWORD}
    assert guarded.client().post(f"{INVITATIONS}/accept", json=accept).status_code == 200
    end(guarded, boss.user.id)
    again = {"token": made["token"], "name": "boss-again", "password": PASSWORD}
    assert guarded.client().post(f"{INVITATIONS}/accept", json=again).status_code == 404
    assert guarded.state.store.accounts.by_name("boss-again") is None
    assert guarded.state.store.accounts.by_name("invited") is not None  # who came in time stays
    assert guarded.client().post(f"{INVITATIONS}/check", json={"token": other["token"]}).status_code == 200


def test_the_last_admin_keeps_the_invitations(guarded: Running) -> None:
    admin = guarded.people["admin"].user.id
    made = guarded.client("admin").post(INVITATIONS, json={"role": "reader"}).json()
    with pytest.raises(ConflictError):
        guarded.state.store.accounts.set_disabled(admin, True)
    assert guarded.client().post(f"{INVITATIONS}/check", json={"token": made["token"]}).status_code == 200


# -- a proxy in front -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("serve", "asks"),
    [
        ({"public_url": "https://samovar.example"}, True),
        ({"public_url": "https://samovar.example", "trusted_proxies": ("127.0.0.1",)}, True),
        ({"trusted_proxies": ("10.0.0.0/8",)}, True),
        ({"allowed_hosts": ("samovar.example",)}, True),
        ({"allowed_hosts": ("*.samovar.example",)}, True),
        ({"public_url": "http://localhost:8080"}, False),
        ({"public_url": "http://127.0.0.1:8080", "allowed_hosts": ("localhost",)}, False),
        ({}, False),
    ],
)
def test_behind_a_proxy_nobody_is_the_local_administrator(tmp_path: Path, serve: dict[str, Any], asks: bool) -> None:
    """A proxy's visitors all come from loopback."""
    settings = settings_for(tmp_path, **serve)
    assert asks_for_login(settings) is asks
    check_start(settings, 1)
    if asks:
        with pytest.raises(UsageError, match="samovar user add"):
            check_start(settings, 0)
    else:
        check_start(settings, 0)


def test_a_stranger_behind_a_proxy_is_nobody(serve: Any) -> None:
    running = serve(public_url="https://samovar.example")
    answer = running.client(headers={"Host": "samovar.example"}).get("/api/samovar/documents")
    assert answer.status_code == 401


# -- an issuer that says nothing --------------------------------------------------------------------------------------
def test_an_issuer_that_does_not_answer_holds_up_nobody_else(serve: Any) -> None:
    """It takes connections and is silent; more people than there are threads for work want to log in there."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        running = serve(accounts=True, oidc_issuer=address, oidc_client_id="samovar")

        def visit() -> None:
            client = running.client(timeout=30)
            client.get("/api/samovar/oidc/login")

        visitors = [threading.Thread(target=visit, daemon=True) for _ in range(12)]
        for visitor in visitors:
            visitor.start()
        taken = [silent.accept()[0]]  # the first has been asked for
        found = running.client("reader", timeout=5).get("/api/samovar/search", params={"query": "самовар"})
        assert found.status_code == 200 and found.json()["hits"]
        taken[0].close()
        silent.close()
        for visitor in visitors:
            visitor.join(30)
        assert not any(visitor.is_alive() for visitor in visitors)


# -- who pays ---------------------------------------------------------------------------------------------------------
def test_a_revoked_key_does_not_use_up_its_owners_requests() -> None:
    """Without a server: its clock would let the buckets fill again."""
    good = {"key of anna"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        known = dict(scope["headers"])[b"authorization"].decode() in good
        notes_of(scope).user_id = "anna" if known else ""
        await send({"type": "http.response.start", "status": 200 if known else 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    rates = Rates(app, per_minute=10)
    rates.buckets = Buckets(10, clock=lambda: 0.0)

    def ask(address: str) -> int:
        sent: list[Message] = []
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [(b"authorization", b"key of anna")]}
        notes_of(scope).address = address

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(rates(scope, receive, send))
        return int(sent[0]["status"])

    assert [ask("1.1.1.1"), ask("1.1.1.1")] == [200, 200]  # the second is known to be anna's
    good.clear()
    assert [ask("6.6.6.6") for _ in range(12)] == [401] * 10 + [429] * 2
    assert rates.buckets.take("user anna", 8) == 0  # two were hers
    assert rates.buckets.take("user anna", 1) > 0


def test_models_are_listed_without_paths_of_this_machine(guarded: Running) -> None:
    engine = guarded.state.engine
    search = engine.settings.search.model_copy(update={"dense": "/srv/private/folder/tiny-e5.gguf"})
    engine.settings = guarded.state.settings = engine.settings.model_copy(update={"search": search})
    for path in ("/api/v1/models", "/v1/models"):
        answer = guarded.client("reader").get(path)
        assert answer.status_code == 200
        assert "tiny-e5" in answer.text and "/srv" not in answer.text
    assert guarded.client("reader").get("/api/v1/models//srv/private/folder/tiny-e5.gguf").status_code == 404
    assert guarded.client("reader").get("/api/v1/models/llama:tiny-e5").json()["type"] == "embedder"
