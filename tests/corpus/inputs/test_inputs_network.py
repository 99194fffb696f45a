"""Inputs over the network: real servers on the loopback, cut in the middle of an answer. What they give is what the local files give."""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from input_makers import good, make_pages, pack, read_all

from samovar.corpus.inputs import SourceSpec, plan_splits
from samovar.corpus.inputs import places as places_module
from samovar.errors import InputError

pytest.importorskip("aiohttp")


class RangeHandler(BaseHTTPRequestHandler):
    """Serves files with ranges; the answers whose numbers are in `cuts` break off in the middle."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012 - set by the fixture
    cuts: set[int] = set()  # noqa: RUF012
    ranges = True
    sizes: list[int] = []  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        data = self.files.get(self.path)
        if data is None:
            return self.send_error(404)
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.ranges else None
        part = data
        if found:
            start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
            part = data[start : end + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        else:
            self.send_response(200)
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hash(data)}"')
        self.end_headers()
        if not with_body:
            return None
        self.sizes.append(len(part))
        if len(self.sizes) in self.cuts:
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return None
        self.wfile.write(part)
        return None


@contextmanager
def serve(
    files: dict[str, bytes], cuts: set[int] | None = None, ranges: bool = True, port: int = 0
) -> Iterator[tuple[str, list[int]]]:
    """Serve files; give the address, and the list that the sizes of the answers go into."""
    sizes: list[int] = []
    handler = type(
        "Handler", (RangeHandler,), {"files": files, "cuts": cuts or set(), "ranges": ranges, "sizes": sizes}
    )
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sizes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ARCHIVE = pack(make_pages(60, 2000), "gz")


@pytest.mark.parametrize("ranges", (True, False))
def test_http_gives_what_the_file_gives(tmp_path: Path, ranges: bool) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(ARCHIVE)
    local = read_all(path, "warc")
    with serve({"/a.warc.gz": ARCHIVE}, ranges=ranges) as (url, sizes):
        remote = read_all(f"{url}/a.warc.gz", "warc", 10**9)
        assert [(r.uri, r.data, r.fault) for r in remote] == [(r.uri, r.data, r.fault) for r in local]
        assert sum(sizes) <= 2 * len(ARCHIVE)  # planning fetches nothing


def test_http_answer_cut_once_is_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "_WAITS", (0.01, 0.01))
    with serve({"/a.warc.gz": ARCHIVE}, cuts={1, 2}) as (url, sizes):
        assert len(good(read_all(f"{url}/a.warc.gz", "warc", 10**9))) == 60
        assert len(sizes) == 3


def test_http_cut_for_good_is_an_error_and_no_fault_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "_WAITS", (0.01, 0.01))
    with (
        serve({"/a.warc.gz": ARCHIVE}, cuts=set(range(1, 99))) as (url, _),
        pytest.raises(InputError, match="cannot be read"),
    ):
        read_all(f"{url}/a.warc.gz", "warc", 10**9)


def test_http_that_is_gone_is_an_error() -> None:
    with serve({}) as (url, _), pytest.raises(InputError, match="found none"):
        plan_splits(SourceSpec(name="t", kind="warc", paths=(f"{url}/none.warc.gz",)), 10**9)
    with pytest.raises(InputError, match=r"cannot be listed|found none"):
        plan_splits(SourceSpec(name="t", kind="warc", paths=(f"{url}/none.warc.gz",)), 10**9)


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class LateServer(threading.Thread):
    """Begins to listen some time after its start, and ends when it is told."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._seconds = seconds
        self._over = threading.Event()

    def run(self) -> None:
        if self._over.wait(self._seconds):
            return
        with serve({"/a.warc.gz": ARCHIVE}, port=self._port):
            self._over.wait()

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """It is not there yet when the build is planned, and gone when the reading begins."""
    from samovar.corpus.build.build import build_corpus
    from samovar.corpus.build.progress import Progress
    from samovar.corpus.build.recipe import parse_recipe

    port = free_port()
    servers = [LateServer(port, 1.5)]
    servers[0].start()

    def watch(progress: Progress) -> None:
        if progress.stage == "read" and len(servers) == 1:
            servers[0].stop()
            servers.append(LateServer(port, 4.0))
            servers[1].start()

    def recipe(path: str, seconds: float) -> Any:
        source = {"name": "web", "kind": "warc", "paths": [path]}
        stages = ["extract", "exact"]
        return parse_recipe(
            {"name": "t", "stages": stages, "source": [source], "limits": {"network_seconds": seconds}}, tmp_path
        )

    url = f"http://127.0.0.1:{port}/a.warc.gz"
    made = build_corpus(recipe(url, 60), tmp_path / "remote", workers=1, watch=watch)
    assert len(servers) == 2
    servers[1].stop()
    (tmp_path / "a.warc.gz").write_bytes(ARCHIVE)
    local = build_corpus(recipe("a.warc.gz", 60), tmp_path / "local", workers=1)
    assert made["output_sha256"] == local["output_sha256"] and made["documents"] == 60
    started = time.monotonic()
    with pytest.raises(InputError, match=r"cannot be (listed|opened): .*[Cc]onnect"):
        build_corpus(recipe(url, 0), tmp_path / "gone", workers=1)
    with pytest.raises(InputError, match=r"cannot be (listed|opened): .*[Cc]onnect"):
        build_corpus(recipe(url, 2.5), tmp_path / "gone", workers=1)
    assert time.monotonic() - started >= 2.5


def test_what_is_missing_or_forbidden_is_not_waited_for() -> None:
    waits: list[float] = []

    def ask(error: Exception) -> None:
        try:
            raise error
        except Exception as cause:
            raise InputError("no") from cause

    for error in (FileNotFoundError("a"), PermissionError("a"), ValueError("a")):
        with pytest.raises(InputError):
            places_module.be_patient(lambda error=error: ask(error), 60, waits.append)  # type: ignore[misc]
    assert waits == []
    with pytest.raises(InputError):
        places_module.be_patient(lambda: ask(ConnectionRefusedError("a")), 60, waits.append)
    assert waits == [1, 2, 4, 8, 16, 29]


@pytest.mark.parametrize(
    ("url", "package"),
    (("gs://b/a", "gcsfs"), ("az://b/a", "adlfs"), ("abfs://b/a", "adlfs"), ("s3://b/a", "s3fs"), ("zip://x::gs://b/a.zip", "gcsfs")),
)  # fmt: skip
def test_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, url: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    registry = importlib.import_module("fsspec.registry")
    for name in ("gs", "az", "abfs", "s3"):
        monkeypatch.delitem(registry._registry, name, raising=False)
    with pytest.raises(InputError, match=f"pip install {package}$"):
        plan_splits(SourceSpec(name="t", kind="warc", paths=(url,)), 10**9)


def test_what_a_driver_says_is_kept_short() -> None:
    with pytest.raises(InputError) as raised:
        plan_splits(SourceSpec(name="t", kind="warc", paths=("nosuchscheme://a/b",)), 1)
    assert len(str(raised.value)) < 500


# -- a real object store ------------------------------------------------------------------------------------------------
RECIPE = """name = "t"
stages = ["extract", "exact", "personal"]
[[source]]
name = "web"
kind = "warc"
paths = ["{0}*.warc.gz"]
[[source]]
name = "rows"
kind = "jsonl"
paths = ["{0}c.jsonl"]
[limits]
network_seconds = 3
"""


class Store:
    """An S3-compatible server with the files of a folder in it, and builds that read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @contextmanager
    def running(self, *cut: str) -> Iterator[None]:
        program = Path(__file__).with_name("object_store.py")
        server = subprocess.Popen([sys.executable, str(program), str(self.port), *cut], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            self._wait()
            code = "import s3fs,sys; s=s3fs.S3FileSystem(); s.mkdir('bucket'); [s.put(p, f'bucket/in/{p.rpartition(chr(47))[2]}') for p in sys.argv[1:]]"
            files = sorted(map(str, self.folder.iterdir()))
            subprocess.run([sys.executable, "-c", code, *files], env=self.environment, check=True, timeout=120)
            yield
        finally:
            server.kill()
            server.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def build(self, recipe: Path, output: Path) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "samovar",
            "corpus",
            "build",
            str(recipe),
            "-o",
            str(output),
            "--workers",
            "1",
            "--json",
        ]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_build_from_an_object_store_that_dies_and_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for name, count in (("a", 40), ("b", 20)):
        (inputs / f"{name}.warc.gz").write_bytes(pack(make_pages(count, 3000), "gz"))
    rows = ({"text": f"Текст строки {n}. " * 9, "url": f"https://example.org/{n}"} for n in range(20))
    (inputs / "c.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    for name, base in (("local", "inputs/"), ("remote", "s3://bucket/in/")):
        (tmp_path / f"{name}.toml").write_text(RECIPE.format(base))
    store, local, remote = Store(inputs), tmp_path / "local", tmp_path / "remote"
    assert store.build(tmp_path / "local.toml", local).returncode == 0
    with store.running("2"):
        cut = store.build(tmp_path / "remote.toml", remote)
    assert cut.returncode == 1 and "s3://bucket/in/" in cut.stderr and "Traceback" not in cut.stderr
    assert not (remote / "manifest.json").exists()
    with store.running():
        again = store.build(tmp_path / "remote.toml", remote)
    assert again.returncode == 0, again.stderr
    one, two = (json.loads((folder / "manifest.json").read_text("utf-8")) for folder in (local, remote))
    assert one["output_sha256"] == two["output_sha256"] and one["documents"] == two["documents"]
