"""Fetching from a real server on the loopback: redirects, limits, and no way into the local network unless allowed."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from samovar.corpus import fetch
from samovar.corpus.fetch import fetch_url, is_public, name_download
from samovar.errors import FetchError

PAGE = "<html><p>Самовар</p></html>".encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        route = getattr(self, "get_" + self.path.strip("/").split("/")[0].split("?")[0].partition(".")[0], None)
        if route is None:
            self.reply(404, {}, b"no")
        else:
            route()

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def get_page(self) -> None:
        self.reply(
            200,
            {
                "Content-Type": "text/html; charset=UTF-8",
                "ETag": '"1"',
                "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
            },
            PAGE,
        )

    def get_redirect(self) -> None:
        self.reply(302, {"Location": "../page"}, b"")

    def get_loop(self) -> None:
        self.reply(302, {"Location": "/loop"}, b"")

    def get_file(self) -> None:
        self.reply(302, {"Location": "file:///etc/passwd"}, b"")

    def get_inside(self) -> None:
        self.reply(302, {"Location": f"http://[::ffff:127.0.0.1]:{self.server.server_port}/page"}, b"")

    def get_packed(self) -> None:
        self.reply(200, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}, gzip.compress(bytes(5_000_000)))

    def get_large(self) -> None:
        self.reply(200, {"Content-Length": "99999999999"}, b"x")

    def get_short(self) -> None:
        self.reply(200, {"Content-Length": "1000"}, b"x" * 10)

    def get_slow(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(20):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def refuse(url: str, **options: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch_url(url, **{"allow_private": True, "timeout": 5.0, **options})  # type: ignore[arg-type]
    return caught.value


def test_page(server: str) -> None:
    with fetch_url(server + "/page/чай.html?x=1", allow_private=True, timeout=5) as got:
        assert got.path.read_bytes() == PAGE
        assert (got.size, got.content_type, got.charset, got.etag) == (len(PAGE), "text/html", "utf-8", '"1"')
        assert got.path.name == "чай.html" and got.last_modified.startswith("Mon")
        assert got.path.parent.stat().st_mode & 0o777 == 0o700
    assert not got.path.parent.exists()


def test_redirects_are_followed_and_counted(server: str) -> None:
    with fetch_url(server + "/redirect/here", allow_private=True, timeout=5) as got:
        assert got.url == server + "/page" and got.requested_url == server + "/redirect/here"
        assert got.path.name == "page.html"
    assert refuse(server + "/loop").reason == "too_many_redirects"


def test_refusals(server: str) -> None:
    assert refuse(server + "/nothing").reason == "http_status"
    assert refuse(server + "/nothing").value.startswith("404")
    assert refuse(server + "/file").reason == "bad_url"
    assert refuse(server + "/large").reason == "too_large"
    assert refuse(server + "/packed", max_bytes=1_000_000).reason == "too_large"
    assert refuse(server + "/short").reason == "unreachable"
    assert refuse(server + "/slow", timeout=0.5).reason == "timeout"
    assert refuse("http://127.0.0.1:1/").reason == "unreachable"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "http://", "page.html", "http://[::1", "http://a:99999/", ""]
)
def test_bad_addresses(url: str) -> None:
    assert refuse(url).reason == "bad_url"


def test_private_addresses_are_refused_at_the_connection(server: str) -> None:
    port = server.rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f000001",
        "2130706433",
        "127.1",
        "0",
        "[::]",
        "0.0.0.0",
    ):
        error = refuse(f"http://{host}:{port}/page", allow_private=False)
        assert error.reason in ("private_address", "unreachable"), host
        if host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
            assert error.reason == "private_address"


def test_redirect_into_the_local_network_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address counts as public, the one it redirects to does not: every hop is checked."""
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1")
    assert refuse(server + "/inside", allow_private=False).reason == "private_address"
    with fetch_url(server + "/redirect", timeout=5) as got:
        assert got.path.read_bytes() == PAGE


def test_name_that_changes_its_address_is_checked_where_it_connects(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that answers differently each time: the address connected to is the address checked."""
    import socket

    answers = iter(["93.184.216.34", "127.0.0.1"])
    port = int(server.rpartition(":")[2])
    connected: list[object] = []

    def resolve(host: str, *args: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            connected.append(address)
            raise OSError("not in this test")

    monkeypatch.setattr(fetch.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetch.socket, "socket", Refusing)
    assert refuse("http://rebind.test/", allow_private=False).reason == "unreachable"
    assert refuse("http://rebind.test/", allow_private=False).reason == "private_address"
    assert connected == [("93.184.216.34", port)]


def test_environment_proxies_are_ignored(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with fetch_url(server + "/page", allow_private=True, timeout=5) as got:
        assert got.size == len(PAGE)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "content_type", "name"),
    [
        ("https://example.org/a/b.pdf?x=/y", "application/pdf", "b.pdf"),
        ("https://example.org/", "text/html", "page.html"),
        ("https://example.org/wiki/%D0%A7%D0%B0%D0%B9", "text/html", "Чай.html"),
        ("https://example.org/..%2F..%2Fetc%2Fpasswd", "", "passwd"),
        ("https://example.org/a%00b%0a.txt", "text/plain", "a_b_.txt"),
        ("https://example.org/" + "x" * 300, "text/plain", "x" * 100 + ".txt"),
        ("https://example.org/.bashrc", "", "bashrc"),
    ],
)
def test_download_names(url: str, content_type: str, name: str) -> None:
    assert name_download(url, content_type) == name
