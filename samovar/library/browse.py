"""Pages of the library for readers who may not see all of it: documents and ledger rows, newest first, with collections hidden by prefix.

A page is one statement that walks an index backwards from a cursor, so a deep page costs what the first one does; only the search in titles
(which must fold the case of every script) looks at the rows in Python. Knows nothing about who asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from samovar.corpus.document import Decision, Document, LedgerRow
from samovar.library.addresses import inside_condition, prefix_condition
from samovar.library.reader import Reader
from samovar.library.rows import HEAD, make_head

PAGE_ROWS = 500
NEWEST = 2**62


@dataclass(frozen=True, slots=True)
class Sight:
    """What may be seen: everything but the collections whose name begins with `hidden_prefix`, and of these the one called `own`."""

    hidden_prefix: str = ""
    own: str = ""

    def condition(self, column: str) -> tuple[str, list[str]]:
        """Return an SQL condition with its values."""
        if not self.hidden_prefix:
            return "1", []
        hidden, bounds = prefix_condition(column, [self.hidden_prefix])
        return f"(NOT {hidden} OR {column} = ?)", [*bounds, self.own]

    def sees(self, source: str) -> bool:
        """Whether a collection may be seen."""
        return not self.hidden_prefix or not source.startswith(self.hidden_prefix) or source == self.own


EVERYTHING = Sight()


@dataclass(frozen=True, slots=True)
class Listed:
    """A document's head (text "") with its place in the order of adding and its sizes."""

    number: int
    document: Document
    num_characters: int
    num_passages: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """A ledger row with its place in the order of writing."""

    number: int
    row: LedgerRow


def find_listed(reader: Reader, document_id: str) -> Listed | None:
    """Return one document's head and sizes, None when there is no such document."""
    found = _listed(reader, "d.id = ?", [document_id], 1)
    return found[0] if found else None


def list_documents(
    reader: Reader,
    sight: Sight = EVERYTHING,
    *,
    source: str = "",
    language: str = "",
    title: str = "",
    before: int = NEWEST,
    limit: int = 50,
) -> list[Listed]:
    """Return up to `limit` documents added before the one numbered `before`, newest first; empty filters take everything.

    `title` is searched anywhere in the title, whatever the case.
    """
    where, values = _document_condition(sight, source, language)
    if not title:
        return _listed(reader, f"{where} AND d.number < ?", [*values, before], limit)
    numbers = list(_with_title(reader, where, values, title.casefold(), before, limit))
    marks = ",".join("?" * len(numbers))
    return _listed(reader, f"d.number IN ({marks})", numbers, limit) if numbers else []


def list_spans(reader: Reader, document_id: str, *, offset: int = 0, limit: int = 50) -> list[tuple[int, int]]:
    """Return the (start, end) of up to `limit` passages of a document in text order, after the first `offset`; no texts are read."""
    rows = reader._rows(
        "SELECT p.start, p.end FROM documents d JOIN passages p ON p.document = d.number WHERE d.id = ? "
        f"ORDER BY p.start LIMIT {limit:d} OFFSET {offset:d}",
        document_id,
    )
    return [(row[0], row[1]) for row in rows]


def count_documents(reader: Reader, sight: Sight = EVERYTHING, *, source: str = "", language: str = "") -> int:
    """Return how many documents `list_documents` would list in all (without a title)."""
    where, values = _document_condition(sight, source, language)
    return int(reader._rows(f"SELECT count(*) FROM documents d WHERE {where}", *values)[0][0])


def list_rows(
    reader: Reader,
    sight: Sight = EVERYTHING,
    *,
    uri: str = "",
    source: str = "",
    decision: Decision | None = None,
    reason: str = "",
    stage: str = "",
    before: int = NEWEST,
    limit: int = 50,
) -> list[Numbered]:
    """Return up to `limit` ledger rows written before the one numbered `before`, newest first. `uri` also finds what lies in it."""
    seen, values = sight.condition("source")
    filters = {"source": source, "decision": decision or "", "reason": reason, "stage": stage}
    conditions = [seen, *(f"{name} = ?" for name, value in filters.items() if value)]
    values += [value for value in filters.values() if value]
    if uri:
        inside, bounds = inside_condition(uri)
        conditions.append(inside)
        values += bounds
    rows = reader._rows(
        "SELECT id, uri, stage, decision, reason, value, at, source FROM ledger "
        f"WHERE {' AND '.join(conditions)} AND id < ? ORDER BY id DESC LIMIT {limit:d}",
        *values,
        before,
    )
    return [Numbered(row[0], LedgerRow(*row[1:])) for row in rows]


def count_by(reader: Reader, column: str, sight: Sight = EVERYTHING) -> dict[str, int]:
    """Return the number of documents by `source`, `language`, `licence`, `origin` or `publisher`, or by the year of `published`."""
    expressions = {name: name for name in ("source", "language", "licence", "origin", "publisher")}
    expression = {**expressions, "published": "substr(published, 1, 4)"}[column]
    where, values = sight.condition("source")
    return dict(
        reader._rows(
            f"SELECT {expression}, count(*) FROM documents WHERE {where} GROUP BY 1 ORDER BY count(*) DESC, 1", *values
        )
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the documents that may be seen. Dates are ISO, empty where there are none."""

    num_documents: int
    num_passages: int
    num_characters: int
    first_added: str
    last_added: str
    earliest_published: str
    latest_published: str


def sum_documents(reader: Reader, sight: Sight = EVERYTHING) -> Totals:
    """Return the sums (a scan of the heads)."""
    where, values = sight.condition("source")
    row = reader._rows(
        "SELECT count(*), total(num_passages), total(num_characters), min(added_at), max(added_at), "
        f"min(nullif(published, '')), max(published) FROM documents WHERE {where}",
        *values,
    )[0]
    return Totals(row[0], int(row[1]), int(row[2]), row[3] or "", row[4] or "", row[5] or "", row[6] or "")


def count_decisions(reader: Reader, sight: Sight = EVERYTHING) -> dict[str, int]:
    """Return the number of ledger rows by decision."""
    where, values = sight.condition("source")
    return dict(reader._rows(f"SELECT decision, count(*) FROM ledger WHERE {where} GROUP BY 1 ORDER BY 1", *values))


def _document_condition(sight: Sight, source: str, language: str) -> tuple[str, list[object]]:
    seen, values = sight.condition("d.source")
    filters = {"source": source, "language": language}
    conditions = [seen, *(f"d.{name} = ?" for name, value in filters.items() if value)]
    return " AND ".join(conditions), [*values, *(value for value in filters.values() if value)]


def _listed(reader: Reader, where: str, values: Sequence[object], limit: int) -> list[Listed]:
    rows = reader._rows(
        f"SELECT d.number, d.num_characters, d.num_passages, {HEAD} FROM documents d WHERE {where} "
        f"ORDER BY d.number DESC LIMIT {limit:d}",
        *values,
    )
    return [Listed(row[0], make_head(row[3:]), row[1], row[2]) for row in rows]


def _with_title(
    reader: Reader, where: str, values: Sequence[object], part: str, before: int, limit: int
) -> Iterator[int]:
    """Yield the numbers of documents whose title has this part (folded), newest first."""
    while limit > 0:
        rows = reader._rows(
            f"SELECT d.number, d.title FROM documents d WHERE {where} AND d.number < ? "
            f"ORDER BY d.number DESC LIMIT {PAGE_ROWS:d}",
            *values,
            before,
        )
        for number, title in rows:
            if part in title.casefold():
                yield number
                limit -= 1
                if limit == 0:
                    return
        if len(rows) < PAGE_ROWS:
            return
        before = rows[-1][0]
