"""Requests to names that are not ours (DNS rebinding), from pages that are not ours (CSRF), through proxies that are not ours."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve_harness import Running

from samovar.errors import SettingsError
from samovar.serve.protect.addresses import Addresses, group_of
from samovar.serve.protect.hosts import Hosts, host_name
from samovar.serve.protect.origins import Origins

PATHS = ("/api/samovar/health", "/v1/models", "/api/v1/models", "/")


async def nothing(*_: Any) -> None:
    """An application that does nothing."""


def status(running: Running, path: str, *headers: str, method: str = "GET", version: str = "1.1") -> int:
    lines = [f"{method} {path} HTTP/{version}", *headers, "Connection: close", "Content-Length: 0", "", ""]
    return int(running.raw("\r\n".join(lines)).split(b" ", 2)[1])


# -- hosts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_name_is_refused(standing: Running, path: str) -> None:
    """evil.example resolves to 127.0.0.1; the browser sends its name, and the page must not get our answers."""
    for host in (
        "evil.example",
        f"evil.example:{standing.port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.7",
    ):
        assert status(standing, path, f"Host: {host}") == 421
    for host in (
        "localhost",
        f"LOCALHOST:{standing.port}",
        "127.0.0.1",
        "[::1]",
        "[::1]:9000",
        "localhost.",
        "127.3.2.1",
    ):
        assert status(standing, path, f"Host: {host}") != 421


def test_the_refusal_is_in_the_dialect_and_names_the_setting(standing: Running) -> None:
    client = standing.client(headers={"Host": "evil.example"})
    assert "serve.allowed_hosts" in client.get("/v1/models").json()["error"]["message"]
    assert client.get("/api/v1/models").json()["status"] == 421


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["Host: localhost", "Host: evil.example"],
        ["Host: a b"],
        ["Host: user@localhost"],
        ["Host: localhost:999999"],
        ["Host: localhost/x"],
        ["Host:"],
    ],
)
def test_missing_doubled_and_malformed_hosts_are_refused(standing: Running, hosts: list[str]) -> None:
    assert status(standing, "/api/samovar/health", *hosts) == 400


def test_without_a_host_http_1_0_is_refused(standing: Running) -> None:
    assert status(standing, "/api/samovar/health", version="1.0") == 400


def test_declared_names_are_ours() -> None:
    hosts = Hosts(
        nothing, "10.0.0.5", ("library.example", "*.school.example", "other.example:8443"), "https://Books.example/x"
    )
    for name in (
        "library.example",
        "a.school.example",
        "b.a.school.example",
        "other.example",
        "books.example",
        "10.0.0.5",
        "127.0.0.1",
        "[::1]",
    ):
        assert hosts.is_ours(name), name
    for name in ("school.example", "evilschool.example", "evil-library.example", "10.0.0.6", "x.library.example", ""):
        assert not hosts.is_ours(name), name


def test_listening_everywhere_any_number_is_ours_but_no_name() -> None:
    hosts = Hosts(nothing, "0.0.0.0")
    assert hosts.is_ours("192.168.1.7") and hosts.is_ours("[2001:db8::1]")
    assert not hosts.is_ours("evil.example") and not hosts.is_ours("0x7f000001") and not hosts.is_ours("2130706433")


@settings(max_examples=300)
@given(st.text(max_size=40))
def test_any_host_header_is_read_or_refused(text: str) -> None:
    name = host_name([text])
    assert name is None or (name == name.lower() and " " not in name and "/" not in name and "@" not in name)
    hosts = Hosts(nothing, "127.0.0.1")
    if name is not None and name != "localhost" and hosts.is_ours(name):
        assert name.startswith(("127.", "["))


def test_control_characters_in_a_path_are_refused(standing: Running) -> None:
    for path in ("/api/samovar/documents/%00", "/_nicegui/x%00y", "/v1/models/%0d%0aX:%20y", "/%1b"):
        assert status(standing, path, "Host: localhost") == 400


# -- origins ------------------------------------------------------------------------------------------------------------


def asked(headers: dict[str, str], *, kind: str = "http", method: str = "POST", public: str = "") -> bool:
    """Whether a request with these headers passes."""
    scope = {
        "type": kind,
        "method": method,
        "path": "/",
        "scheme": "http",
        "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": "localhost:8080", **headers}.items()],
    }
    return Origins(nothing, public).is_own(scope)


def test_who_may_ask_for_changes() -> None:
    assert asked({})  # curl, an official client
    assert asked({"origin": "http://localhost:8080"})
    assert asked({"origin": "null", "sec-fetch-site": "same-origin"})
    assert asked({"cookie": "samovar_session=x", "origin": "http://LOCALHOST:8080"})
    assert asked({"origin": "https://books.example"}, public="https://books.example/")
    assert not asked({"origin": "http://evil.example"})
    assert not asked({"origin": "http://localhost:3000"})  # another program on this machine
    assert not asked({"origin": "http://127.0.0.1:8080"})
    assert not asked({"origin": "null"})
    assert not asked({"origin": "http://localhost:8080@evil.example"})
    assert not asked({"origin": "file://localhost:8080"})
    assert not asked({"origin": "http://[::1"})
    assert not asked({"sec-fetch-site": "cross-site"})
    assert not asked({"sec-fetch-site": "same-site"})


def test_who_may_open_a_socket() -> None:
    assert asked({}, kind="websocket")
    assert asked({"origin": "http://localhost:8080", "cookie": "samovar_session=x"}, kind="websocket")
    assert not asked({"origin": "http://evil.example", "cookie": "samovar_session=x"}, kind="websocket")
    assert not asked({"cookie": "samovar_session=x"}, kind="websocket")
    assert not asked({"origin": "http://evil.example"}, kind="websocket")


def test_another_sites_page_can_change_nothing_even_without_accounts(standing: Running) -> None:
    """A page that is open in the reader's browser posts a form to us: text/plain needs no preflight."""
    client = standing.client(headers={"Origin": "https://evil.example", "Content-Type": "text/plain"})
    body = '{"messages": [{"role": "user", "content": "x"}], "model": "samovar"}'
    for path in ("/v1/chat/completions", "/api/samovar/conversations", "/api/samovar/ask", "/api/v1/chat/completions"):
        assert client.post(path, content=body).status_code == 403
    assert client.delete("/api/samovar/documents/x").status_code == 403
    # it may ask, and its browser will not show it the answer
    assert client.get("/api/samovar/health").status_code == 200


def test_a_stolen_click_with_a_cookie_is_refused(standing_guarded: Running) -> None:
    cookie = standing_guarded.people["reader"].token
    evil = standing_guarded.client(cookie=cookie, headers={"Origin": "https://evil.example"})
    assert evil.post("/api/samovar/conversations", json={}).status_code == 403
    assert evil.post("/api/samovar/logout").status_code == 403
    assert standing_guarded.state.store.sessions.find(cookie) is not None
    own = standing_guarded.session_client("reader")
    assert own.get("/api/samovar/conversations").status_code == 200


def test_no_answer_is_shared_across_origins(standing: Running) -> None:
    client = standing.client(headers={"Origin": "https://evil.example"})
    for path in (*PATHS, "/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        answer = client.get(path)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    preflight = client.options("/v1/chat/completions", headers={"Access-Control-Request-Method": "POST"})
    assert not [name for name in preflight.headers if name.startswith("access-control-")]


# -- proxies ------------------------------------------------------------------------------------------------------------


async def pass_through(trusted: tuple[str, ...], peer: str, *headers: tuple[str, str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def app(scope: dict[str, Any], *_: Any) -> None:
        seen.update(scope)

    scope = {
        "type": "http",
        "client": (peer, 1234),
        "scheme": "http",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers],
    }
    await Addresses(app, trusted)(scope, nothing, nothing)  # type: ignore[arg-type]
    return seen


def believed(trusted: tuple[str, ...], peer: str, *headers: tuple[str, str]) -> dict[str, Any]:
    import asyncio

    return asyncio.run(pass_through(trusted, peer, *headers))


def test_only_trusted_proxies_are_believed() -> None:
    forged = (
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/x"),
        ("Forwarded", "for=1.2.3.4"),
    )
    seen = believed((), "9.9.9.9", *forged)
    assert (seen["client"][0], seen["scheme"], seen["headers"]) == ("9.9.9.9", "http", [])
    seen = believed(("10.0.0.0/8",), "10.0.0.1", *forged)
    assert (seen["client"][0], seen["scheme"], seen["headers"]) == ("1.2.3.4", "https", [])


def test_the_rightmost_stranger_is_the_client() -> None:
    trusted = ("10.0.0.0/8",)
    assert believed(trusted, "10.0.0.1", ("X-Forwarded-For", "6.6.6.6, 5.5.5.5, 10.0.0.2"))["client"][0] == "5.5.5.5"
    assert believed(trusted, "10.0.0.1", ("X-Forwarded-For", "garbage"))["client"][0] == "10.0.0.1"
    assert believed(trusted, "::ffff:10.0.0.1", ("X-Forwarded-For", "5.5.5.5"))["client"][0] == "5.5.5.5"
    assert believed(trusted, "10.0.0.1")["client"][0] == "10.0.0.1"


def test_a_customer_is_an_address_or_a_network() -> None:
    assert group_of("2001:db8:1:2:3::4") == group_of("2001:db8:1:2:ffff::1") != group_of("2001:db8:1:3::1")
    assert group_of("::ffff:1.2.3.4") == group_of("1.2.3.4") == "1.2.3.4"
    assert group_of("::1") == "::1"


def test_a_wrong_proxy_setting_is_told() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        Addresses(nothing, ("not-an-address",))


def test_ipv6_loopback_names_work_for_real(standing: Running) -> None:
    with socket.create_connection(("127.0.0.1", standing.port)) as connection:
        connection.sendall(
            f"GET /api/samovar/health HTTP/1.1\r\nHost: [::1]:{standing.port}\r\nConnection: close\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
