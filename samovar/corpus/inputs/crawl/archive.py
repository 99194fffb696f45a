"""The WARC files that a crawl writes: a gzip member for each record, request before response, a new file at a size.

Opened again after a crash, the last file loses what was torn, and what is in it is told. Source: ISO 28500 (WARC 1.1).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from samovar.corpus.build.item import Record
from samovar.corpus.inputs.codecs import GZIP
from samovar.corpus.inputs.plan import open_split, plan_splits
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.streams import Member
from samovar.corpus.inputs.window import Window

Headers = Sequence[tuple[bytes, bytes]]

_NAME = "crawl-{:05d}.warc.gz"
_LEVEL = 6
_CRLF = b"\r\n"


class Archive:
    """The WARC files of a folder; `pages` and `num_bytes` count what is in them."""

    def __init__(self, folder: Path, agent: str, warc_bytes: int) -> None:
        self._folder = folder
        self._agent = agent
        self._warc_bytes = warc_bytes
        self.addresses: set[str] = set()
        self.num_bytes = 0
        self._files = sorted(folder.glob("crawl-*.warc.gz"))
        if self._files:
            _cut_torn(self._files[-1])
        for record in self.records():
            self.addresses.add(record.uri)
        self.num_bytes = sum(path.stat().st_size for path in self._files)
        self._file = self._files[-1].open("ab") if self._files else self._begin()

    @property
    def pages(self) -> int:
        """How many addresses are archived."""
        return len(self.addresses)

    def records(self) -> Iterator[Record]:
        """Yield what is archived."""
        for path in self._files:
            source = SourceSpec(name="crawl", kind="warc", paths=(str(path),))
            for split in plan_splits(source, 2**62):
                yield from open_split(split)

    def write(self, url: str, status: str, headers: Headers, body: bytes, request: Headers, method: str) -> None:
        """Add a request and its response; they are with the operating system when this returns.

        `body` is as it was sent, but not chunked: ``Transfer-Encoding`` is left out for that.
        """
        if self._file.tell() >= self._warc_bytes:
            self._close()
            self._file = self._begin()
        now = _now()
        kept = [
            (name, value) for name, value in headers if name.lower() not in (b"transfer-encoding", b"content-length")
        ]
        head = _join_head(f"HTTP/1.1 {status}", [*kept, (b"Content-Length", str(len(body)).encode())])
        path = "/" + url.split("/", 3)[3] if url.count("/") > 2 else "/"
        asked = _join_head(f"{method} {path} HTTP/1.1", [(b"Host", url.split("/")[2].encode()), *request])
        response = _make_id()
        data = _make_record("request", asked, now, url, "application/http; msgtype=request", concurrent=response)
        data += _make_record("response", head + body, now, url, "application/http; msgtype=response", response)
        self._file.write(data)
        self._file.flush()
        self.num_bytes += len(data)
        self.addresses.add(url)

    def _begin(self) -> BinaryIO:
        path = self._folder / _NAME.format(len(self._files))
        file = path.open("xb")
        text = f"software: {self._agent}\r\nformat: WARC File Format 1.1\r\nrobots: obey\r\n"
        file.write(_make_record("warcinfo", text.encode(), _now(), "", "application/warc-fields", name=path.name))
        file.flush()
        self._files.append(path)
        return file

    def _close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    close = _close


def _cut_torn(path: Path) -> None:
    """Cut a file behind its last whole member; what follows was being written when the crawl was killed."""
    with path.open("r+b") as file:
        window = Window(file)
        position = 0
        while position < window.size and window.read(position, 3) == GZIP.magic:
            member = Member(window, GZIP, position)
            while member.pull():
                pass
            if member.end < 0:
                break
            position = member.end
        file.truncate(position)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _make_id() -> str:
    return f"<urn:uuid:{uuid.uuid4()}>"


def _join_head(first: str, headers: Headers) -> bytes:
    lines = [first.encode("latin-1", "replace"), *(name + b": " + value for name, value in headers)]
    return _CRLF.join(line.replace(b"\r", b" ").replace(b"\n", b" ") for line in lines) + 2 * _CRLF


def _make_record(
    kind: str, block: bytes, date: str, url: str, mime: str, identity: str = "", concurrent: str = "", name: str = ""
) -> bytes:
    digest = base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()
    fields = {
        "WARC-Type": kind,
        "WARC-Record-ID": identity or _make_id(),
        "WARC-Date": date,
        "WARC-Target-URI": url,
        "WARC-Filename": name,
        "WARC-Concurrent-To": concurrent,
        "WARC-Block-Digest": f"sha1:{digest}",
        "Content-Type": mime,
        "Content-Length": str(len(block)),
    }
    head = "".join(f"{key}: {value}\r\n" for key, value in fields.items() if value)
    return gzip.compress(b"WARC/1.1\r\n" + head.encode() + _CRLF + block + 2 * _CRLF, _LEVEL, mtime=0)
