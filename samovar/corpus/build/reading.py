"""Reading a finished corpus: its manifest, and its documents shard by shard, for the library, the trainer and reports.

    for document in open_corpus(Path("corpus")).documents(): ...

Knows nothing of how it was built.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import read_json
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.plan import FORMAT
from samovar.corpus.build.tables import DOCUMENT_COLUMNS, LEDGER_COLUMNS, read_rows
from samovar.corpus.document import Document, LedgerRow
from samovar.digests import hash_file
from samovar.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of documents: its path, rows and SHA-256."""

    path: Path
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finished corpus. `manifest` is what `samovar.corpus.build.manifest` wrote."""

    root: Path
    manifest: Mapping[str, Any]

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The files of documents, in order."""
        return self._files("documents")

    @property
    def ledger_shards(self) -> tuple[Shard, ...]:
        """The files of the ledger, in order."""
        return self._files("ledger")

    def _files(self, kind: str) -> tuple[Shard, ...]:
        files = [f for f in self.manifest["files"] if f["path"].startswith(f"{kind}/")]
        return tuple(Shard(self.root / f["path"], f["rows"], f["sha256"]) for f in files)

    def batches(
        self, shard: Shard, columns: tuple[str, ...] = DOCUMENT_COLUMNS, batch_rows: int = 200
    ) -> Iterator[tuple[int, Any]]:
        """Yield Arrow record batches of a shard with the number of their first row."""
        return read_rows(shard.path, columns, batch_rows)

    def documents(self) -> Iterator[Document]:
        """Yield all documents, in order."""
        for shard in self.shards:
            for _, batch in self.batches(shard):
                columns = [batch.column(i).to_pylist() for i in range(len(DOCUMENT_COLUMNS))]
                for values in zip(*columns, strict=True):
                    fields = dict(zip(DOCUMENT_COLUMNS, values, strict=True))
                    yield Document(**fields | {"metadata": json.loads(fields["metadata"])})

    def ledger(self) -> Iterator[LedgerRow]:
        """Yield all rows of the ledger, in order."""
        for shard in self.ledger_shards:
            for _, batch in read_rows(shard.path, LEDGER_COLUMNS, 10_000):
                columns = [batch.column(i).to_pylist() for i in range(len(LEDGER_COLUMNS))]
                yield from (LedgerRow(*values) for values in zip(*columns, strict=True))

    def samples(self) -> dict[str, dict[str, list[list[str]]]]:
        """Return beginnings of dropped texts by source and "stage:reason"."""
        return dict(read_json(BuildFolder(self.root).samples))

    def verify(self) -> None:
        """Check the hash of every file.

        Raises:
            CorpusError: a file is missing or another one than was written.
        """
        for about in self.manifest["files"]:
            path = self.root / about["path"]
            if not path.is_file() or hash_file(path) != about["sha256"]:
                raise CorpusError(
                    f"expected the file that the manifest describes, found another one or none at {path}. Build again with --fresh."
                )


def read_manifest(root: Path) -> dict[str, Any]:
    """Return the manifest of a finished corpus.

    Raises:
        CorpusError: there is none, or it is of another format.
    """
    path = BuildFolder(root).manifest
    if not path.is_file():
        unfinished = BuildFolder(root).plan.exists()
        what = (
            "a build that is not finished: run its command again"
            if unfinished
            else "none: build it with  samovar corpus build RECIPE"
        )
        raise CorpusError(f"expected a finished corpus (with manifest.json) in {root}, found {what}.")
    manifest = dict(read_json(path))
    if manifest.get("format") != FORMAT:
        raise CorpusError(
            f"expected a corpus of format {FORMAT} in {root}, found {manifest.get('format')}. Build it again with this version."
        )
    return manifest


def open_corpus(root: Path) -> Corpus:
    """Open a finished corpus; sizes of its files are checked, `Corpus.verify` checks their hashes.

    Raises:
        CorpusError: it is not finished, of another format, or a file is missing or cut short.
    """
    manifest = read_manifest(root)
    for about in manifest["files"]:
        path = root / about["path"]
        found = path.stat().st_size if path.is_file() else -1
        if found != about["bytes"]:
            what = "nothing" if found < 0 else f"{found} bytes"
            raise CorpusError(
                f"expected {about['bytes']} bytes at {path}, found {what}. Copy the corpus again, or build it with --fresh."
            )
    return Corpus(root, manifest)
