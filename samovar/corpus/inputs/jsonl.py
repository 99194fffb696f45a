"""JSON Lines, plain, gzip, bzip2 or zstd: every line is a record, every line that is no object a faulty one.

Plain UTF-8 files are cut by bytes, a line belonging to the range in which it begins; others are read whole, because
nothing in them shows where a line begins. Numbers stay text: nothing is computed with them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from samovar.corpus.build.item import Record, Split
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.inputs.codecs import find_codec
from samovar.corpus.inputs.feed import Feed
from samovar.corpus.inputs.places import Place, open_place
from samovar.corpus.inputs.rows import PROBE_ROWS, Columns, Number, choose_columns, make_record
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import make_split, record_limit, split_bytes_of
from samovar.corpus.inputs.streams import open_units
from samovar.corpus.inputs.window import BLOCK_BYTES, Window

Begin = Callable[[int, str], None]

_PROBE_BYTES = 16 * 2**20  # of the rows that the columns are chosen from
_BLANK = b" \t\r\n\0"
_BOM = b"\xef\xbb\xbf"


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut plain files by bytes; what is compressed or of wide characters is one split."""
    splits: list[Split] = []
    for place in places:
        if place.fault is None and _can_cut(place):
            splits += split_bytes_of(source, [place], split_bytes)
        else:
            splits.append(make_split(source, place, num_bytes=place.num_bytes))
    return splits


def _can_cut(place: Place) -> bool:
    with open_place(place.place) as file:
        head = file.read(8192)
    return find_codec(head) is None and _name_encoding(head)[:6] not in ("utf-16", "utf-32")


def _name_encoding(head: bytes) -> str:
    return decode_bytes(head)[1].rpartition("+")[2]


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the rows of a byte range; see `samovar.corpus.inputs.plan.open_split`."""
    limit = record_limit(split)
    name = split.options.get("name", split.place)
    with open_place(split.place, split.options.get("stamp", "")) as file:
        window = Window(file)
        encoding, columns = _probe(window, split, limit)
        ordinal = 0
        for unit in open_units(window, split.start, split.end, _never, _find_line):
            base = unit.offset if unit.stop is not None else 0
            for offset, line in _read_lines(Feed(unit), encoding, limit):
                if line is not None and not line.strip(_BLANK):
                    continue
                at = f"{name}#byte={base + offset}"
                begin(ordinal, at)
                if ordinal in skip:
                    yield Record(ordinal, at, "text", fault=("poison", ""))
                elif line is None:
                    yield Record(ordinal, at, "text", fault=("too_large", f"more than {limit} bytes"))
                else:
                    yield _parse_line(ordinal, line, encoding, columns, at, limit)
                ordinal += 1
            if unit.fault is not None:
                yield Record(ordinal, f"{name}@{unit.offset}", "text", fault=unit.fault)
                ordinal += 1


def _never(head: bytes) -> bool:
    return False


def _find_line(window: Window, start: int, end: int) -> int:
    found = window.find(b"\n", start - 1, window.size)
    return found + 1 if 0 <= found < end - 1 else -1


def _probe(window: Window, split: Split, limit: int) -> tuple[str, Columns]:
    """Return the encoding of the file and its columns, from its beginning."""
    rows: list[dict[str, Any]] = []
    encoding = ""
    for unit in open_units(window, 0, 0, _never, _find_line):
        feed = Feed(unit)
        encoding = _name_encoding(feed.peek(BLOCK_BYTES))
        for number, (_, line) in enumerate(_read_lines(feed, encoding, limit)):
            if number >= PROBE_ROWS or (rows and feed.position > _PROBE_BYTES):
                break
            row = _load(line, encoding) if line else None
            if isinstance(row, dict):
                rows.append(row)
        break
    return encoding, choose_columns(split, (key for row in rows for key in row), rows)


def _read_lines(feed: Feed, encoding: str, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield every line with its offset; None for one longer than the limit."""
    wide = {"utf-16": 2, "utf-32": 4}.get(encoding[:6], 1)
    newline = "\n".encode(encoding) if wide > 1 else b"\n"
    while not feed.past and feed.peek(1):
        offset = feed.position
        length = feed.find(newline, limit)
        while length >= 0 and length % wide:  # half of another character
            more = feed.peek(length + limit)[length + 1 :].find(newline)
            length = length + 1 + more if more >= 0 else -1
        if length >= 0:
            yield offset, feed.take(length + wide)
        elif len(line := feed.take(limit)) < limit:
            yield offset, line
        else:
            while (length := feed.find(newline, BLOCK_BYTES)) < 0 and feed.skip(BLOCK_BYTES) == BLOCK_BYTES:
                pass
            feed.skip(length + wide if length >= 0 else 0)
            yield offset, None


def _load(line: bytes, encoding: str) -> Any:
    """Return the value of a line; an exception when it has none (a value: the caller reports it)."""
    try:
        text = _decode(line.removeprefix(_BOM), encoding).strip("\ufeff \t\r\n\0")
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError) as error:
        return error


def _decode(line: bytes, encoding: str) -> str:
    """Decode a line: one bad line makes the others nothing else than the UTF-8 they are."""
    if encoding[:6] not in ("utf-16", "utf-32"):
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return line.decode(encoding or "utf-8", "replace")


def _parse_line(ordinal: int, line: bytes, encoding: str, columns: Columns, at: str, limit: int) -> Record:
    row = _load(line, encoding)
    if isinstance(row, RecursionError):
        return Record(ordinal, at, "text", fault=("too_deep", "JSON"))
    if isinstance(row, ValueError):
        return Record(ordinal, at, "text", fault=("bad_json", str(row)))
    if not isinstance(row, dict):
        return Record(ordinal, at, "text", fault=("bad_json", f"expected an object, found {type(row).__name__}"))
    return make_record(ordinal, row, columns, at, limit)
