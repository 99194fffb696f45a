"""From the records of an input to items: decode, take the main text and what the record says about itself.

Pages go through `samovar.corpus.readers.html`, files through the readers of `samovar.corpus.extract`: one implementation for a build and
for the library. What cannot be read is one dropped row. Knows no language; repairing and cleaning is the next stage, `Repair`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from pydantic import Field

from samovar.corpus.blob import Blob
from samovar.corpus.build.item import Item, Notes, Record
from samovar.corpus.clean import clean_line
from samovar.corpus.dates import clean_date
from samovar.corpus.document import UNKNOWN, LedgerRow
from samovar.corpus.draft import Draft
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extract import extract_blob
from samovar.corpus.extracted import Extracted
from samovar.corpus.identify import clean_language
from samovar.corpus.inputs.wikitext import read_wikitext
from samovar.corpus.job import Job
from samovar.corpus.licences import clean_licence
from samovar.corpus.limits import Limits
from samovar.corpus.readers.html import decode_html, draft_page
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.repair import Repair, RepairOptions
from samovar.errors import ExtractionError

STAGE = "extract"
DECLARED_LANGUAGE = "declared_language"
"""Key of `Item.metadata` for what the record says its language is; the language stage takes it out again."""

_PLAIN_HOST = re.compile(
    r"https?://([A-Za-z0-9.-]+)(?::\d*)?(?:[/?#]|\Z)"
)  # ten times as fast as taking the whole address apart

Result = Item | tuple[str, str, str]  # or a refusal: uri, reason, value


class SourceFacts(Protocol):
    """What extraction wants to know about the recipe's source; `samovar.corpus.inputs.source.SourceSpec` is one."""

    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def publisher(self) -> str: ...


class ExtractOptions(StageOptions):
    """`pages`: ``main`` takes the main content of a page, ``whole`` everything but navigation, ``auto`` the first for addresses of the
    web and the second for anything else. Texts of more than `max_chars` characters are dropped."""

    pages: Literal["auto", "main", "whole"] = "auto"
    max_chars: int = Field(5_000_000, ge=1)


class Extract:
    """The first stage. `clean` is set when no repair stage follows: then texts are cleaned here, but not repaired."""

    name = STAGE

    def __init__(self, source: SourceFacts, options: ExtractOptions | None = None, *, clean: bool = False) -> None:
        self._source = source
        self._options = options or ExtractOptions()
        self._limits = Limits(max_text_chars=self._options.max_chars)
        self._clean = Repair(RepairOptions(mojibake=False)) if clean else None

    def items(self, records: Iterable[Record], notes: Notes) -> Iterator[Item]:
        """Yield the items of the records, in order; each record gives an item or a dropped row, an archive or a table several."""
        for record in records:
            yield from self.extract(record, notes)

    def extract(self, record: Record, notes: Notes) -> list[Item]:
        """Return the items of one record, its refusals noted; never raises for what the record holds."""
        items = []
        found: list[Result]
        if record.fault:
            notes.drop(record.uri, STAGE, *record.fault)
            return []
        try:
            found = list(self._open(record, notes))
        except ExtractionError as error:
            found = [(record.uri, error.reason, error.value)]
        except MemoryError as error:
            found = [(record.uri, "memory", str(error))]
        except Exception as error:  # whatever a hostile page provokes is one row
            found = [(record.uri, "damaged", f"{type(error).__name__}: {error}")]
        for one in found:
            if isinstance(one, Item):
                if self._accepts(one, notes):
                    items.append(one)
            else:
                uri, reason, value = one
                notes.drop(uri, STAGE, reason, value)
        if not found:
            notes.drop(record.uri, STAGE, "empty", 0)
        return self._clean.apply(items, notes) if self._clean else items

    def _accepts(self, item: Item, notes: Notes) -> bool:
        if len(item.text) > self._options.max_chars:
            notes.drop(item.uri, STAGE, "too_long", len(item.text))
        elif not item.text or item.text.isspace():
            notes.drop(item.uri, STAGE, "empty", 0)
        else:
            return True
        return False

    def _open(self, record: Record, notes: Notes) -> Iterator[Result]:
        if record.kind == "file":
            yield from self._open_file(record, notes)
            return
        if record.kind == "html":
            draft = self._open_page(record)
        else:
            text, encoding = (record.data, "utf-8") if isinstance(record.data, str) else decode_bytes(record.data)
            if record.kind == "wikitext":
                text = read_wikitext(text, record.declared)
            draft = Draft(record.uri, text, changed=() if encoding == "utf-8" else (("encoding", encoding),))
        for reason, value in draft.changed:
            notes.change(record.uri, STAGE, reason, value)
        yield self._make(record, draft)

    def _open_page(self, record: Record) -> Draft:
        raw = b""
        if isinstance(record.data, str):
            html, encoding = record.data, "utf-8"
        else:
            html, encoding = decode_html(record.data, record.declared.get("charset", ""))
            raw = record.data if encoding == "utf-8" else b""
        if "\0" in html:
            html = html.replace("\0", "")
        pages = self._options.pages
        open_web = pages == "main" or (pages == "auto" and record.uri.startswith(("http://", "https://")))
        changed = () if encoding == "utf-8" else (("encoding", encoding),)
        name = _name(record.uri)
        return draft_page(html, record.uri, open_web=open_web, fallback_title=name, changed=changed, raw=raw)

    def _open_file(self, record: Record, notes: Notes) -> Iterator[Result]:
        data = record.data.encode("utf-8") if isinstance(record.data, str) else record.data
        blob = Blob.from_bytes(data, record.uri, record.declared.get("name", "") or _file_name(record.uri))
        for found in extract_blob(blob, Job(self._limits)):
            if isinstance(found, Extracted):
                for row in found.rows():
                    notes.change(row.uri, STAGE, row.reason, row.value)
                yield self._make(record, _as_draft(found))
            elif isinstance(found, LedgerRow) and found.decision == "dropped":
                yield found.uri, found.reason, found.value
            else:
                notes.change(found.uri, STAGE, found.reason, found.value)

    def _make(self, record: Record, draft: Draft) -> Item:
        """What the text says about itself goes before what its container says, and that before what holds for the source."""
        declared, source = record.declared, self._source
        metadata = {key: line for key, value in draft.metadata.items() if (line := clean_line(value))}
        author = clean_line(declared.get("author", ""))
        if author:
            metadata.setdefault("author", author)
        for key in ("fetched",):  # when a page was fetched
            if value := clean_line(declared.get(key, "")):
                metadata.setdefault(key, value)
        language = _clean_language(draft.language) or _clean_language(declared.get("language", "") or source.language)
        if language:
            metadata[DECLARED_LANGUAGE] = language
        return Item(
            ordinal=record.ordinal,
            uri=draft.uri,
            text=draft.text,
            title=clean_line(draft.title or declared.get("title", "") or draft.fallback_title),
            host=find_host(record.uri) or source.name,
            published=clean_date(draft.published) or clean_date(declared.get("published", "")),
            publisher=_clean_common(draft.publisher or declared.get("publisher", "") or source.publisher),
            origin=_clean_common(_known(draft.origin, declared.get("origin", ""), source.origin)),
            licence=_clean_licence(_known(draft.licence, declared.get("licence", ""), source.licence)),
            metadata=metadata,
        )


def find_host(uri: str) -> str:
    """Return the domain of an address in lower case, without ``www.``; empty when there is none."""
    if not uri.startswith(("http://", "https://")):
        return ""
    if plain := _PLAIN_HOST.match(uri):
        return plain.group(1).lower().removeprefix("www.").rstrip(".")
    try:
        host = urlsplit(uri).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.").rstrip(".")


_clean_common = lru_cache(1024)(clean_line)  # what most records of a source have in common
_clean_language = lru_cache(1024)(clean_language)


@lru_cache(1024)
def _clean_licence(text: str) -> str:
    return clean_licence(clean_line(text))


def _known(*values: str) -> str:
    return next((value for value in values if value and value != UNKNOWN), UNKNOWN)


def _as_draft(found: Extracted) -> Draft:
    return Draft(
        found.uri,
        found.text,
        title=found.title,
        language="" if found.language == "und" else found.language,
        published=found.published,
        publisher=found.publisher,
        origin=found.origin,
        licence=found.licence,
        metadata=found.metadata,
    )


def _name(uri: str) -> str:
    """Return the last part of an address without its ending."""
    name = _file_name(uri)
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def _file_name(uri: str) -> str:
    """Return the last part of a path or an address, without what follows ``?`` or ``#``."""
    if uri.startswith(("http://", "https://")):
        uri = unquote(uri.partition("?")[0].partition("#")[0]).partition("://")[2]
    return uri.rstrip("/").rpartition("/")[2]
