"""WARC archives, plain, gzip or zstd: every response, resource and conversion is a record, the rest is only counted.

An own reader, because the fast libraries stop silently at damage: here a cut file, a lying length or rubbish costs one
faulty record each, and reading goes on at the next one. Records larger than the limit are passed over in constant
memory. Known limit: a range that begins inside a stored, unpacked WARC file inside a WARC reads the inner records.
Source: ISO 28500 (WARC 1.0, 1.1); the IIPC's zstd proposal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from samovar.corpus.build.item import Record, RecordKind, Split
from samovar.corpus.inputs.feed import Feed
from samovar.corpus.inputs.http import Response, parse_headers, parse_response
from samovar.corpus.inputs.places import Place, open_place
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import record_limit, split_bytes_of
from samovar.corpus.inputs.streams import AnyUnit, open_units
from samovar.corpus.inputs.window import Window

_START = b"WARC/1."
_MAX_HEADER = 64 * 1024
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_ANOTHER = re.compile(rb"\A[^\n]*\r[^\n]|[\r\n]WARC/1\.")
"""What no head has in it: a bare CR in its first line, the head of another record. Where lines end with CR alone the next record's end would
be taken for this one's."""
_BLANK = b"\r\n\0"
_BLANKS = (b"\r", b"\n", b"\0")
_WANTED = frozenset(("response", "resource", "conversion"))
_HTML = frozenset(("text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"))
_FILES = frozenset(
    (
        "text/plain",
        "text/markdown",
        "text/rtf",
        "application/rtf",
        "application/pdf",
        "application/x-pdf",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.oasis.opendocument.text",
        "application/epub+zip",
        "application/x-fictionbook",
        "application/x-fictionbook+xml",
        "application/fb2",
    )
)
_UNNAMED = frozenset(("", "application/octet-stream", "unknown/unknown", "text"))
_LOOKS_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|!--)", re.I)

Begin = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class _Raw:
    """One WARC record: where it is, its headers, and its block unless it is not wanted or has a fault."""

    at: str
    headers: dict[str, str]
    block: bytes = b""
    fault: tuple[str, str] | None = None

    @property
    def uri(self) -> str:
        return self.headers.get("warc-target-uri", "").strip("<> ") or self.at

    @property
    def type(self) -> str:
        return self.headers.get("warc-type", "").lower()


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut every file by bytes."""
    return split_bytes_of(source, places, split_bytes)


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the documents' records of a byte range; see `samovar.corpus.inputs.plan.open_split`."""
    limit = record_limit(split)
    name = split.options.get("name", split.place)
    ordinal = 0
    with open_place(split.place, split.options.get("stamp", "")) as file:
        window = Window(file)
        for unit in open_units(window, split.start, split.end, _is_start, _find_plain):
            reader = _UnitReader(unit, name, limit)
            while True:
                begin(ordinal, reader.at)
                raw = reader.next()
                if raw is None:
                    break
                if raw.fault is None and (label := _classify(raw)) is not None:
                    passed[label] += 1
                    continue
                if ordinal in skip:
                    yield Record(ordinal, raw.uri, "html", fault=("poison", raw.at))
                else:
                    begin(ordinal, raw.uri)
                    yield _make_record(ordinal, raw, limit)
                ordinal += 1


def _is_start(head: bytes) -> bool:
    return head.startswith(_START)


def _find_plain(window: Window, start: int, end: int) -> int:
    """Return where a record begins at or behind `start`."""
    position = start
    while (found := window.find(_START, position, end)) >= 0:
        blank = found == 0 or window.read(found - 1, 1) in _BLANKS
        if blank and _parse_head(window.read(found, _MAX_HEADER)) is not None:
            return found
        position = found + 1
    return -1


def _parse_head(head: bytes) -> tuple[dict[str, str], int] | None:
    """Return the header fields and the length of a record's head; None when it is none."""
    if not head.startswith(_START):
        return None
    end = _HEADER_END.search(head)
    if not end or _ANOTHER.search(head, 0, end.start()):
        return None
    headers = parse_headers(head[: end.start()].partition(b"\n")[2])
    if "warc-type" not in headers or not headers.get("content-length", "").isdecimal():
        return None
    return headers, end.end()


class _UnitReader:
    """The WARC records of one unit, in order; the last one carries the unit's own fault."""

    def __init__(self, unit: AnyUnit, name: str, limit: int) -> None:
        self._unit = unit
        self._feed = Feed(unit)
        self._name = name
        self._limit = limit
        self._number = -1
        self._over = False

    @property
    def at(self) -> str:
        """Where the next record is: file and byte, and its number when it is not the first of a compressed unit."""
        if self._unit.stop is not None:
            return f"{self._name}@{self._unit.offset + self._feed.position}"
        return f"{self._name}@{self._unit.offset}" + (f"+{self._number}" if self._number > 0 else "")

    def next(self) -> _Raw | None:
        """Return the next record; None at the end of the unit."""
        feed = self._feed
        if self._over:
            return None
        self._skip_blank()
        if not feed.peek(1):
            return self._finish(None)
        head = feed.peek(4096)
        parsed = _parse_head(head) or _parse_head(feed.peek(_MAX_HEADER))
        if parsed is not None and feed.past:
            self._over = True
            return None
        self._number += 1
        at = self.at
        if parsed is None:  # behind the range, too: the next range begins at the next head that it finds
            return self._resynchronise(at)
        headers, length = parsed
        feed.skip(length)
        return self._read_block(at, headers)

    def _read_block(self, at: str, headers: dict[str, str]) -> _Raw | None:
        feed = self._feed
        start = feed.position
        length = int(headers["content-length"][:15])
        wanted = headers["warc-type"].lower() in _WANTED
        fault = None
        block = b""
        if length > self._limit:
            got = feed.skip(length)
            fault = ("too_large", str(length))
        elif wanted or self._unit.stop is None:
            block = feed.take(length)
            got = len(block)
        else:
            got = feed.skip(length)
        if got == length and self._ends_well():
            return _Raw(at, headers, block if wanted else b"", fault)
        return self._recover(_Raw(at, headers), start, block, fault, cut=got < length)

    def _ends_well(self) -> bool:
        """Tell whether another record or the end follows."""
        self._skip_blank()
        following = self._feed.peek(len(_START))
        return following == _START or (not following and self._unit.whole)

    def _skip_blank(self) -> None:
        while (ahead := self._feed.peek(4)) and ahead[0] in _BLANK:
            self._feed.skip(len(ahead) - len(ahead.lstrip(_BLANK)))

    def _recover(self, raw: _Raw, start: int, block: bytes, fault: tuple[str, str] | None, cut: bool) -> _Raw | None:
        """Deal with a record whose length does not lead to another one: find the next one behind its head."""
        feed = self._feed
        length = raw.headers["content-length"]
        if not feed.rewind(start) and block:
            feed.unread(block)
        if self._seek_next():
            return _Raw(raw.at, raw.headers, fault=fault or ("bad_length", length))
        # at the end of a plain file nothing tells a cut file from a lie; a compressed member that ended well does
        reason = "truncated" if cut and self._unit.stop is not None else "bad_length"
        return self._finish(_Raw(raw.at, raw.headers, fault=fault or (reason, length)))

    def _resynchronise(self, at: str) -> _Raw | None:
        """Pass over what is no record; it costs one faulty record."""
        found = self._seek_next()
        raw = _Raw(at, {}, fault=("garbage", "no WARC header"))
        return raw if found else self._finish(raw)

    def _seek_next(self) -> bool:
        """Go to the next head of a record; False at the end of the unit."""
        feed = self._feed
        before = b"\n"
        while True:
            ahead = feed.find(_START, _MAX_HEADER)
            if ahead >= 0:
                before = feed.take(ahead)[-1:] or before
                if before in _BLANKS and _parse_head(feed.peek(_MAX_HEADER)) is not None:
                    return True
                before = feed.take(1)
            elif not (passed := feed.take(_MAX_HEADER)):
                return False
            else:
                before = passed[-1:]

    def _finish(self, raw: _Raw | None) -> _Raw | None:
        self._over = True
        if self._unit.fault is None or (raw is not None and raw.fault is not None and self._unit.whole):
            return raw
        return _Raw(raw.at if raw else self.at, raw.headers if raw else {}, fault=self._unit.fault)


def _classify(raw: _Raw) -> str | None:
    """Return the class under which a record is only counted; None for a document's."""
    if raw.type not in _WANTED:
        return raw.type or "unknown"
    uri = raw.uri
    if uri.startswith("dns:"):
        return "dns"
    if "/robots.txt" in uri and _path_of(uri) == "/robots.txt":
        return "robots"
    return None


def _path_of(uri: str) -> str:
    """Return the path of an address; empty when it is none."""
    try:
        return urlsplit(uri).path
    except ValueError:
        return ""


def _make_record(ordinal: int, raw: _Raw, limit: int) -> Record:
    declared = {"at": raw.at}
    if fetched := raw.headers.get("warc-date", ""):
        declared["fetched"] = fetched
    if raw.fault is not None:
        return Record(ordinal, raw.uri, "html", declared=declared, fault=raw.fault)
    if truncated := raw.headers.get("warc-truncated", ""):
        declared["truncated"] = truncated
    response = parse_response(raw.block, limit)
    if response.status == 0:
        response = Response(200, {"content-type": raw.headers.get("content-type", "")}, raw.block)
    mime = _name_mime(response, raw.headers)
    declared |= _declare(response, raw.headers, mime)
    fault = response.fault
    kind = _choose_kind(mime)
    if response.status != 200:
        fault = ("http_status", str(response.status))
    elif fault is None and kind is None:
        fault = ("mime", mime)
    elif fault is None and (not response.body or response.body.isspace()):
        fault = ("empty", "0 bytes")
    if fault is not None:
        return Record(ordinal, raw.uri, kind or "file", declared=declared, fault=fault)
    if raw.type == "conversion" and kind == "file" and mime == "text/plain":
        return Record(ordinal, raw.uri, "text", response.body.decode("utf-8", "replace"), declared)
    return Record(ordinal, raw.uri, kind or "file", response.body, declared)


def _name_mime(response: Response, headers: dict[str, str]) -> str:
    mime = response.mime
    if mime in _UNNAMED:
        mime = headers.get("warc-identified-payload-type", "").partition(";")[0].strip().lower() or mime
    if mime in _UNNAMED and _LOOKS_HTML.match(response.body[:1024]):
        return "text/html"
    return mime


def _choose_kind(mime: str) -> RecordKind | None:
    if mime in _HTML:
        return "html"
    return "file" if mime in _FILES or mime in _UNNAMED else None


def _declare(response: Response, headers: dict[str, str], mime: str) -> dict[str, str]:
    language = response.headers.get("content-language") or headers.get("warc-identified-content-language", "")
    values = {
        "mime": mime,
        "charset": response.charset,
        "language": language.partition(",")[0].strip(),
    }
    return {key: value for key, value in values.items() if value}
