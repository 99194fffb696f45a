"""Writing the store: put, replace, remove, and the ledger rows that say so, in one transaction each.

When `Writer.put` or `Writer.remove` returns, the change is on disk (acknowledged) and the ledger replays to the
library's content; when it raises, nothing happened. Knows nothing about files or extraction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from samovar.corpus.document import Document, LedgerRow
from samovar.errors import LibraryError
from samovar.library.addresses import input_of, removal_conditions
from samovar.library.edit import Edit
from samovar.library.lock import WriteLock
from samovar.library.records import STARTER_SOURCE, Input, PutResult, Stored, Taken
from samovar.library.rows import make_head
from samovar.library.schema import transaction, translated
from samovar.library.splitting import Splitting, check_spans


class Writer:
    """The only way to change a library; a context manager that holds the single-writer lock.

    ``with library.writer() as writer: writer.put([document])``
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        path: Path,
        lock: WriteLock,
        splitting: Splitting,
        wait_seconds: float,
    ) -> None:
        self._connect = connect
        self._path = path
        self._lock = lock
        self._splitting = splitting
        self._wait_seconds = wait_seconds

    def __enter__(self) -> Self:
        self._lock.acquire(self._wait_seconds)
        try:
            self._connection = self._connect()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connection.close()
        finally:
            self._lock.release()

    # -- public -----------------------------------------------------------------------------------------------------
    def put(
        self, documents: Iterable[Document], ledger: Iterable[LedgerRow] = (), inputs: Iterable[Input] = ()
    ) -> PutResult:
        """Store documents and ledger rows in one transaction; they are acknowledged when it returns.

        A document that is there already (same id, provenance and splitting) is left alone; one with the source and uri
        of another replaces it. A ledger row is written for each document that was added or replaced.

        Raises:
            LibraryError: an id is not the hash of its document, or a text cannot be stored (lone surrogates).
        """
        with self._editing() as edit:
            for document in documents:
                edit.put(document, input_of(document.uri), 0)
            edit.append(ledger)
            for record in inputs:
                edit.note(record)
        return edit.result

    def put_taken(self, batch: Iterable[Taken], run: int) -> PutResult:
        """Store what was taken out of several inputs in one transaction. `run` (see `next_run`) is the same for all
        parts of one input.

        A complete input loses the documents that earlier runs took out of it and this one did not (a vanished archive
        member). Two runs over one input at the same time are safe: neither removes what the other, later one has seen.
        """
        with self._editing() as edit:
            for taken in batch:
                for document in taken.documents:
                    edit.put(document, taken.input.uri, run)
                edit.append(taken.ledger)
                if taken.complete:
                    edit.sweep(taken.input, run)
                if taken.note:
                    edit.note(taken.input)
        return edit.result

    def put_collection(
        self,
        source: str,
        documents: Sequence[Document],
        ledger: Sequence[LedgerRow] = (),
        *,
        meta: Mapping[str, str],
        forget_withheld: bool = False,
    ) -> PutResult:
        """Make a source consist of exactly these documents, and keep notes with it, in one transaction."""
        keep = {document.uri for document in documents}
        with self._editing() as edit:
            for document in documents:
                edit.put(document, document.uri, 0)
            for row in edit.find("d.source = ?", source):
                if make_head(row[6:]).uri not in keep:
                    edit.delete(row, "withdrawn")
            edit.append(ledger)
            edit.set_meta(meta)
            if forget_withheld:
                self._connection.execute("DELETE FROM withheld WHERE source = ?", (source,))
        return edit.result

    def restore(
        self,
        stored: Iterable[Stored],
        ledger: Iterable[LedgerRow],
        inputs: Iterable[Input],
        withheld: Iterable[tuple[str, str]],
        meta: Mapping[str, str],
    ) -> PutResult:
        """Fill an empty library with what another one held, in one transaction: same passages (ids too), ledger and
        inputs.

        Raises:
            LibraryError: the library is not empty, or a record does not fit its document.
        """
        with self._editing() as edit:
            if edit.connection.execute("SELECT 1 FROM documents UNION ALL SELECT 1 FROM ledger LIMIT 1").fetchone():
                raise LibraryError(
                    "expected an empty library to restore into, found documents or a ledger. Use another SAMOVAR_HOME."
                )
            for item in stored:
                check_spans(item.document, item.spans)
                edit.tally.next_passage = max(edit.tally.next_passage, item.first_passage)
                edit.insert(item.document, item.input, 0, item.spans, item.split)
                edit.tally.added += 1
            edit.append(ledger)
            for record in inputs:
                edit.note(record)
            self._connection.executemany("INSERT INTO withheld VALUES (?,?)", withheld)
            edit.set_meta(meta)
        return edit.result

    def remove(
        self,
        *,
        document_id: str | None = None,
        source: str | None = None,
        path: str | None = None,
        uri: str | None = None,
    ) -> int:
        """Remove documents and return how many; a ledger row is written for each.

        `path` is a file, a folder (all in it) or an archive (all its members); `uri` exactly one address. What is
        removed from the starter library stays away when the pack is updated.

        Raises:
            UsageError: nothing was named.
        """
        conditions, values = removal_conditions(document_id, source, path, uri)
        where = " AND ".join(conditions)
        with self._editing() as edit:
            gone = [edit.delete(row, "removed") for row in edit.find(where, *values)]
            for head, origin in gone:
                edit.forget(head.source, origin)
            if document_id is None:
                edit.forget_inputs(source, path or uri)
            whole = source == STARTER_SOURCE and path is None and uri is None and document_id is None
            edit.withhold([head for head, _ in gone], all_of_it=whole)
        return len(gone)

    def record(self, rows: Sequence[LedgerRow]) -> None:
        """Append ledger rows that change no document."""
        with self._editing() as edit:
            edit.append(rows)

    def next_run(self) -> int:
        """Return a number higher than any before it (1, 2, …) to mark the documents seen by one run over the inputs."""
        with self._editing() as edit:
            row = self._connection.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
            run = int(row[0]) + 1 if row else 1
            edit.set_meta({"run": str(run)})
        return run

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Keep notes beside the documents."""
        with self._editing() as edit:
            edit.set_meta(values)

    @contextmanager
    def _editing(self) -> Iterator[Edit]:
        """One transaction: committed, and so acknowledged, when the block ends well; otherwise nothing happened."""
        if not self._lock.held:
            raise LibraryError(
                "expected the write lock to be held, found it free. Write inside `with library.writer() as writer:`."
            )
        with translated(self._path), transaction(self._connection):
            edit = Edit(self._connection, self._splitting)
            yield edit
            edit.finish()
