"""MediaWiki XML dumps, plain or packed: every page of the wanted namespaces is a record of wikitext.

Pages are found by their tags, which cannot occur inside a text (there ``<`` is escaped), and parsed one by one: a broken
page costs one faulty record, and no entity can be defined, because no document type can stand inside a page.
Multistream dumps (bzip2 or zstd) are cut at the streams, plain ones at the pages; of a history the last revision counts.
Source: mediawiki.org, Help:Export, schema export-0.11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.parsers import expat

from samovar.corpus.build.item import Record, Split
from samovar.corpus.inputs.feed import Feed
from samovar.corpus.inputs.places import Place, open_place
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import record_limit, split_bytes_of
from samovar.corpus.inputs.streams import AnyUnit, open_units
from samovar.corpus.inputs.wikitext import pack_hidden
from samovar.corpus.inputs.window import BLOCK_BYTES, Window

Begin = Callable[[int, str], None]

_OPEN, _CLOSE = b"<page>", b"</page>"
_SITE_CLOSE = b"</siteinfo>"
_MAX_SITE = 2**20
_HIDDEN = ("-2", "6", "14")  # media, files, categories
_URL_SAFE = "/:,;@!$()*~'"
_FIELDS = frozenset(("title", "ns", "timestamp", "text", "model"))


@dataclass(slots=True)
class Site:
    """What a dump says about its wiki."""

    name: str = ""
    base: str = ""
    language: str = ""
    namespaces: dict[str, str] = field(default_factory=dict)

    def address(self, title: str) -> str:
        """Return the address of a page; empty when the dump does not say where its wiki is."""
        root = self.base.rpartition("/")[0]
        return f"{root}/{quote(title.replace(' ', '_'), safe=_URL_SAFE)}" if root else ""

    def declared(self) -> dict[str, str]:
        """Return what holds for every page."""
        hidden = [self.namespaces[key] for key in _HIDDEN if key in self.namespaces]
        values = {"language": self.language, "publisher": self.name, "hidden": pack_hidden(hidden) if hidden else ""}
        return {key: value for key, value in values.items() if value}


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut every file by bytes; in a file that is one stream, the first range holds everything."""
    return split_bytes_of(source, places, split_bytes)


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the pages of a byte range; see `samovar.corpus.inputs.plan.open_split`."""
    limit = record_limit(split)
    name = split.options.get("name", split.place)
    wanted = frozenset(split.options.get("namespaces", "0").split(","))
    with open_place(split.place, split.options.get("stamp", "")) as file:
        window = Window(file)
        site = _read_site(window)
        about = site.declared()
        ordinal = 0
        for unit in open_units(window, split.start, split.end, _is_start, _find_plain):
            for page, at, fault in _find_pages(unit, name, limit):
                begin(ordinal, at)
                parsed = _parse_page(page) if fault is None else fault
                if isinstance(parsed, dict) and (label := _classify(parsed, wanted)) is not None:
                    passed[label] += 1
                    continue
                if isinstance(parsed, dict):
                    uri = site.address(parsed["title"]) or f"{name}#{parsed['title']}"
                    begin(ordinal, uri)
                    poison = ordinal in skip
                    yield _make_record(ordinal, parsed, uri, {**about, "at": at}, poison)
                else:
                    yield Record(ordinal, at, "wikitext", fault=parsed)
                ordinal += 1
        if not ordinal and not split.start and not any(passed.values()) and not _is_dump(window):
            begin(0, name)
            yield Record(
                0, name, "wikitext", fault=("garbage" if window.size else "empty", "no page of a MediaWiki dump")
            )


def _is_dump(window: Window) -> bool:
    """Tell whether a file without pages begins like a dump, at least."""
    for unit in open_units(window, 0, 0, _is_start, _find_plain):
        return b"<mediawiki" in Feed(unit).peek(_MAX_SITE)
    return False


def _is_start(head: bytes) -> bool:
    return head.lstrip().startswith((_OPEN, b"<mediawiki", b"<?xml"))


def _find_plain(window: Window, start: int, end: int) -> int:
    return window.find(_OPEN, start, end)


def _read_site(window: Window) -> Site:
    """Read the beginning of the dump, where it describes its wiki."""
    for unit in open_units(window, 0, 0, _is_start, _find_plain):
        feed = Feed(unit)
        length = feed.find(_SITE_CLOSE, _MAX_SITE)
        return _parse_site(feed.take(length + len(_SITE_CLOSE))) if length >= 0 else Site()
    return Site()


def _parse_site(data: bytes) -> Site:
    site = Site()
    path: list[str] = []
    key: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        if name == "mediawiki":
            site.language = attributes.get("xml:lang", "")
        if name == "namespace":
            key[:] = [attributes.get("key", "")]

    def text(value: str) -> None:
        if path[-1:] == ["sitename"]:
            site.name += value
        elif path[-1:] == ["base"]:
            site.base += value
        elif path[-1:] == ["namespace"] and key:
            site.namespaces[key[0]] = site.namespaces.get(key[0], "") + value

    parser = _make_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: path.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(data, False)
    except (expat.ExpatError, _EntityError):
        return site
    return site


class _EntityError(Exception):
    """The dump defines entities."""


def _make_parser() -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise _EntityError

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _find_pages(unit: AnyUnit, name: str, limit: int) -> Iterator[tuple[bytes, str, tuple[str, str] | None]]:
    """Yield (page, where, fault) for every page of a unit, and for its break."""
    feed = Feed(unit)
    number = 0
    while _go_to_page(feed):
        if feed.past:
            return
        at = f"{name}@{unit.offset + feed.position}" if unit.stop is not None else f"{name}@{unit.offset}+{number}"
        number += 1
        length = feed.find(_CLOSE, limit)
        if length >= 0:
            page = feed.peek(length + len(_CLOSE))
            again = page.find(_OPEN, len(_OPEN))
            feed.skip(again if again > 0 else len(page))
            yield page, at, ("damaged", "a page inside a page") if again > 0 else None
            continue
        feed.skip(len(_OPEN))
        whole = len(feed.peek(limit)) >= limit
        _go_to_page(feed)
        if whole:
            yield b"", at, ("too_large", f"more than {limit} bytes")
        elif feed.peek(1):
            yield b"", at, ("damaged", "a page without an end")
        else:
            yield b"", at, unit.fault or ("truncated", "inside a page")
            return
    if unit.fault is not None:
        yield b"", f"{name}@{unit.offset}+{number}", unit.fault


def _go_to_page(feed: Feed) -> bool:
    """Go to the next page's beginning; False at the end of the unit."""
    while (ahead := feed.find(_OPEN, BLOCK_BYTES)) < 0:
        if feed.past or feed.skip(BLOCK_BYTES) < BLOCK_BYTES:
            return feed.past
    feed.skip(ahead)
    return True


def _parse_page(page: bytes) -> dict[str, str] | tuple[str, str]:
    """Return the fields of a page, those of its last revision; or why it cannot be parsed."""
    fields: dict[str, str] = {"title": "", "ns": "", "timestamp": "", "text": "", "model": "", "redirect": ""}
    pieces: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        pieces.clear()
        if name == "redirect":
            fields["redirect"] = attributes.get("title", "") or "?"

    def end(name: str) -> None:
        if name in _FIELDS:
            fields[name] = "".join(pieces)
        pieces.clear()

    parser = _make_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = pieces.append
    try:
        parser.Parse(page, True)
    except expat.ExpatError as error:
        return "damaged", f"XML: {error}"
    except _EntityError:
        return "xml_entities", "the page defines entities"
    return fields


def _classify(fields: dict[str, str], wanted: frozenset[str]) -> str | None:
    """Return the class under which a page is only counted; None for one that is wanted."""
    if (fields["ns"] or "0") not in wanted:
        return f"namespace {fields['ns']}"
    return f"model {fields['model']}" if fields["model"] not in ("", "wikitext") else None


def _make_record(ordinal: int, fields: dict[str, str], uri: str, declared: dict[str, str], poison: bool) -> Record:
    declared |= {"title": fields["title"], "published": fields["timestamp"][:10]}
    fault = None
    if poison:
        fault = ("poison", declared["at"])
    elif fields["redirect"]:
        fault = ("redirect", fields["redirect"])
    elif not fields["text"].strip():
        fault = ("empty", "0 characters")
    return Record(ordinal, uri, "wikitext", "" if fault else fields["text"], declared, fault)
