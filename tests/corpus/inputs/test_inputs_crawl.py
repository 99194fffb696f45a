"""The crawler against a real server on the loopback: manners, bounds, and going on after kill -9."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from input_makers import good, read_all

from samovar.corpus.inputs.crawl import CrawlOptions, crawl
from samovar.corpus.inputs.crawl.frontier import Frontier
from samovar.errors import InputError, UsageError

pytest.importorskip("scrapy")

NUM_PAGES = 12


class Site(ThreadingHTTPServer):
    """Serves what `pages` says: a path to (status, headers, body), and counts who asked for what."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.pause: Callable[[str], None] = lambda path: None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, path: str, body: str = "", status: int = 200, **headers: str) -> None:
        names = {"Content-Type": "text/html; charset=utf-8"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.pages[path] = (status, names, body.encode())

    def count(self, path: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == path)


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("User-Agent", "")))
        self.server.pause(self.path)
        status, headers, body = self.server.pages.get(self.path, (404, {"Content-Type": "text/html"}, b"no"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    for number in range(NUM_PAGES):
        links = f'<a href="/p{number + 1}">дальше</a> <a href="/p{number // 2}?b=1&a=2#x">назад</a>'
        server.add(f"/p{number}", f"<html><body><p>Страница {number}</p>{links}</body></html>")
        server.add(f"/p{number // 2}?a=2&b=1", "<p>та же</p>")
    yield server
    server.shutdown()
    server.server_close()


def _options(**changes: object) -> CrawlOptions:
    values = {"contact": "ops@example.org", "allow_private": True, "delay_seconds": 0.0, "retries": 0, **changes}
    return CrawlOptions.model_validate(values)


def _paths(folder: Path, root: str) -> list[str]:
    return sorted(uri.removeprefix(root) for uri in good(read_all(str(folder / "*.warc.gz"), "warc")))


@pytest.mark.slow
def test_manners(tmp_path: Path, site: Site) -> None:
    robots = f"User-agent: *\nDisallow: /secret\nSitemap: {site.root}/sitemap.xml\n"
    site.add("/robots.txt", robots, Content_Type="text/plain")
    index = f"<sitemapindex><sitemap><loc>{site.root}/more.xml.gz</loc></sitemap></sitemapindex>"
    site.add("/sitemap.xml", index, Content_Type="application/xml")
    urls = f"<urlset><url><loc>{site.root}/hidden</loc></url><url><loc>http://other.example/x</loc></url></urlset>"
    site.pages["/more.xml.gz"] = (200, {"Content-Type": "application/gzip"}, gzip.compress(urls.encode()))
    site.add("/hidden", "<p>только в карте</p>")
    site.add("/secret/1", "<p>нельзя</p>")
    site.add("/nofollow", '<meta name="robots" content="nofollow"><a href="/never">x</a>')
    site.add("/never", "<p>нельзя</p>")
    site.add("/loop", "", 302, Location="/loop")
    site.add("/moved", "", 301, Location="/p1")
    site.add("/away", "", 302, Location="http://localhost:1/x")
    site.pages["/packed"] = (
        200,
        {"Content-Type": "text/html", "Content-Encoding": "gzip"},
        gzip.compress(b"<p>packed</p><a href='/image.png'>i</a><a href='/deep'>d</a>"),
    )
    site.add("/deep", "<p>глубоко</p>")
    links = ["/secret/1", "/nofollow", "/loop", "/moved", "/away", "/packed", "/p0", "/missing", "mailto:a@b.c"]
    links += ["http://other.example/", "javascript:void(0)", "http://[bad", "/p0#again"]
    site.add("/", "".join(f'<a href="{link}">x</a>' for link in links) + '<a rel="nofollow" href="/never">y</a>')
    report = crawl([site.root + "/"], tmp_path, _options())
    expected = {"/", "/nofollow", "/packed", "/hidden", "/deep", *(f"/p{n}" for n in range(NUM_PAGES))}
    expected |= {f"/p{n // 2}?a=2&b=1" for n in range(NUM_PAGES)}
    assert set(_paths(tmp_path, site.root)) == expected
    assert report.ended == "finished" and report.waiting == 0
    assert report.refused == {"max redirections reached": 1, "offsite": 1, "robots": 1}
    for path in ("/secret/1", "/never", "/image.png"):
        assert site.count(path) == 0
    repeated = {path: number for path, number in Counter(path for path, _ in site.asked).items() if number > 1}
    assert set(repeated) <= {"/p1", "/loop"}  # a redirect may lead to a page that was asked for at the same time
    assert all("(+ops@example.org)" in agent for _, agent in site.asked)
    packed = next(r for r in read_all(str(tmp_path / "*.warc.gz"), "warc") if r.uri.endswith("/packed"))
    assert isinstance(packed.data, bytes) and packed.data.startswith(b"<p>packed</p>")


@pytest.mark.slow
def test_unreachable_robots_forbids(tmp_path: Path, site: Site) -> None:
    site.add("/robots.txt", "oops", 503)
    report = crawl([site.root + "/p0"], tmp_path, _options())
    assert report.pages == 0 and report.refused == {"robots": 1} and site.count("/p0") == 0


@pytest.mark.slow
def test_crawl_delay_is_kept(tmp_path: Path, site: Site) -> None:
    site.add("/robots.txt", "User-agent: *\nCrawl-delay: 1\n", Content_Type="text/plain")
    times: list[float] = []
    site.pause = lambda path: times.append(time.monotonic())
    site.add("/", "".join(f'<a href="/p{number}">x</a>' for number in (9, 10, 11)))
    crawl([site.root + "/"], tmp_path, _options(max_depth=1))
    pages = times[2:]  # behind robots.txt and the page that was waiting for it
    assert len(pages) == 3 and all(later - earlier > 0.8 for earlier, later in pairwise(pages))


@pytest.mark.slow
def test_bounds_and_going_on(tmp_path: Path, site: Site) -> None:
    first = crawl([site.root + "/p0"], tmp_path, _options(max_pages=3, warc_bytes=1000))
    assert first.pages == 3 and first.ended == "max_pages" and first.waiting > 0
    assert len(list(tmp_path.glob("*.warc.gz"))) > 1
    second = crawl([site.root + "/p0"], tmp_path, _options(max_depth=4))
    assert second.ended == "finished" and "/p4" in _paths(tmp_path, site.root)
    archived = _paths(tmp_path, site.root)
    assert "/p6" not in archived and len(archived) == len(set(archived))


@pytest.mark.slow
def test_private_addresses_are_refused(tmp_path: Path, site: Site) -> None:
    port = site.server_port
    seeds = [f"http://{host}:{port}/p0" for host in ("127.0.0.1", "localhost", "0x7f.1", "[::1]", "2130706433")]
    report = crawl(seeds, tmp_path, _options(allow_private=False))
    assert report.pages == 0 and site.asked == [] and sum(report.refused.values()) == len(seeds)


@pytest.mark.slow
def test_slow_and_huge_pages_do_not_stop_it(tmp_path: Path, site: Site) -> None:
    site.pause = lambda path: time.sleep(4) if path == "/slow" else None
    site.add("/slow", "<p>поздно</p>")
    site.add("/huge", "<p>" + "x" * 200_000)
    site.add("/", '<a href="/slow">a</a><a href="/huge">b</a><a href="/p11">c</a>')
    report = crawl([site.root + "/"], tmp_path, _options(timeout_seconds=1, max_page_bytes=100_000))
    assert {"/", "/p11"} <= set(_paths(tmp_path, site.root)) and "/slow" not in _paths(tmp_path, site.root)
    assert "/huge" not in _paths(tmp_path, site.root) and sum(report.refused.values()) >= 2


@pytest.mark.slow
def test_killed_crawl_goes_on_without_asking_twice(tmp_path: Path, site: Site) -> None:
    halfway = threading.Event()

    def pause(path: str) -> None:
        if len(site.asked) > 9:
            halfway.set()
        time.sleep(0.05)

    site.pause = pause
    program = (
        "import sys; from pathlib import Path; from samovar.corpus.inputs.crawl import *;"
        "crawl([sys.argv[1]], Path(sys.argv[2]), CrawlOptions(contact='a@b.cd', allow_private=True, delay_seconds=0))"
    )
    command = [sys.executable, "-c", program, site.root + "/p0", str(tmp_path)]
    with subprocess.Popen(command, start_new_session=True) as parent:
        assert halfway.wait(30)
        os.killpg(parent.pid, signal.SIGKILL)
    archived = set(_paths(tmp_path, site.root))
    assert 0 < len(archived) < 18
    last = sorted(tmp_path.glob("*.warc.gz"))[-1]
    with last.open("ab") as file:
        file.write(b"\x1f\x8b\x08\0torn")
    with (tmp_path / "frontier.jsonl").open("ab") as file:
        file.write(b'{"add": "http://torn')
    asked = len(site.asked)
    report = crawl([site.root + "/p0"], tmp_path, _options())
    again = {path for path, _ in site.asked[asked:]}
    assert again & archived == set() and report.ended == "finished"
    paths = _paths(tmp_path, site.root)
    assert set(paths) == {f"/p{n}" for n in range(NUM_PAGES)} | {f"/p{n // 2}?a=2&b=1" for n in range(NUM_PAGES)}
    assert len(paths) == len(set(paths))


@pytest.mark.slow
def test_one_crawl_at_a_time(tmp_path: Path, site: Site) -> None:
    import fcntl

    with (tmp_path / "crawl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another crawl"):
            crawl([site.root], tmp_path, _options())


def test_wrong_seeds_and_contacts(tmp_path: Path) -> None:
    for seed in ("ftp://a/b", "example.org", "http://", "file:///etc/passwd"):
        with pytest.raises(UsageError):
            crawl([seed], tmp_path, _options())
    with pytest.raises(UsageError):
        crawl([], tmp_path, _options())
    for contact in ("", "nobody", "a b@c.d", "x@y"):
        with pytest.raises(ValueError, match="expected an e-mail"):
            _options(contact=contact)


def test_frontier_survives_any_cut(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with Frontier(path) as frontier:
        assert frontier.add("a", 0) and not frontier.add("a", 1) and frontier.add("b", 1) and frontier.add("c", 2)
        frontier.done("a")
        frontier.refuse("b", "robots")
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with Frontier(path) as frontier:
            assert {address for address, _ in frontier.waiting()} <= {"a", "b", "c"}
            frontier.add("d", 0)
        with Frontier(path) as frontier:
            assert "d" in dict(frontier.waiting())
    path.write_bytes(data)
    with Frontier(path) as frontier:
        assert frontier.waiting() == [("c", 2)] and frontier.refused == {"robots": 1}
