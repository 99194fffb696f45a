"""Listening: clear refusals, bounds on what a connection may do before it asks anything, a log that tells nothing it should not."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serve_harness import PASSWORD, settings_for

from samovar.errors import ListenError, MissingExtraError, UsageError
from samovar.generate.scripted import ScriptedModel
from samovar.serve import listening, logs
from samovar.serve.listening import HEAD_BYTES, bind, url_of
from samovar.serve.server import asks_for_login, check_start


def test_a_taken_port_is_named_with_another_to_try() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=rf"port {port} .* free.*--port {port + 1 if port < 65535 else 8080}"):
            bind("127.0.0.1", port)
        assert url_of(first, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert url_of(first, "0.0.0.0") == f"http://127.0.0.1:{port}/"
        assert url_of(first, "::1") == f"http://[::1]:{port}/"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "\ud800", "a" * 70 + ".b"])
def test_foreign_addresses_are_refused(host: str) -> None:
    with pytest.raises(ListenError, match="--host"):
        bind(host, 0)


def test_a_failed_binding_leaves_no_socket(recwarn: pytest.WarningsRecorder) -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(ListenError):
        bind("127.0.0.1", first.getsockname()[1])
    assert not recwarn.list


@pytest.mark.parametrize(
    ("host", "asks"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("[::1]", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.5", True),
        ("example.org", True),
        ("", True),
    ],
)
def test_only_loopback_needs_no_login(tmp_path: Path, host: str, asks: bool) -> None:
    settings = settings_for(tmp_path, host=host)
    assert asks_for_login(settings) is asks
    check_start(settings, 1)
    if asks:
        with pytest.raises(UsageError, match="samovar user add"):
            check_start(settings, 0)
    else:
        check_start(settings, 0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from samovar.commands import serve

    serve.check_extra("samovar serve")
    monkeypatch.setattr(serve, "NEEDED", ("fastapi", "no_such_package_at_all"))
    with pytest.raises(MissingExtraError, match=r"pip install 'samovar\[serve\]'"):
        serve.check_extra("samovar serve")


# -- the protocol ---------------------------------------------------------------------------------------------------
@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a real server, started as `samovar serve` starts it, with a head that must come within half a second."""
    import asyncio

    from samovar.app import Samovar
    from samovar.serve.server import create_app

    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.5)
    settings = settings_for(tmp_path)
    samovar = Samovar.open(settings)
    samovar.__dict__["model"] = ScriptedModel(["слова"])
    app = create_app(settings, samovar=samovar, web=False)
    ready, servers, loops = threading.Event(), [], []
    with bind("127.0.0.1", 0) as listener:

        async def main() -> None:
            async with app.router.lifespan_context(app):
                servers.append(listening.make_server(app, settings, lambda: app.state.samovar, ready.set))
                loops.append(asyncio.get_running_loop())
                await servers[0].serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
        thread.start()
        assert ready.wait(60)
        yield listener.getsockname()[1]
        servers[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def talk(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces over one connection and return all that comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except OSError:  # closed by the server already
            pass
        answer = b""
        try:
            while got := connection.recv(65536):
                answer += got
        except ConnectionError:
            pass
        return answer


ASK = b"GET /api/samovar/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


def test_an_ordinary_head_passes(port: int) -> None:
    assert talk(port, ASK + b"\r\n").startswith(b"HTTP/1.1 200")
    assert talk(port, ASK + b"X-Long: " + b"a" * 30_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("piece", [b"X-A: " + b"a" * 1_000 + b"\r\n", b"a" * 1_000], ids=["many", "one"])
def test_an_endless_head_is_cut_off(port: int, piece: bytes) -> None:
    start = ASK if piece.startswith(b"X") else ASK + b"X-A: "
    answer = talk(port, start, *[piece * 16] * (2 * HEAD_BYTES // 16_000 + 1))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert talk(port, ASK + b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_slow_head_is_cut_off(port: int) -> None:
    assert talk(port, *[bytes([c]) for c in ASK[:40]], pause=0.03) == b""
    assert talk(port) == b"", "a connection that asks nothing"
    kept = ASK.replace(b"close", b"keep-alive") + b"\r\n"
    answer = talk(port, kept, b"GET / HT")
    assert answer.startswith(b"HTTP/1.1 200"), "the first request is answered, the half one after it is not"
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_slow_answer_is_not(port: int) -> None:
    """The clock runs for the head only: a body and an answer may take longer."""
    body = '{"question": "Где изобрели самовар?"}'.encode()
    head = (
        b"POST /api/samovar/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    half = len(body) // 2
    answer = talk(port, head + f"Content-Length: {len(body)}\r\n\r\n".encode(), body[:half], body[half:], pause=0.4)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0" * 100,
        b"GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /ж HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode(),
    ],
)
def test_junk_does_not_break_it(port: int, junk: bytes) -> None:
    answer = talk(port, junk)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert talk(port, ASK + b"\r\n").startswith(b"HTTP/1.1 200")


# -- the log --------------------------------------------------------------------------------------------------------
@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """What the log says; the logging of the tests is put back afterwards."""
    names = ["", "samovar", *logs.LEVELS]
    before = {name: (list(logging.getLogger(name).handlers), logging.getLogger(name).level) for name in names}
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream.getvalue
    for name, (handlers, level) in before.items():
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).setLevel(level)


def test_secrets_are_struck_out(written: Callable[[], str]) -> None:
    log = logging.getLogger("samovar.serve")
    secrets = ("smv-" + "a1B2" * 10, "c2VjcmV0OnNlY3JldA==", "tok-" + "x" * 30)
    log.warning("key %s, Authorization: Basic %s, cookie samovar_session=%s; path=/", *secrets)
    log.info("GET /invite/%s", secrets[2])
    try:
        raise ValueError(f"Bearer {secrets[1]}")
    except ValueError:
        log.error("failed", exc_info=True)
    text = written()
    assert all(secret not in text for secret in secrets)
    assert text.count("[secret]") == 5
    assert "ValueError" in text


def test_a_line_stays_a_line(written: Callable[[], str]) -> None:
    logging.getLogger("samovar.serve").info("one\r\n12:00:00 error two\x1b[31m")
    assert len(written().splitlines()) == 1
    assert "\x1b" not in written()


def test_requests_are_logged_by_route(written: Callable[[], str], tmp_path: Path) -> None:
    from serve_harness import running_server

    with running_server(tmp_path, accounts=True) as running:
        logs.configure(stream=(stream := io.StringIO()))
        client = running.client("reader")
        client.get("/api/samovar/search", params={"query": "тайна"})
        client.get("/api/samovar/documents/" + "0" * 32)
        client.post("/api/samovar/login", json={"name": "reader", "password": PASSWORD})
        client.post("/api/samovar/ask", json={"question": "Тайный вопрос о самоваре"})
        client.post("/api/samovar/ask", json={"question": "Тайный вопрос", "model": "тайна"})
    text = stream.getvalue()
    assert "GET /api/samovar/search 200 in" in text
    assert "GET /api/samovar/documents/{document_id} 404 in" in text
    for secret in ("айн", "%D1", PASSWORD, running.people["reader"].key, "0" * 32):
        assert secret not in text
