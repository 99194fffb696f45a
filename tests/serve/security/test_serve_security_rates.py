"""How often and how much at once one caller may ask; how often passwords may be tried."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serve_harness import PASSWORD, Running
from starlette.types import Message, Receive, Scope, Send

from samovar.serve.protect.asgi import notes_of
from samovar.serve.protect.buckets import Buckets
from samovar.serve.protect.crowd import Crowd
from samovar.serve.protect.logins import PER_NAME, Logins, names_in

Serve = Callable[..., Running]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_size_at_once_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(60, clock=clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    clock.now = 1.0
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0
    clock.now = 1000.0
    assert sum(buckets.take("a") == 0.0 for _ in range(100)) == 60


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 30)), max_size=80))
def test_never_more_than_size_plus_rate(steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    buckets = Buckets(20, clock=clock)
    taken = dict.fromkeys(range(4), 0)
    for key, pause in steps:
        clock.now += pause
        wait = buckets.take(key)
        if wait:
            clock.now += wait + 1e-6
            assert buckets.take(key) == 0.0  # the wait that was told is enough
        taken[key] += 1
        assert taken[key] <= 20 + clock.now * buckets.rate + 1e-6


def test_the_number_of_buckets_is_bounded() -> None:
    buckets = Buckets(10, most=100)
    for number in range(1000):
        buckets.take(number)
    assert len(buckets) == 100


def codes(running: Running, count: int, *, path: str = "/api/samovar/library", **client: str) -> list[int]:
    with running.client(**client) as session:
        return [session.get(path).status_code for _ in range(count)]


def tries_before_refusal(attempt: Callable[[int], int], most: int) -> int:
    """How many tries were let through before the first 429 (buckets fill again while a slow machine works)."""
    for number in range(most):
        if attempt(number) == 429:
            return number
    pytest.fail(f"not refused in {most} tries")


def test_one_user_is_held_back_and_others_are_not(serve: Serve) -> None:
    running = serve(accounts=True, requests_per_minute=20)
    client = running.client("reader")
    assert tries_before_refusal(lambda _: client.get("/api/samovar/library").status_code, 60) >= 20
    answer = client.get("/v1/models")
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert codes(running, 3, person="editor") == [200] * 3


def test_all_keys_and_sessions_of_a_user_are_one(serve: Serve) -> None:
    running = serve(accounts=True, requests_per_minute=20)
    session = running.session_client("reader")
    assert session.get("/api/samovar/library").status_code == 200  # now it is known whose session this is
    client = running.client("reader")
    tries_before_refusal(lambda _: client.get("/api/samovar/library").status_code, 60)
    assert session.get("/api/samovar/library").status_code == 429


def test_inventing_credentials_opens_no_new_buckets(serve: Serve) -> None:
    running = serve(accounts=True, requests_per_minute=20)
    assert codes(running, 1, person="reader") == [200]

    def invent(number: int) -> int:
        return running.client(key=f"smv-{'x' * 30}{number:010}").get("/v1/models").status_code

    assert invent(999) == 401
    tries_before_refusal(invent, 60)
    assert codes(running, 3, person="reader") == [200] * 3  # a key known to be good is not locked out by its neighbours


def test_health_is_always_answered(serve: Serve) -> None:
    running = serve(requests_per_minute=2)
    assert codes(running, 20, path="/api/samovar/health") == [200] * 20


@pytest.mark.parametrize("path", ["/api/samovar/login", "/api/v2/oauth", "/api/v1/token"])
def test_passwords_cannot_be_tried_fast(serve: Serve, path: str) -> None:
    running = serve(accounts=True, logins_per_minute=3)
    client = running.client()

    def attempt(number: int) -> int:
        return client.post(path, json={"name": f"reader{number}", "password": "wrong password"}).status_code

    assert tries_before_refusal(attempt, 15) >= 3
    refused = client.post(path, json={"name": "reader", "password": PASSWORD})
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1


def test_one_name_cannot_be_tried_from_everywhere() -> None:
    """With a new address for each try; the limit is wider than one address's. Without a server: Argon2 would let the buckets fill again."""

    async def yes(scope: Scope, receive: Receive, send: Send) -> None:
        assert json.loads((await receive())["body"])["password"] == "wrong password"  # the body is still there
        await send({"type": "http.response.start", "status": 401, "headers": []})

    logins = Logins(yes, per_minute=2)

    def attempt(number: int, name: str = " READER ") -> int:
        sent: list[Message] = []
        scope = {"type": "http", "method": "POST", "path": "/api/samovar/login", "headers": []}
        notes_of(scope).address = f"20.0.{number // 200}.{number % 200}"
        body = json.dumps({"name": name, "password": "wrong password"}).encode()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(logins(scope, receive, send))
        return int(sent[0]["status"])

    assert tries_before_refusal(attempt, 20) == 2 * PER_NAME
    assert attempt(100, "editor") == 401


def test_the_name_is_seen_in_every_way_to_log_in() -> None:
    basic = base64.b64encode("Ольга:pass:word".encode()).decode()
    assert names_in({"headers": [(b"authorization", f"Basic {basic}".encode())]}, b"") == {"ольга"}
    form = {"headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
    assert names_in(form, b"name=Olga&password=x") == {"olga"}
    for body in (b"[]", b"{", b"", b'{"name": 5}', b"\xff"):
        assert names_in({"headers": []}, body) == set()
    assert names_in({"headers": [(b"authorization", b"Basic !!!")]}, b"") == {"!!!"}


def test_a_forged_address_does_not_help(serve: Serve) -> None:
    running = serve(accounts=True, logins_per_minute=3)
    client = running.client()
    body = {"name": "reader", "password": "wrong password"}

    def attempt(number: int) -> int:
        headers = {"X-Forwarded-For": f"20.0.0.{number}", "Forwarded": f"for=20.0.0.{number}"}
        return client.post("/api/samovar/login", json=body, headers=headers).status_code

    assert tries_before_refusal(attempt, 15) >= 3


def test_too_many_open_requests_are_refused() -> None:
    """Without a server: three that never end, the fourth is refused, and when one ends there is room again."""

    async def main() -> None:
        let_go = asyncio.Event()

        async def wait(scope: Scope, receive: Receive, send: Send) -> None:
            await let_go.wait()

        crowd = Crowd(wait, most=4, most_per_address=3)

        async def ask(address: str) -> list[Message]:
            sent: list[Message] = []

            async def send(message: Message) -> None:
                sent.append(message)

            scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": []}
            notes_of(scope).address = address
            await crowd(scope, send, send)
            return sent

        waiting = [asyncio.ensure_future(ask("a")) for _ in range(3)]
        await asyncio.sleep(0)
        assert (await ask("a"))[0]["status"] == 429
        waiting.append(asyncio.ensure_future(ask("b")))
        await asyncio.sleep(0)
        assert (await ask("c"))[0]["status"] == 503
        let_go.set()
        await asyncio.gather(*waiting)
        assert (crowd.total, crowd.open) == (0, {})
        assert await ask("a") == []

    asyncio.run(main())
