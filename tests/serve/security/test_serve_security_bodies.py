"""Bodies that are too large, too slow, malformed or made to explode when they are parsed; requests that stand still."""

from __future__ import annotations

import asyncio
import json
import socket
import string
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_harness import Running
from starlette.types import Message, Receive, Scope, Send

from samovar.serve.protect.bodies import Bodies
from samovar.serve.protect.deadline import Deadline
from samovar.serve.protect.json_shape import MAX_DEPTH, json_problem

CHAT = "/v1/chat/completions"
JSON_PATHS = (
    CHAT,
    "/v1/responses",
    "/v1/embeddings",
    "/api/v1/chat/completions",
    "/api/v2/chat/completions",
    "/api/v1/embeddings",
    "/api/v1/tokens/count",
    "/api/samovar/search",
    "/api/samovar/ask",
    "/api/samovar/documents",
    "/api/samovar/conversations",
    "/api/samovar/login",
)
JSON = {"Content-Type": "application/json"}
BOMBS = {
    "arrays": b"[" * 100_000,
    "closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "in a message": b'{"model":"samovar","messages":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "long integer": b'{"model":"samovar","seed":' + b"9" * 100_000 + b"}",
    "lone surrogate": rb'{"model":"samovar","messages":[{"role":"user","content":"\ud800"}]}',
    "NaN": b'{"model":"samovar","temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
    "not UTF-8": b'{"model":"\xff\xfe","messages":[]}',
    "not JSON": b"{'model': 1}",
    "empty": b"",
    "a string": b'"x"',
    "null": b"null",
    "NUL": b"\0\0\0\0",
    "UTF-16": '{"model": "samovar"}'.encode("utf-16"),
    "many keys": b"{" + b",".join(b'"k%d":0' % i for i in range(20_000)) + b"}",
}


@pytest.mark.parametrize("path", JSON_PATHS)
def test_no_body_makes_a_route_fail(standing: Running, path: str) -> None:
    client = standing.client(headers=JSON)
    for name, body in BOMBS.items():
        answer = client.post(path, content=body)
        assert 400 <= answer.status_code < 500, f"{name}: {answer.status_code} {answer.text[:200]}"
        assert len(answer.content) < 5_000  # and does not send it back
    assert client.get("/api/samovar/health").status_code == 200


def test_deep_json_is_refused_in_the_dialect(standing: Running) -> None:
    client = standing.client(headers=JSON)
    error = client.post(CHAT, content=BOMBS["objects"]).json()["error"]
    assert error["type"] == "invalid_request_error" and "levels" in error["message"]
    assert client.post("/api/v1/chat/completions", content=BOMBS["objects"]).json()["status"] == 400


def test_depth_is_looked_at_whatever_the_content_is_called(standing: Running) -> None:
    for kind in ("text/plain", "application/vnd.api+json", "", "application/json; charset=utf-8"):
        answer = standing.client(headers={"Content-Type": kind}).post(CHAT, content=BOMBS["arrays"])
        assert 400 <= answer.status_code < 500


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(string.printable + '"\\[]{}', max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (1 if isinstance(value, (dict, list)) else 0) + max(map(depth_of, inner), default=0)


@settings(max_examples=200, deadline=None)
@given(JSONS, st.integers(0, 90), st.booleans())
def test_depth_is_measured_rightly(value: Any, wrap: int, ascii_only: bool) -> None:
    for number in range(wrap):
        value = [value, "]}"] if number % 2 else {'"[{': value}
    problem = json_problem(json.dumps(value, ensure_ascii=ascii_only).encode())
    if depth_of(value) <= MAX_DEPTH:
        assert problem == ""
    elif wrap > MAX_DEPTH:
        assert "levels" in problem


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text('[]{}"\\,:', max_size=300).map(str.encode))
def test_any_bytes_can_be_looked_at(body: bytes) -> None:
    problem = json_problem(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if "levels" in problem:
        assert depth_of(value) > MAX_DEPTH


def test_whole_emoji_pass_and_halves_do_not() -> None:
    assert json_problem(rb'{"a":"\ud83d\ude00"}') == ""
    assert json_problem(rb'{"a":"\\ud83d"}') == ""
    assert "surrogate" in json_problem(rb'{"a":"\ud83d"}')
    assert "surrogate" in json_problem(rb'{"\ude00":1}')


def test_depth_cannot_be_hidden_in_another_encoding() -> None:
    hidden = '{"a": "\\"", "b": ' + "[" * 200 + "]" * 200 + "}"
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        assert json.loads(hidden.encode(encoding))  # Python's parser would take it
        assert "UTF-8" in json_problem(hidden.encode(encoding))


def test_a_large_body_of_brackets_is_looked_at_in_c() -> None:
    """4 MiB of the kinds that are slowest; it returns (CI's own limit would end it otherwise) and tells them apart."""
    assert json_problem(b"[" + b"[],[]," * 600_000 + b"1]") == ""
    assert json_problem(b'["' + b'\\"[' * 1_300_000 + b'"]') == ""
    assert "levels" in json_problem((b"[" * 65 + b"]" * 65 + b",") * 30_000)


# -- sizes --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with small limits."""
    from serve_harness import running_server

    home = tmp_path_factory.mktemp("small")
    with running_server(home, max_body_bytes=10_000, max_upload_bytes=50_000) as server:
        yield server


def test_too_large_by_its_own_word(small: Running) -> None:
    # no body: nobody waits for it
    answer = small.raw(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"max_body_bytes" in answer


def test_too_large_in_pieces(small: Running) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    assert small.client(headers=JSON).post(CHAT, content=pieces()).status_code == 413


def test_too_large_to_upload(small: Running) -> None:
    client = small.client()
    for path in ("/api/v1/files", "/api/samovar/documents"):
        got = client.post(path, files={"file": ("big.txt", b"x" * 200_000)}, data={"purpose": "general"})
        assert got.status_code == 413
        chunked = client.build_request("POST", path, files={"file": ("big.txt", b"x" * 200_000)})
        body = chunked.read()

        def pieces(body: bytes = body) -> Iterator[bytes]:
            for at in range(0, len(body), 5_000):
                yield body[at : at + 5_000]

        kind = {"Content-Type": chunked.headers["Content-Type"]}
        assert client.post(path, content=pieces(), headers=kind).status_code == 413
    assert not list((small.state.settings.home / "serve").rglob("*.part"))


def test_the_uploads_limit_is_only_for_uploads(small: Running) -> None:
    files = {"file": ("x.txt", b"x" * 30_000)}
    assert small.client().post(CHAT, files=files).status_code == 413
    assert small.client().post("/api/samovar/search", files=files).status_code == 413


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "0x10", "9" * 400, "5\r\nContent-Length: 6"])
def test_strange_lengths(small: Running, length: str) -> None:
    answer = small.raw(
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\nhello"
    )
    assert answer.split(b" ", 2)[1] in (b"400", b"413")


def test_smuggled_lengths_are_not_two_requests(small: Running) -> None:
    """Content-Length and Transfer-Encoding together: the connection must not go on with what a proxy took for the body."""
    inner = "GET /api/samovar/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = small.raw(
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(inner) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
    )
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_client_that_goes_away_in_its_body_leaves_nothing(small: Running) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", small.port)) as connection:
            connection.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{{".encode())
    assert small.client().get("/api/samovar/health").status_code == 200
    small.wait_for(lambda: (small.state.engine.queue.running, small.state.engine.queue.waiting) == (0, 0))


# -- time ---------------------------------------------------------------------------------------------------------------


def drive(
    app: Any, *, parts: list[bytes | float], more: bool = True, path: str = CHAT, kind: str = ""
) -> list[Message]:
    """Run an application on a body that comes in parts (numbers are pauses in seconds, then nothing more when `more`)."""
    sent: list[Message] = []

    async def main() -> None:
        async def body() -> AsyncIterator[Message]:
            for part in parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    yield {"type": "http.request", "body": part, "more_body": True}
            if more:
                await asyncio.sleep(60)
            yield {"type": "http.request", "body": b"", "more_body": False}

        messages = body()

        async def receive() -> Message:
            return await anext(messages)

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", kind.encode())] if kind else []
        await asyncio.wait_for(
            app({"type": "http", "method": "POST", "path": path, "headers": headers, "scheme": "http"}, receive, send),
            30,
        )

    asyncio.run(main())
    return sent


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    sent = drive(Bodies(read_all, 1000, 1000, body_seconds=0.05), parts=[b"{"])
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_an_upload_that_does_not_go_on_is_ended() -> None:
    from starlette.exceptions import HTTPException

    with pytest.raises(HTTPException) as ended:
        drive(
            Bodies(read_all, 1000, 1000, body_seconds=0.05),
            parts=[b"x"],
            path="/api/v1/files",
            kind="multipart/form-data; boundary=x",
        )
    assert ended.value.status_code == 408


def test_an_upload_that_goes_on_slowly_is_let() -> None:
    app = Bodies(read_all, 1000, 1000, body_seconds=0.5)
    parts: list[bytes | float] = [b"x", 0.2] * 5
    sent = drive(app, parts=parts, more=False, path="/api/v1/files", kind="multipart/form-data; boundary=x")
    assert sent[0]["status"] == 200


def test_a_route_that_stands_still_gets_504() -> None:
    ended = threading.Event()

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    sent = drive(Deadline(stuck, 0.05), parts=[], more=False)
    assert sent[0]["status"] == 504 and ended.is_set()


def test_a_stream_that_goes_on_is_not_cut_and_one_that_stands_still_is() -> None:
    def stream(pauses: list[float]) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for pause in pauses:
                await asyncio.sleep(pause)
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return app

    assert len(drive(Deadline(stream([0.1] * 8), 0.4), parts=[], more=False)) == 10
    with pytest.raises(TimeoutError):
        drive(Deadline(stream([0.01, 5.0]), 0.2), parts=[], more=False)


def test_a_timeout_of_the_routes_own_is_not_taken_for_ours() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("the route's own")

    with pytest.raises(TimeoutError, match="own"):
        drive(Deadline(app, 5.0), parts=[], more=False)


def test_an_answer_that_takes_too_long_stops_its_model(serve: Any) -> None:
    from samovar.generate.scripted import ScriptedModel

    running = serve(model=ScriptedModel(["слово " * 5000], delay_seconds=0.02), request_seconds=1.0)
    body = {"model": "scripted", "messages": [{"role": "user", "content": "x"}]}
    answer = running.client().post(CHAT, json=body)
    assert answer.status_code == 504 and answer.json()["error"]
    running.wait_for(lambda: running.state.engine.queue.running == 0)


# -- headers of requests ------------------------------------------------------------------------------------------------


def test_endless_headers_end(standing: Running) -> None:
    request = (
        f"GET /api/samovar/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: {'x' * 2_000_000}\r\n\r\n"
    )
    try:
        answer = standing.raw(request)
    except (ConnectionError, TimeoutError):
        return
    assert answer == b"" or answer.split(b" ", 2)[1] in (b"400", b"431", b"200")


def test_a_long_path_is_only_not_found(standing: Running) -> None:
    client = standing.client()
    for path in (
        "/api/samovar/documents/" + "x" * 20_000,
        "/v1/models/" + "%F0%9F%98%80" * 2_000,
        "/" + "../" * 2_000 + "etc/passwd",
    ):
        with httpx.Client(base_url=standing.url, trust_env=False) as plain:
            assert 400 <= plain.get(path).status_code < 500
        assert client.get("/api/samovar/health").status_code == 200
