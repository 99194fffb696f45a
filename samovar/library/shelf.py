"""Pages of a library for people: filtered lists with totals, ledger pages, counts, the passages of a stretch of a text.

    with browsing(library, Sight("user:", "user:7")) as shelf:
        page = shelf.documents(text="гоголь", limit=50)

Everything is read in one snapshot over a connection of its own, so a slow page holds up neither searches nor the writer. Collections out of
sight leave no trace: not in lists, totals, counts or the ledger. `samovar.library.browse` has the cursor pages that programs walk.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from samovar.corpus.document import Decision, Document, LedgerRow
from samovar.errors import NotFoundError
from samovar.library.browse import EVERYTHING, Sight
from samovar.library.rows import HEAD, HEAD_COLUMNS, Row, make_head

if TYPE_CHECKING:
    from samovar.library.reader import Reader
    from samovar.library.store import Library

FIELDS = ("source", "language", "licence", "origin", "publisher")
"""What documents are counted and filtered by."""

MOST_WORDS = 12
MOST_OVERLAPPING = (
    16  # passages over one character; by the default lengths there are two. Starts are indexed, ends are not
)
MOST_KNOWN = 64  # remembered counts: a few kilobytes each
Answer = TypeVar("Answer")
_known: OrderedDict[tuple[object, ...], Any] = OrderedDict()
_guard = threading.Lock()
_MARKS = re.compile("[\u0300-\u036f]+")  # combining diacritical marks


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Heads (text = "") in the order asked for; `total` counts all that fit the filters, shown or not."""

    documents: tuple[Document, ...]
    total: int


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Rows with their numbers, the newest first; `next` is the number to go on before, 0 at the end."""

    rows: tuple[tuple[int, LedgerRow], ...]
    next: int = 0


@dataclass(frozen=True, slots=True)
class DocumentSize:
    """A document's head with its lengths; `first_passage` is the id of its first passage (they are consecutive)."""

    head: Document
    num_characters: int
    num_passages: int
    first_passage: int


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """Where a passage lies; `number` counts the document's passages from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is to see. Every `by_` maps a value to its number of documents, the largest first; `by_year` maps ISO years, ascending,
    with "" for documents without a date; `ledger` maps decisions to rows."""

    num_documents: int
    num_passages: int
    num_characters: int
    by_source: Mapping[str, int] = field(default_factory=dict)
    by_language: Mapping[str, int] = field(default_factory=dict)
    by_licence: Mapping[str, int] = field(default_factory=dict)
    by_origin: Mapping[str, int] = field(default_factory=dict)
    by_publisher: Mapping[str, int] = field(default_factory=dict)
    by_year: Mapping[str, int] = field(default_factory=dict)
    first_added: str = ""
    last_added: str = ""
    ledger: Mapping[str, int] = field(default_factory=dict)


def fold(text: str) -> str:
    """Return a text as it is compared in lists: without case and without diacritical marks, in any script.

    >>> fold("Ёлка Café")
    'елка cafe'
    """
    if text.isascii():
        return text.lower()
    # a pattern is five times as fast as str.translate here
    return _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))


class Shelf:
    """One view of a library, with the collections in sight. Make it with `browsing`."""

    def __init__(self, reader: Reader, sight: Sight = EVERYTHING) -> None:
        self._reader = reader
        self._sight = sight

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return self._reader._rows(statement, *values)

    def _in_sight(self, column: str) -> tuple[list[str], list[object]]:
        condition, values = self._sight.condition(column)
        return [condition], list(values)

    # -- documents ----------------------------------------------------------------------------------------------------
    def documents(
        self,
        *,
        filters: Mapping[str, str] | None = None,
        text: str = "",
        limit: int = 50,
        offset: int = 0,
        newest_first: bool = True,
    ) -> DocumentPage:
        """Return a page of documents. `filters` maps names of `FIELDS` to a value; every word of `text` must stand in title or address.

        Raises:
            KeyError: a filter that does not exist.
        """
        conditions, values = self._in_sight("d.source")
        for name, value in (filters or {}).items():
            if name not in FIELDS:
                raise KeyError(name)
            conditions.append(f"d.{name} = ?")
            values.append(value)
        order = "DESC" if newest_first else "ASC"
        rows = f"FROM documents d WHERE {' AND '.join(conditions + self._has_words(text, 'd.title, d.uri'))}"
        if not text.strip():
            total = int(self._rows(f"SELECT count(*) {rows}", values)[0][0])
            page = f"SELECT {HEAD} {rows} ORDER BY d.number {order} LIMIT {limit:d} OFFSET {max(0, offset):d}"
            return DocumentPage(tuple(make_head(row) for row in self._rows(page, values)), total)
        numbers = [row[0] for row in self._rows(f"SELECT d.number {rows} ORDER BY d.number {order}", values)]
        shown = json.dumps(numbers[max(0, offset) : max(0, offset) + limit])
        found = self._rows(
            f"SELECT {HEAD} FROM documents d WHERE d.number IN (SELECT value FROM json_each(?)) ORDER BY d.number {order}",
            [shown],
        )
        return DocumentPage(tuple(make_head(row) for row in found), len(numbers))

    def _has_words(self, text: str, columns: str) -> list[str]:
        """The condition for "every word stands somewhere in these columns": one call of Python for a row, whatever the number of words."""
        words = fold(text).split()[:MOST_WORDS]
        if not words:
            return []

        def has_words(*parts: str) -> bool:
            folded = fold(" ".join(parts))
            return all(word in folded for word in words)

        self._reader._connection.create_function("has_words", -1, has_words, deterministic=True)
        return [f"has_words({columns})"]

    def document(self, document_id: str) -> DocumentSize:
        """Return one document's head and lengths.

        Raises:
            NotFoundError: there is none, or it is out of sight.
        """
        conditions, values = self._in_sight("d.source")
        where = " AND ".join([*conditions, "d.id = ?"])
        columns = f"{HEAD}, d.num_characters, d.num_passages, d.first_passage"
        rows = self._rows(f"SELECT {columns} FROM documents d WHERE {where}", [*values, document_id])
        if not rows:
            raise NotFoundError("there is no such document: it may have been replaced or removed since.")
        characters, passages, first = rows[0][HEAD_COLUMNS:]
        return DocumentSize(make_head(rows[0]), int(characters), int(passages), int(first))

    def spans(self, document_id: str, start: int, end: int) -> list[PassageSpan]:
        """Return the passages that lie in or reach into ``text[start:end]``, in order."""
        rows = self._rows(
            "SELECT p.id - d.first_passage + 1, p.start, p.end FROM documents d JOIN passages p ON p.document = d.number "
            "WHERE d.id = ? AND p.start < ? AND p.end > ? AND p.start >= coalesce((SELECT q.start FROM passages q WHERE "
            f"q.document = d.number AND q.start <= ? ORDER BY q.start DESC LIMIT 1 OFFSET {MOST_OVERLAPPING}), 0) "
            "ORDER BY p.start",
            [document_id, end, start, start],
        )
        return [PassageSpan(*row) for row in rows]

    def text(self, document_id: str, start: int, end: int) -> str:
        """Return ``text[start:end]`` of a document (offsets as `Library.texts` wants them)."""
        return self._reader.texts([(document_id, start, end)])[0]

    # -- ledger -------------------------------------------------------------------------------------------------------
    def ledger(
        self,
        *,
        decision: Decision | None = None,
        source: str = "",
        reason: str = "",
        text: str = "",
        before: int = 0,
        limit: int = 50,
    ) -> LedgerPage:
        """Return a page of the ledger, the newest rows first; every word of `text` must stand in the address."""
        conditions, values = self._in_sight("source")
        for name, value in (("decision", decision), ("source", source), ("reason", reason)):
            if value:
                conditions.append(f"{name} = ?")
                values.append(value)
        conditions += self._has_words(text, "uri")
        if before:
            conditions.append("id < ?")
            values.append(before)
        columns = "id, uri, stage, decision, reason, value, at, source"
        where = " AND ".join(conditions)
        rows = self._rows(f"SELECT {columns} FROM ledger WHERE {where} ORDER BY id DESC LIMIT {limit + 1:d}", values)
        shown = tuple((int(row[0]), LedgerRow(*row[1:])) for row in rows[:limit])
        return LedgerPage(shown, shown[-1][0] if len(rows) > limit else 0)

    # -- counts -------------------------------------------------------------------------------------------------------
    def counts(self) -> Counts:
        """Return the counts of all that is in sight: a scan of the heads (0.4 s for 200,000), remembered until something changes."""
        return self._remembered("counts", self._counts)

    def _remembered(self, name: str, compute: Callable[[], Answer]) -> Answer:
        """What `compute` returned for this state of this library and this sight, if that is known."""
        newest = self._rows("SELECT max(id) FROM ledger")[0][0]
        key = (name, self._reader.identity, self._reader.version, newest, self._sight)
        with _guard:
            if key in _known:
                _known.move_to_end(key)
                return _known[key]  # type: ignore[no-any-return]
        answer = compute()
        with _guard:
            _known[key] = answer
            while len(_known) > MOST_KNOWN:
                _known.popitem(last=False)
        return answer

    def _counts(self) -> Counts:
        conditions, values = self._in_sight("source")
        where = " AND ".join(conditions)
        total = self._rows(
            "SELECT count(*), total(num_passages), total(num_characters), min(added_at), max(added_at) "
            f"FROM documents WHERE {where}",
            values,
        )[0]
        return Counts(
            num_documents=int(total[0]),
            num_passages=int(total[1]),
            num_characters=int(total[2]),
            **{f"by_{name}": self._count("documents", name, where, values) for name in FIELDS},
            by_year=dict(
                self._rows(
                    f"SELECT substr(published, 1, 4) AS year, count(*) FROM documents WHERE {where} GROUP BY year ORDER BY year",
                    values,
                )
            ),
            first_added=total[3] or "",
            last_added=total[4] or "",
            ledger=self._count("ledger", "decision", where, values),
        )

    def metadata_values(self, name: str, separator: str = ";") -> Mapping[str, int]:
        """Return the values under one name of the documents' metadata with their numbers of documents; a document may have several."""
        return self._remembered(f"metadata {separator}{name}", lambda: self._metadata_values(name, separator))

    def _metadata_values(self, name: str, separator: str) -> Mapping[str, int]:
        conditions, values = self._in_sight("source")
        where = " AND ".join(conditions)
        statement = f"SELECT json_extract(metadata, ?), count(*) FROM documents WHERE {where} GROUP BY 1"
        counts: dict[str, int] = {}
        for found, number in self._rows(statement, [f'$."{name}"', *values]):
            for value in {part.strip() for part in str(found or "").split(separator)} - {""}:
                counts[value] = counts.get(value, 0) + number
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def reasons(self) -> Mapping[str, int]:
        """Return the reasons in the ledger with their numbers of rows, the most frequent first."""
        return self._remembered("reasons", self._reasons)

    def _reasons(self) -> Mapping[str, int]:
        conditions, values = self._in_sight("source")
        return self._count("ledger", "reason", " AND ".join(conditions), values)

    def _count(self, table: str, column: str, where: str, values: Sequence[object]) -> Mapping[str, int]:
        statement = (
            f"SELECT {column}, count(*) FROM {table} WHERE {where} GROUP BY {column} ORDER BY count(*) DESC, {column}"
        )
        return dict(self._rows(statement, values))


@contextmanager
def browsing(library: Library, sight: Sight = EVERYTHING) -> Iterator[Shelf]:
    """Yield a `Shelf` over one version of the library (blocking)."""
    with library.snapshot() as view:
        yield Shelf(view, sight)
