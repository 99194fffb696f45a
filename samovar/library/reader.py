"""Reading the store: documents, passages, changes, ledger, counts.

Each method is one statement (or one page of a walk), so what it returns comes from one version of the library; to see
the same version in several calls use `Library.snapshot`. Knows nothing about writing or ranking.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from samovar.corpus.document import Decision, Document, LedgerRow
from samovar.errors import LibraryError
from samovar.library.addresses import inside_condition
from samovar.library.passage import Passage
from samovar.library.records import Change, Input, LibraryInfo
from samovar.library.rows import HEAD, Row, join_rows, make_head, make_passage
from samovar.library.schema import translated

PAGE_ROWS = 500  # rows per page of a walk: a page of 500 heads takes about 2 ms, so a writer's log is never held up
TEXT_PAGE = 20  # documents with text per page


class Reader:
    """The reading half of `Library`. One connection, shared by the threads of a process under a lock."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self.path = path

    def _rows(self, statement: str, *values: object) -> list[Row]:
        with self._lock, translated(self.path):
            return self._connection.execute(statement, values).fetchall()

    # -- counts -----------------------------------------------------------------------------------------------------
    @property
    def version(self) -> int:
        """Number of committed changes to the documents so far; 0 for a new library."""
        return self._state("version")

    @property
    def identity(self) -> str:
        """A random name given when the library was made: an index of another library must not be followed, only
        rebuilt.
        """
        return self.meta("identity")

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return self._state("num_documents")

    @property
    def num_passages(self) -> int:
        """Number of passages."""
        return self._state("num_passages")

    def _state(self, column: str) -> int:
        return int(self._rows(f"SELECT {column} FROM state")[0][0])

    def meta(self, key: str) -> str:
        """Return a note kept beside the documents (e.g. the hash of the starter pack), or ""."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else ""

    # -- documents --------------------------------------------------------------------------------------------------
    def document(self, document_id: str) -> Document:
        """Return one document with its text.

        Raises:
            LibraryError: there is no such document.
        """
        found = self._documents_with_text("d.id = ?", document_id, limit=1)
        if not found:
            raise LibraryError(
                f"expected a document with id {document_id!r}, found none. `samovar library list` shows what there "
                "is; it may have been "
                "replaced or removed since."
            )
        return found[0][1]

    def _documents_with_text(self, where: str, *values: object, limit: int) -> list[tuple[int, Document]]:
        rows = self._rows(
            f"SELECT d.number, d.lead, p.start, p.text, {HEAD} FROM "
            f"(SELECT * FROM documents d WHERE {where} ORDER BY number LIMIT {limit:d}) d "
            "LEFT JOIN passages p ON p.document = d.number ORDER BY d.number, p.start",
            *values,
        )
        out: list[tuple[int, Document]] = []
        at = 0
        while at < len(rows):
            until = at + 1
            while until < len(rows) and rows[until][0] == rows[at][0]:
                until += 1
            text = rows[at][1] + join_rows([(row[2], row[3]) for row in rows[at:until] if row[2] is not None])
            out.append((rows[at][0], make_head(rows[at][4:], text)))
            at = until
        return out

    def documents(
        self,
        *,
        source: str | None = None,
        language: str | None = None,
        uri: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        with_text: bool = False,
    ) -> Iterator[Document]:
        """Yield documents in the order of adding, page by page; text is "" unless asked for.

        Documents added or removed during the walk may or may not be seen; use `Library.snapshot` for one fixed version.
        """
        filters = {"source": source, "language": language, "uri": uri}
        conditions = [f"d.{name} = ?" for name, value in filters.items() if value is not None]
        values = [value for value in filters.values() if value is not None]
        where = " AND ".join([*conditions, "d.number > ?"])
        last, left = self._skip(" AND ".join(conditions) or "1", values, offset), -1 if limit is None else limit
        while left != 0:
            page = min(TEXT_PAGE if with_text else PAGE_ROWS, left if left > 0 else PAGE_ROWS)
            found = self._page(where, [*values, last], page, with_text)
            for _, document in found:
                yield document
            last = found[-1][0] if found else last
            left -= len(found) if left > 0 else 0
            if len(found) < page:
                return

    def _skip(self, where: str, values: Sequence[object], offset: int) -> int:
        """Return the row number after which a walk with this offset starts."""
        if offset <= 0:
            return -1
        rows = self._rows(
            f"SELECT number FROM documents d WHERE {where} ORDER BY number LIMIT 1 OFFSET {offset - 1:d}", *values
        )
        return int(rows[0][0]) if rows else 2**62

    def _page(self, where: str, values: Sequence[object], page: int, with_text: bool) -> list[tuple[int, Document]]:
        if with_text:
            return self._documents_with_text(where, *values, limit=page)
        rows = self._rows(
            f"SELECT d.number, {HEAD} FROM documents d WHERE {where} ORDER BY d.number LIMIT {page:d}", *values
        )
        return [(row[0], make_head(row[1:])) for row in rows]

    def document_heads(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return documents by id without their texts (text = ""); unknown ids are left out."""
        rows = self._rows(
            f"SELECT {HEAD} FROM documents d WHERE d.id IN (SELECT value FROM json_each(?))", json.dumps(list(ids))
        )
        return {row[0]: make_head(row) for row in rows}

    def texts(self, spans: Sequence[tuple[str, int, int]]) -> list[str]:
        """Return ``document.text[start:end]`` for each (document id, start, end), reading only the passages concerned.

        Raises:
            LibraryError: a document does not exist.
            ValueError: offsets are not ``0 <= start <= end <= len(text)``.
        """
        return [self._slice(*span) for span in spans]

    def _slice(self, document_id: str, start: int, end: int) -> str:
        rows = self._rows(
            "SELECT d.num_characters, d.lead, p.start, p.text FROM documents d LEFT JOIN passages p ON p.document = "
            "d.number "
            "AND p.start < ? AND p.start >= coalesce("
            "(SELECT max(q.start) FROM passages q WHERE q.document = d.number AND q.start <= ?), 0) WHERE d.id = ? "
            "ORDER BY p.start",
            end,
            start,
            document_id,
        )
        if not rows:
            raise LibraryError(
                f"expected a document with id {document_id!r}, found none. It may have been replaced or removed since."
            )
        if not 0 <= start <= end <= rows[0][0]:
            raise ValueError(
                f"expected 0 <= start <= end <= {rows[0][0]} in document {document_id}, found {start}, {end}"
            )
        parts = [(row[2], row[3]) for row in rows if row[2] is not None]
        lead: str = rows[0][1]
        if start < len(lead) or not parts:
            return (lead + join_rows(parts))[start:end]
        base = parts[0][0]
        return join_rows(parts)[start - base : end - base]

    # -- passages ---------------------------------------------------------------------------------------------------
    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """Return passages by id; unknown ids are left out. The hot path of search: 200 passages take 1–2 ms."""
        rows = self._rows(
            "SELECT p.id, d.id, p.start, p.end, p.text FROM passages p JOIN documents d ON d.number = p.document "
            "WHERE p.id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        return {row[0]: make_passage(row) for row in rows}

    def passages_with_heads(self, ids: Sequence[int]) -> dict[int, tuple[Passage, Document]]:
        """Return passages with their documents (text = "") by passage id in one read; unknown ids are left out."""
        rows = self._rows(
            f"SELECT p.id, d.id, p.start, p.end, p.text, {HEAD} FROM passages p JOIN documents d ON d.number = p.document "
            "WHERE p.id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        heads: dict[str, Document] = {}
        found = {}
        for row in rows:
            head = heads.get(row[1])
            if head is None:
                head = heads[row[1]] = make_head(row[5:])
            found[row[0]] = (make_passage(row[:5]), head)
        return found

    def passages_of(self, document_id: str) -> list[Passage]:
        """Return the passages of a document in text order (none for an unknown document)."""
        rows = self._rows(
            "SELECT p.id, d.id, p.start, p.end, p.text FROM documents d JOIN passages p ON p.document = d.number "
            "WHERE d.id = ? ORDER BY p.start",
            document_id,
        )
        return [make_passage(row) for row in rows]

    # -- changes ----------------------------------------------------------------------------------------------------
    def changes(self, since: int, *, batch: int = 2000) -> Iterator[Change]:
        """Yield what an index stamped `since` must apply to reach the present version: removals first, then additions
        in order.

        ``changes(0)`` is everything there is, for an index that starts empty. The last change carries the present
        version and may have no passages (after removals only). Nothing is yielded when the index is up to date. See
        `Change` for stamping.
        """
        target = self.version
        if since >= target:
            return
        if since > 0:
            yield from self._removals(since, target, batch)
        after = 0
        while True:
            rows = self._rows(
                f"SELECT p.id, d.id, p.start, p.end, p.text, d.version, d.number, {HEAD} FROM passages p "
                "JOIN documents d ON d.number = p.document WHERE p.id >= ? AND d.version > ? AND d.version <= ? "
                "ORDER BY p.id LIMIT ?",
                after or self._first_passage_after(since),
                since,
                target,
                batch + 1,
            )
            more = len(rows) > batch
            # a version whose passages all came may be stamped; the one that the next row goes on with may not
            reached = (rows[batch][5] - 1) if more else target
            rows = rows[:batch]
            heads = {row[1]: row for row in rows}
            documents = {key: make_head(row[7:]) for key, row in heads.items()}
            yield Change(reached, "added", tuple(make_passage(row[:5]) for row in rows), documents)
            if not more:
                return
            after = rows[-1][0] + 1

    def _first_passage_after(self, since: int) -> int:
        """Return a passage id below which everything is of version `since` or older (passage ids rise with
        versions).
        """
        if since <= 0:
            return 1
        rows = self._rows("SELECT min(first_passage) FROM documents WHERE version > ?", since)
        return int(rows[0][0] or 2**62)

    def _removals(self, since: int, target: int, batch: int) -> Iterator[Change]:
        rows = self._rows(
            "SELECT document_id, source, uri, first_passage, num_passages FROM removals WHERE version > ? AND "
            "version <= ? ORDER BY rowid",
            since,
            target,
        )
        passages: list[Passage] = []
        heads: dict[str, Document] = {}
        for document_id, source, uri, first, count in rows:
            for number in range(first, first + count):
                passages.append(Passage(number, document_id, 0, 0, ""))
                heads[document_id] = Document(document_id, source, uri, "", "", "")
                if len(passages) == batch:
                    yield Change(since, "removed", tuple(passages), heads)
                    passages, heads = [], {}
        if passages:
            yield Change(since, "removed", tuple(passages), heads)

    # -- ledger, inputs, info ---------------------------------------------------------------------------------------
    def ledger(
        self,
        *,
        uri: str | None = None,
        source: str | None = None,
        decision: Decision | None = None,
        reason: str | None = None,
        stage: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[LedgerRow]:
        """Yield ledger rows, oldest first unless told otherwise. `uri` also finds what lies in that folder or
        archive.
        """
        filters = {"source": source, "decision": decision, "reason": reason, "stage": stage}
        conditions = [f"{name} = ?" for name, value in filters.items() if value is not None]
        values: list[object] = [value for value in filters.values() if value is not None]
        if uri is not None:
            inside, bounds = inside_condition(uri)
            conditions.append(inside)
            values.extend(bounds)
        where = " AND ".join([*conditions, "id < ?" if newest_first else "id > ?"])
        last, left, order = (
            2**62 if newest_first else 0,
            -1 if limit is None else limit,
            "DESC" if newest_first else "ASC",
        )
        columns = "id, uri, stage, decision, reason, value, at, source"
        while left != 0:
            page = min(PAGE_ROWS, left) if left > 0 else PAGE_ROWS
            rows = self._rows(
                f"SELECT {columns} FROM ledger WHERE {where} ORDER BY id {order} LIMIT {page:d}", *values, last
            )
            for row in rows:
                yield LedgerRow(*row[1:])
            if len(rows) < page:
                return
            last, left = rows[-1][0], left - len(rows) if left > 0 else left

    def newest_row(self, uri: str) -> LedgerRow | None:
        """Return the last thing that was written down about exactly this address."""
        rows = self._rows(
            "SELECT uri, stage, decision, reason, value, at, source FROM ledger WHERE uri = ? ORDER BY id DESC LIMIT 1",
            uri,
        )
        return LedgerRow(*rows[0]) if rows else None

    def inputs(self, *, uri: str | None = None) -> list[Input]:
        """Return what is known of the files and URLs that were read, all or those with this address."""
        where, values = ("uri = ?", [uri]) if uri is not None else ("1", [])
        rows = self._rows(
            "SELECT source, uri, size, mtime_ns, sha256, outcome, recipe, num_documents, at FROM inputs "
            f"WHERE {where} ORDER BY uri, source",
            *values,
        )
        return [Input(*row) for row in rows]

    def sources(self) -> list[str]:
        """Return the names of the collections that have documents (a walk over an index; much cheaper than `info`)."""
        return [str(row[0]) for row in self._rows("SELECT DISTINCT source FROM documents ORDER BY source")]

    def info(self) -> LibraryInfo:
        """Return counts by source, language, licence, origin and publisher, dates and sizes (a full scan of the
        heads).
        """
        version, num_documents, num_passages = self._rows("SELECT version, num_documents, num_passages FROM state")[0]
        dates = self._rows(
            "SELECT min(added_at), max(added_at), min(nullif(published, '')), max(published) FROM documents"
        )[0]
        characters, inputs = self._rows(
            "SELECT (SELECT total(num_characters) FROM documents), (SELECT count(*) FROM inputs)"
        )[0]
        size = sum(p.stat().st_size for s in ("", "-wal") if (p := Path(f"{self.path}{s}")).is_file())
        return LibraryInfo(
            version=version,
            num_documents=num_documents,
            num_passages=num_passages,
            num_characters=int(characters),
            size_bytes=size,
            by_source=self._counts("documents", "source"),
            by_language=self._counts("documents", "language"),
            by_licence=self._counts("documents", "licence"),
            by_origin=self._counts("documents", "origin"),
            by_publisher=self._counts("documents", "publisher"),
            first_added=dates[0] or "",
            last_added=dates[1] or "",
            earliest_published=dates[2] or "",
            latest_published=dates[3] or "",
            num_inputs=inputs,
            ledger=self._counts("ledger", "decision"),
            starter=dict(self._rows("SELECT substr(key, 9), value FROM meta WHERE key LIKE 'starter.%'")),
        )

    def _counts(self, table: str, column: str) -> Mapping[str, int]:
        return dict(
            self._rows(f"SELECT {column}, count(*) FROM {table} GROUP BY {column} ORDER BY count(*) DESC, {column}")
        )
