"""One transaction on the store: the single steps from which a `Writer` makes its changes, and the running counts.

Every step keeps the tables consistent with each other: passages with documents, tombstones for indexes that follow, a
ledger row for each document that comes or goes. Knows nothing about locks or files.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from samovar.corpus.document import Decision, Document, LedgerRow, utc_now
from samovar.errors import LibraryError
from samovar.library.addresses import inside_condition
from samovar.library.passages import Span
from samovar.library.records import STARTER_SOURCE, Input, PutResult
from samovar.library.rows import HEAD, Row, make_head
from samovar.library.splitting import Splitting, check_id

STAGE = "library"
"""The `stage` of the rows from which the library can be replayed (see `samovar.library.replay`)."""


@dataclass(slots=True)
class Tally:
    """The running counts of one transaction."""

    version: int
    documents: int
    passages: int
    next_passage: int
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    new_passages: int = 0

    @property
    def dirty(self) -> bool:
        return bool(self.added or self.replaced or self.removed)


class Edit:
    """The steps of one open transaction. Making it reads the state of the library, `finish` writes the new one."""

    def __init__(self, connection: sqlite3.Connection, splitting: Splitting) -> None:
        self.connection = connection
        self.splitting = splitting
        row = connection.execute("SELECT version, num_documents, num_passages, next_passage FROM state").fetchone()
        self.tally = Tally(row[0] + 1, *row[1:])

    def finish(self) -> None:
        """Write the counts, with the version raised, if documents changed."""
        tally = self.tally
        if tally.dirty:
            self.connection.execute(
                "UPDATE state SET version = ?, num_documents = ?, num_passages = ?, next_passage = ?",
                (tally.version, tally.documents, tally.passages, tally.next_passage),
            )

    @property
    def result(self) -> PutResult:
        """What was done so far."""
        t = self.tally
        version = t.version if t.dirty else t.version - 1
        return PutResult(version, t.added, t.replaced, t.unchanged, t.removed, t.new_passages)

    # -- documents --------------------------------------------------------------------------------------------------
    def find(self, where: str, *values: object) -> list[Row]:
        """Return the stored documents that fulfil a condition: number, input, split, passages, version, head."""
        return self.connection.execute(
            f"SELECT d.number, d.input, d.split, d.first_passage, d.num_passages, d.version, {HEAD} FROM documents d "
            f"WHERE {where}",
            values,
        ).fetchall()

    def put(self, document: Document, origin: str, run: int) -> None:
        """Add, replace or leave alone one document that was taken out of the input `origin`."""
        check_id(document)
        found = self.find("d.uri = ? AND d.source = ?", document.uri, document.source)
        if found and self._is_same(found[0], document):
            self.tally.unchanged += 1
            if run:
                self.connection.execute(
                    "UPDATE documents SET run = max(run, ?), input = ? WHERE number = ?", (run, origin, found[0][0])
                )
            return
        if found:
            self.delete(found[0], "", quiet=True)
            self.tally.replaced += 1
        else:
            self.tally.added += 1
        self.insert(document, origin, run, self.splitting.split(document), self.splitting.label)
        self.append([_row(document, "kept", "replaced" if found else "added")])

    def _is_same(self, row: Row, document: Document) -> bool:
        """Whether the stored document is this one: id, provenance and splitting; the time of adding does not count."""
        head = make_head(row[6:])
        return row[2] == self.splitting.label and head == replace(
            document, text="", added_at=head.added_at, metadata=_plain_metadata(document)
        )

    def insert(self, document: Document, origin: str, run: int, spans: Sequence[Span], split: str) -> None:
        """Store a document that is not there yet, with its passages; count it."""
        tally, text = self.tally, document.text
        try:
            cursor = self.connection.execute(
                "INSERT INTO documents (id, source, uri, title, language, published, publisher, origin, licence, "
                "added_at, metadata, "
                "input, split, run, version, num_characters, first_passage, num_passages, lead) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    document.id,
                    document.source,
                    document.uri,
                    document.title,
                    document.language,
                    document.published,
                    document.publisher,
                    document.origin,
                    document.licence,
                    document.added_at or utc_now(),
                    json.dumps(_plain_metadata(document), ensure_ascii=False),
                    origin,
                    split,
                    run,
                    tally.version,
                    len(text),
                    tally.next_passage,
                    len(spans),
                    text[: spans[0][0]] if spans else text,
                ),
            )
            self.connection.executemany(
                "INSERT INTO passages VALUES (?,?,?,?,?)",
                _passage_rows(text, spans, cursor.lastrowid or 0, tally.next_passage),
            )
        except UnicodeEncodeError as error:
            raise LibraryError(
                f"expected text that can be written as UTF-8 in {document.uri!r}, found a lone surrogate "
                f"({error.reason}). "
                "Clean the text before it is put into the library."
            ) from error
        tally.next_passage += len(spans)
        tally.new_passages += len(spans)
        tally.passages += len(spans)
        tally.documents += 1

    def delete(self, row: Row, reason: str, *, quiet: bool = False) -> tuple[Document, str]:
        """Delete one found document with its passages; leave a tombstone for indexes and (unless `quiet`) a ledger
        row.
        """
        number, origin, _, first, count, _ = row[:6]
        head, tally = make_head(row[6:]), self.tally
        self.connection.execute("DELETE FROM passages WHERE document = ?", (number,))
        self.connection.execute("DELETE FROM documents WHERE number = ?", (number,))
        self.connection.execute(
            "INSERT INTO removals VALUES (?,?,?,?,?,?)", (tally.version, head.id, head.source, head.uri, first, count)
        )
        tally.documents -= 1
        tally.passages -= count
        if not quiet:
            tally.removed += 1
            self.append([_row(head, "dropped", reason)])
        return head, origin

    def append(self, rows: Iterable[LedgerRow]) -> None:
        """Append to the ledger."""
        self.connection.executemany(
            "INSERT INTO ledger (uri, stage, decision, reason, value, at, source) VALUES (?,?,?,?,?,?,?)",
            ((r.uri, r.stage, r.decision, r.reason, r.value, r.at or utc_now(), r.source) for r in rows),
        )

    def sweep(self, record: Input, run: int) -> None:
        """Delete the documents of an input that no run from this one on has seen."""
        for row in self.find("d.input = ? AND d.source = ? AND d.run < ?", record.uri, record.source, run):
            self.delete(row, "vanished")

    # -- inputs and notes -------------------------------------------------------------------------------------------
    def note(self, record: Input) -> None:
        """Remember how an input was when it was read."""
        self.connection.execute(
            "INSERT OR REPLACE INTO inputs (uri, source, size, mtime_ns, sha256, outcome, recipe, num_documents, at) "
            "VALUES (?,?,?,?,?,?,?,?,?)",
            (
                record.uri,
                record.source,
                record.size,
                record.mtime_ns,
                record.sha256,
                record.outcome,
                record.recipe,
                record.num_documents,
                record.at or utc_now(),
            ),
        )

    def forget(self, source: str, uri: str) -> None:
        """Forget that an input was read, so that adding it again brings back what was removed."""
        self.connection.execute("DELETE FROM inputs WHERE uri = ? AND source = ?", (uri, source))

    def forget_inputs(self, source: str | None, path: str | None) -> None:
        """Forget all inputs of a source, a path, or of a path within a source."""
        if path is not None:
            inside, values = inside_condition(path, marks=("/",))
            self.connection.execute(
                f"DELETE FROM inputs WHERE {inside} AND (? IS NULL OR source = ?)", (*values, source, source)
            )
        elif source is not None:
            self.connection.execute("DELETE FROM inputs WHERE source = ?", (source,))

    def withhold(self, heads: Iterable[Document], *, all_of_it: bool) -> None:
        """Remember what the user took out of the starter library: single articles, or all of it."""
        rows = [(h.source, h.uri) for h in heads if h.source == STARTER_SOURCE]
        if all_of_it:
            rows.append((STARTER_SOURCE, ""))
        self.connection.executemany("INSERT OR IGNORE INTO withheld VALUES (?,?)", rows)

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Keep notes beside the documents."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", values.items())


def _row(document: Document, decision: Decision, reason: str) -> LedgerRow:
    return LedgerRow(document.uri, STAGE, decision, reason, document.id, utc_now(), document.source)


def _plain_metadata(document: Document) -> dict[str, str]:
    return {str(key): str(value) for key, value in document.metadata.items()}


def _passage_rows(
    text: str, spans: Sequence[Span], document: int, first: int
) -> Iterator[tuple[int, int, int, int, str]]:
    """Yield passage rows; each stored text goes on to where the next passage begins, so that the rows hold the whole
    text.
    """
    for index, (start, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else len(text)
        yield first + index, document, start, end, text[start : max(end, following)]
