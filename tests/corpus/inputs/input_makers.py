"""Makes inputs of a corpus build by hand or with the reference writer, and reads them whole or in parts."""

from __future__ import annotations

import bz2
import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import zstandard
from fastwarc.warc import WarcRecord, WarcRecordType

from samovar.corpus.build.item import Record
from samovar.corpus.inputs import SourceSpec, open_split, plan_splits

Key = tuple[str, str, bytes | str, tuple[tuple[str, str], ...], tuple[str, str] | None]

HTML = "<html><head><title>Страница {0}</title></head><body><p>Текст номер {0}. {1}</p></body></html>"
PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gz": lambda data: gzip.compress(data, 6, mtime=0),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bz2": bz2.compress,
}


def make_page(number: int, length: int = 300) -> bytes:
    words = " ".join(f"слово{number * 7 + place}" for place in range(length // 8))
    return HTML.format(number, words).encode()


def make_response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *(headers or ("Content-Type: text/html; charset=utf-8",))]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def make_record(
    uri: str, block: bytes, kind: WarcRecordType = WarcRecordType.response, headers: dict[str, str] | None = None
) -> bytes:
    """Return one WARC record as the reference library writes it."""
    record = WarcRecord()
    record.init_headers(record_type=kind)
    record.headers["WARC-Target-URI"] = uri
    record.headers["WARC-Date"] = "2025-01-02T03:04:05Z"
    if kind == WarcRecordType.response:
        record.headers["Content-Type"] = "application/http; msgtype=response"
    for name, value in (headers or {}).items():
        record.headers[name] = value
    record.set_bytes_content(block)
    target = io.BytesIO()
    record.write(target)
    return target.getvalue()


def make_pages(number: int, length: int = 300) -> list[bytes]:
    """Return the records of a crawl: before each response its request, once a header record."""
    records = [make_record("", b"software: test\r\n", WarcRecordType.warcinfo)]
    for page in range(number):
        uri = f"http://example.org/{page}"
        records.append(make_record(uri, b"GET / HTTP/1.1\r\n\r\n", WarcRecordType.request))
        records.append(make_record(uri, make_response(make_page(page, length))))
    return records


def pack(records: list[bytes], form: str, per_member: int = 1) -> bytes:
    """Return records in a form of `PACK`, so many in a member."""
    return b"".join(
        PACK[form](b"".join(records[start : start + per_member])) for start in range(0, len(records), per_member)
    )


PAGE_XML = """  <page>
    <title>{title}</title>
    <ns>{ns}</ns>
    <id>{number}</id>{extra}
    <revision>
      <id>1</id>
      <timestamp>2020-01-02T03:04:05Z</timestamp>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="9" xml:space="preserve">{text}</text>
    </revision>
  </page>
"""
SITE_XML = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ru">
  <siteinfo>
    <sitename>Википедия</sitename>
    <dbname>ruwiki</dbname>
    <base>https://ru.wikipedia.org/wiki/Заглавная</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">Файл</namespace>
      <namespace key="14" case="first-letter">Категория</namespace>
    </namespaces>
  </siteinfo>
"""


def make_wiki_page(number: int, *, ns: int = 0, extra: str = "", text: str = "") -> str:
    body = text or f"'''Страница {number}''' — &lt;b&gt;текст&lt;/b&gt; о [[предмет]]е {number}. " + "слово " * 20
    return PAGE_XML.format(title=f"Страница {number}", ns=ns, number=number, extra=extra, text=body)


def make_dump(pages: list[str], form: str = "plain", per_member: int = 0) -> bytes:
    """Return a dump; `per_member` makes it a multistream one."""
    if not per_member:
        return PACK[form]((SITE_XML + "".join(pages) + "</mediawiki>\n").encode())
    groups = ["".join(pages[start : start + per_member]) for start in range(0, len(pages), per_member)]
    return b"".join(PACK[form](part.encode()) for part in (SITE_XML, *groups, "</mediawiki>\n"))


def read_all(
    path: Path | str, kind: str, split_bytes: int = 10**12, passed: Counter[str] | None = None, **options: object
) -> list[Record]:
    """Return every record of a source in the order of its splits; ordinals are checked on the way."""
    path = Path(path) if not isinstance(path, str) else path
    base, name = (str(path.parent), path.name) if isinstance(path, Path) else ("", path)
    source = SourceSpec.model_validate({"name": "test", "kind": kind, "paths": (name,), "base": base, **options})
    records: list[Record] = []
    for split in plan_splits(source, split_bytes):
        begun: list[int] = []
        append = begun.append
        found = list(open_split(split, begin=lambda ordinal, uri, append=append: append(ordinal), passed=passed))
        assert [record.ordinal for record in found] == list(range(len(found)))
        assert set(range(len(found))) <= set(begun) and begun == sorted(begun)
        records += found
    return records


def keys(records: list[Record]) -> list[Key]:
    """Return what must not depend on how an input is cut."""
    return [(r.uri, r.kind, r.data, tuple(sorted(r.declared.items())), r.fault) for r in records]


def good(records: list[Record]) -> list[str]:
    """Return the addresses of the records without a fault."""
    return [record.uri for record in records if record.fault is None]


def faults(records: list[Record]) -> list[str]:
    """Return the reasons of the faulty records."""
    return [record.fault[0] for record in records if record.fault is not None]
