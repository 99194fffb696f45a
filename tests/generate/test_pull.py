"""Pulling from a local stand-in of the hub, with the real `huggingface_hub`: resume, checksums, and nothing half there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="the extra 'llama' is absent")

from test_gguf import tiny_gguf

from samovar.digests import hash_file
from samovar.errors import ChecksumError, ModelError, ModelNotFoundError, UsageError
from samovar.generate import pull
from samovar.generate.catalogue import parse_catalogue
from samovar.generate.pull import manifest_path, pull_model, read_manifest

COMMIT = "c" * 40
CONTENT = tiny_gguf() + random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "owner/repo/m-Q4_K_M.gguf"
LOCAL = "owner--repo--m-Q4_K_M.gguf"


class Hub:
    """The endpoints that `huggingface_hub` calls for one LFS file: HEAD with the hub's headers, redirect, ranged GET."""

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.content, self.etag, self.size = CONTENT, SHA256, len(CONTENT)
        self.cut_after: list[int] = []  # for the next GETs: bytes after which the connection is dropped
        self.fail_gets = 0
        self.ranges: list[str] = []
        self.slow = False
        self.ignore_range = False
        endpoint.answer(self.answer)

    def answer(self, handler: Any) -> None:
        head = handler.command == "HEAD"
        if handler.path in ("/owner/repo/resolve/main/m-Q4_K_M.gguf", f"/owner/repo/resolve/{COMMIT}/m-Q4_K_M.gguf"):
            handler.send_response(302)
            # The real hub redirects to another host, and the client looks no further for metadata.
            cdn = self.endpoint.url.replace("127.0.0.1", "localhost")
            handler.send_header("Location", f"{cdn}/cdn/blob?signature=1")
            handler.send_header("X-Repo-Commit", COMMIT)
            handler.send_header("X-Linked-Etag", f'"{self.etag}"')
            handler.send_header("X-Linked-Size", str(self.size))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif handler.path.startswith("/cdn/blob") and not head:
            self.blob(handler)
        else:
            handler.send_response(404)
            handler.send_header("X-Error-Code", "RepoNotFound")
            handler.send_header("X-Error-Message", "Repository not found")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    def blob(self, handler: Any) -> None:
        if self.fail_gets:
            self.fail_gets -= 1
            handler.reply(503, "busy", "text/plain")
            return
        asked = handler.headers.get("Range", "")
        self.ranges.append(asked)
        asked = "" if self.ignore_range else asked
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        data = self.content[start:]
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(data)))
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.end_headers()
        cut = self.cut_after.pop(0) if self.cut_after else None
        if self.slow:
            for offset in range(0, len(data), 2**18):
                handler.wfile.write(data[offset : offset + 2**18])
                time.sleep(0.1)
            return
        handler.wfile.write(data[:cut])


@pytest.fixture
def hub(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(pull, "RETRY_SECONDS", 0.001)
    return Hub(endpoint)


def leftovers(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "models").iterdir() if not path.name.endswith(".lock"))


def test_pulls_verifies_and_writes_the_manifest_last(hub: Hub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url, progress=lambda done, all_: seen.append((done, all_)))
    assert path == tmp_path / "models" / LOCAL
    assert hash_file(path) == SHA256
    manifest = read_manifest(path)
    assert manifest is not None
    assert (manifest.sha256, manifest.size_bytes, manifest.revision) == (SHA256, len(CONTENT), COMMIT)
    assert manifest.source == NAME
    assert manifest.pulled_at.endswith("Z")
    assert leftovers(tmp_path) == [LOCAL, LOCAL + ".json"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_second_pull_needs_no_connection(hub: Hub, tmp_path: Path) -> None:
    first = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    num_requests = len(hub.endpoint.seen)
    assert pull_model(NAME, tmp_path, endpoint="http://127.0.0.1:9") == first
    assert len(hub.endpoint.seen) == num_requests


def test_a_dropped_connection_is_resumed_at_once(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = [1_000_000, 600_000]
    path = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert hash_file(path) == SHA256
    first, second, third = hub.ranges
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in (second, third)]
    assert first == ""
    assert 500_000 < starts[0] <= 1_000_000 < starts[1] <= 1_600_000


def test_an_interrupted_pull_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 500_000:
            raise KeyboardInterrupt

    hub.slow = True
    with pytest.raises(KeyboardInterrupt):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url, progress=interrupt)
    (part,) = leftovers(tmp_path)
    assert part == f"{LOCAL}.{SHA256[:16]}.part"
    kept = (tmp_path / "models" / part).stat().st_size
    assert kept > 500_000
    hub.slow = False
    path = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert hub.ranges[-1] == f"bytes={kept}-"
    assert hash_file(path) == SHA256
    assert leftovers(tmp_path) == [LOCAL, LOCAL + ".json"]


@pytest.mark.slow
def test_kill_9_in_the_middle_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.slow = True
    code = "import sys; from pathlib import Path; from samovar.generate.pull import pull_model\n"
    code += "pull_model(sys.argv[1], Path(sys.argv[2]), endpoint=sys.argv[3])"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", code, NAME, str(tmp_path), hub.endpoint.url], env=env)
    part = tmp_path / "models" / f"{LOCAL}.{SHA256[:16]}.part"
    end = time.monotonic() + 60
    while time.monotonic() < end and not hub.ranges:
        time.sleep(0.05)
    time.sleep(0.7)
    child.kill()
    child.wait()
    assert not (tmp_path / "models" / LOCAL).exists()
    assert read_manifest(tmp_path / "models" / LOCAL) is None
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    hub.slow = False
    path = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert hash_file(path) == SHA256
    assert hub.ranges[-1] == f"bytes={kept}-"


def test_a_server_error_keeps_what_came_and_says_how_to_go_on(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, receive = [], pull._receive

    def counted(*given: Any) -> None:  # here, not at the server: a kept connection may die before a try gets there
        tries.append(given)
        receive(*given)

    monkeypatch.setattr(pull, "_receive", counted)
    part = tmp_path / "models" / f"{LOCAL}.{SHA256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    hub.fail_gets = 99
    with pytest.raises(ModelError, match="after 1000 bytes; pull again"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert part.read_bytes() == CONTENT[:1000]
    assert len(tries) == pull.MAX_RETRIES + 1
    assert 1 <= 99 - hub.fail_gets <= len(tries)
    hub.fail_gets = 2
    assert hash_file(pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)) == SHA256
    assert hub.ranges == ["bytes=1000-"]


def test_a_server_that_ignores_the_range_makes_it_begin_anew(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "models" / f"{LOCAL}.{SHA256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    hub.ignore_range = True
    assert hash_file(pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)) == SHA256


def test_a_file_longer_than_stated_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.size -= 5
    with pytest.raises(ChecksumError, match="instead of"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert leftovers(tmp_path) == []


def test_a_wrong_file_is_refused_and_nothing_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ChecksumError, match=f"expected SHA-256 {SHA256}"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert leftovers(tmp_path) == []


def test_a_damaged_partial_file_is_found_out_by_the_checksum(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "models" / f"{LOCAL}.{SHA256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(b"\0" * 5000)
    with pytest.raises(ChecksumError):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert leftovers(tmp_path) == []
    assert hash_file(pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)) == SHA256


def test_a_partial_file_of_another_version_is_not_continued(hub: Hub, tmp_path: Path) -> None:
    stale = tmp_path / "models" / f"{LOCAL}.{'0' * 16}.part"
    stale.parent.mkdir()
    stale.write_bytes(b"old" * 1000)
    pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert hub.ranges == [""]
    assert leftovers(tmp_path) == [LOCAL, LOCAL + ".json"]


def test_a_partial_file_that_is_too_long_begins_anew(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "models" / f"{LOCAL}.{SHA256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    assert hash_file(pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)) == SHA256


def test_something_that_is_no_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.content = b"<html>" * 1000
    hub.etag, hub.size = hashlib.sha256(hub.content).hexdigest(), len(hub.content)
    with pytest.raises(ModelError, match="expected a GGUF model"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert leftovers(tmp_path) == []


def test_a_file_without_any_checksum_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.etag = "not-a-sha"
    with pytest.raises(ChecksumError, match="cannot be verified"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)


def in_catalogue(monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
    (entry,) = parse_catalogue(
        f"""
[[model]]
name = "m"
title = "M"
repo = "owner/repo"
file = "m-Q4_K_M.gguf"
revision = ""
licence = "MIT"
size_bytes = 0
sha256 = "{sha256}"
checksum_source = "{"test" if sha256 else ""}"
languages = ["ru"]
context_tokens = 0
chat_template = "file"
note = ""
"""
    )
    monkeypatch.setattr(pull, "find_entry", lambda name: entry if name == "m" else None)


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_a_catalogue_name_is_checked_against_the_catalogue_or_pinned(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sha256: str
) -> None:
    in_catalogue(monkeypatch, sha256)
    path = pull_model("m", tmp_path, endpoint=hub.endpoint.url)
    assert path.name == "m.gguf"
    manifest = read_manifest(path)
    assert manifest is not None
    assert (manifest.sha256, manifest.licence, manifest.name) == (SHA256, "MIT", "m")


def test_a_file_replaced_on_the_hub_is_refused_before_the_download(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_catalogue(monkeypatch, "a" * 64)
    with pytest.raises(ChecksumError, match="the hub now offers"):
        pull_model("m", tmp_path, endpoint=hub.endpoint.url)
    assert hub.ranges == []


def test_no_space_is_said_before_the_download(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ModelError, match=r"GiB free .* found 0\.00 GiB"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert hub.ranges == []


def test_no_connection_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot get owner/repo/m-Q4_K_M\.gguf .*Is there a connection"):
        pull_model(NAME, tmp_path, endpoint="http://127.0.0.1:9")
    assert leftovers(tmp_path) == []


def test_an_unknown_repository_or_name(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"has no other/repo/x.gguf"):
        pull_model("other/repo/x.gguf", tmp_path, endpoint=hub.endpoint.url)
    for name in ("нет", "a/b", "a/b/c.bin", "a/b/../../../c.gguf", ""):
        with pytest.raises(ModelNotFoundError, match="expected a catalogue name"):
            pull_model(name, tmp_path, endpoint=hub.endpoint.url)
    with pytest.raises(UsageError, match="split model"):
        pull_model("a/b/m-00001-of-00003.gguf", tmp_path, endpoint=hub.endpoint.url)


def test_the_stored_token_is_not_shown_to_another_endpoint(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    assert not [seen for seen in hub.endpoint.seen if "authorization" in seen.headers]
    pull_model(NAME, tmp_path / "b", endpoint=hub.endpoint.url, token="hf_given")
    assert hub.endpoint.seen[-2].headers["authorization"] == "Bearer hf_given"


def test_two_pulls_at_once_do_not_mix(hub: Hub, tmp_path: Path) -> None:
    hub.slow = True
    results: list[object] = []

    def first() -> None:
        results.append(pull_model(NAME, tmp_path, endpoint=hub.endpoint.url))

    thread = threading.Thread(target=first)
    thread.start()
    end = time.monotonic() + 20
    while not hub.ranges and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(ModelError, match="another process is pulling"):
        pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    hub.slow = False
    thread.join(30)
    assert results == [tmp_path / "models" / LOCAL]


def test_a_manifest_that_does_not_fit_the_file_counts_for_nothing(hub: Hub, tmp_path: Path) -> None:
    path = pull_model(NAME, tmp_path, endpoint=hub.endpoint.url)
    path.write_bytes(CONTENT[:-1])
    assert read_manifest(path) is None
    path.write_bytes(CONTENT)
    manifest_path(path).write_text(json.dumps({"name": "m"}))
    assert read_manifest(path) is None
    manifest_path(path).write_text("{")
    assert read_manifest(path) is None
