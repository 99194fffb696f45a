"""A built corpus on its way into the library: its documents in parts, and what is noted of it. Nothing is extracted again.

What was stored before a crash is found unchanged when the corpus is added again; documents that a rebuilt corpus no longer has go. Knows
neither the store nor how a corpus is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from samovar.corpus.build.reading import open_corpus
from samovar.corpus.build.tables import DOCUMENT_COLUMNS
from samovar.corpus.document import Document, LedgerRow, make_document, utc_now
from samovar.corpus.stream import make_row_document
from samovar.library.plan import Job
from samovar.library.progress import Provenance
from samovar.library.reading import STAGE
from samovar.library.records import Input, Taken

PART_DOCUMENTS = 64


class CorpusLoad:
    """The documents of one corpus, as a library stores them. `job.source` empty: every document keeps its source.

    Raises:
        CorpusError: there is no finished corpus, or a file of it is missing or damaged.
    """

    def __init__(self, job: Job, path: Path, overrides: Provenance, recipe: str) -> None:
        self._corpus = open_corpus(path)
        self._job = job
        self._overrides = overrides
        self._recipe = recipe
        self._at = utc_now()
        self._counts: dict[str, int] = dict.fromkeys(
            [job.source] if job.source else self._corpus.manifest["sources"], 0
        )

    @property
    def num_bytes(self) -> int:
        """Size of the corpus's files of documents."""
        return sum(shard.path.stat().st_size for shard in self._corpus.shards)

    @property
    def sha256(self) -> str:
        """The hash of all that is in the corpus."""
        return str(self._corpus.manifest["output_sha256"])

    def is_known(self, inputs: Sequence[Input]) -> bool:
        """Whether this very corpus has been added, in the way it would be added now."""
        known = {record.source for record in inputs if (record.sha256, record.recipe) == (self.sha256, self._recipe)}
        return known >= set(self._counts)

    def parts(self) -> Iterator[tuple[int, list[Document]]]:
        """Yield a few documents at a time, with their share of `num_bytes`."""
        for shard in self._corpus.shards:
            size, done = shard.path.stat().st_size, 0
            for first, batch in self._corpus.batches(shard, batch_rows=PART_DOCUMENTS):
                columns = [batch.column(i).to_pylist() for i in range(len(DOCUMENT_COLUMNS))]
                rows = zip(*columns, strict=True)
                documents = [self._own(make_row_document(values)) for values in rows]
                reached = size * (first + len(documents)) // max(1, shard.rows)
                yield reached - done, documents
                done = reached
            if done < size:
                yield size - done, []

    def _own(self, document: Document) -> Document:
        """Return a document as this library has it: what the user says goes before what the corpus says."""
        said = {name: value for name in Provenance.__slots__ if (value := getattr(self._overrides, name))}
        document = replace(document, added_at=self._at, **said)
        source = self._job.source or document.source
        self._counts[source] = self._counts.get(source, 0) + 1
        if source == document.source:
            return document
        return make_document(
            source=source, uri=document.uri, title=document.title, text=document.text, language=document.language,
            published=document.published, publisher=document.publisher, origin=document.origin, licence=document.licence,
            added_at=self._at, metadata=document.metadata,
        )  # fmt: skip

    def taken(self, documents: Sequence[Document]) -> Taken:
        """Return a part as something to store."""
        return Taken(self._input(self._job.source), tuple(documents), complete=False, note=False)

    def ends(self, known: Sequence[str]) -> Iterator[Taken]:
        """Yield what closes the corpus: for each of its sources, and those it had when it was added before, the sweep, a row and the note."""
        for source in sorted({*self._counts, *known}):
            number = self._counts.get(source, 0)
            row = LedgerRow(self._job.uri, STAGE, "kept", "corpus", f"{number} {self.sha256}", self._at, source)
            yield Taken(self._input(source, number), (), (row,) if source in self._counts else ())

    def _input(self, source: str, number: int = 0) -> Input:
        return Input(
            source=source,
            uri=self._job.uri,
            size=self.num_bytes,
            mtime_ns=0,
            sha256=self.sha256,
            outcome="kept",
            recipe=self._recipe,
            num_documents=number,
            at=self._at,
        )
