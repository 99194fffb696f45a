"""Export a library to plain files and import it again: same documents, ids, passages, ledger and inputs.

``documents.jsonl`` is the whole truth, one document a line; ``documents.parquet`` holds the same columns for data
tools; ``ledger.jsonl`` and ``inputs.jsonl`` the history. ``manifest.json`` is written last, with the SHA-256 of each
file: where it is missing the export did not finish, where a hash differs the copy is damaged and is refused. Source of
the manifest-last rule: STYLE.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from samovar.corpus.document import Document, LedgerRow
from samovar.digests import hash_file
from samovar.errors import LibraryError
from samovar.library.records import Input, PutResult, Stored
from samovar.library.store import Library

if TYPE_CHECKING:
    import pyarrow

FORMAT = 1
MANIFEST = "manifest.json"
UNFINISHED = "export.unfinished"  # lies there while an export is being written
DOCUMENTS, TABLE, LEDGER, INPUTS = "documents.jsonl", "documents.parquet", "ledger.jsonl", "inputs.jsonl"
ROW_GROUP_CHARS = 4_000_000  # text per Parquet row group: bounds the memory of writing and of reading
ROW_GROUP_ROWS = 5_000
_TEXT_FIELDS = tuple(f.name for f in fields(Document) if f.name != "metadata")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds; its presence means "complete"."""

    format: int
    version: int
    num_documents: int
    num_passages: int
    num_ledger_rows: int
    files: Mapping[str, str]
    withheld: tuple[tuple[str, str], ...]
    meta: Mapping[str, str]


def export_library(library: Library, folder: Path) -> Manifest:
    """Write one version of the library to `folder` (made if need be; an earlier export in it is replaced).

    Raises:
        LibraryError: a file cannot be written, or the folder holds files of others under the names of an export.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_folder(folder)
        (folder / UNFINISHED).touch()
        (folder / MANIFEST).unlink(missing_ok=True)
        with library.snapshot() as view:
            manifest = _export(view, folder)
        (folder / UNFINISHED).unlink()
        return manifest
    except OSError as error:
        raise LibraryError(
            f"expected to write the export to {folder}, found: {error}. Free some space or name another folder."
        ) from error


def _check_folder(folder: Path) -> None:
    """Refuse to write over files that no export of ours left there; one of ours has a readable manifest or was cut short."""
    if (folder / UNFINISHED).exists():
        return
    taken = [name for name in (MANIFEST, DOCUMENTS, TABLE, LEDGER, INPUTS) if (folder / name).exists()]
    try:
        ours = bool(taken) and read_manifest(folder) is not None
    except LibraryError:
        ours = False
    if taken and not ours:
        raise LibraryError(
            f"expected an empty folder or an earlier export in {folder}, found other files named {', '.join(taken)}. Name another folder."
        )


def _export(view: Library, folder: Path) -> Manifest:
    counts = dict.fromkeys(("documents", "passages", "ledger"), 0)
    with Replacement(folder / DOCUMENTS) as lines, TableWriter(folder / TABLE) as table:
        for item in view.stored():
            record = to_record(item)
            _write_line(lines.file, record)
            table.add(record)
            counts["documents"] += 1
            counts["passages"] += len(item.spans)
    with Replacement(folder / LEDGER) as lines:
        for row in view.ledger():
            _write_line(lines.file, asdict(row))
            counts["ledger"] += 1
    with Replacement(folder / INPUTS) as lines:
        for entry in view.inputs():
            _write_line(lines.file, asdict(entry))
    manifest = Manifest(
        format=FORMAT,
        version=view.version,
        num_documents=counts["documents"],
        num_passages=counts["passages"],
        num_ledger_rows=counts["ledger"],
        files={name: hash_file(folder / name) for name in (DOCUMENTS, TABLE, LEDGER, INPUTS)},
        withheld=tuple(view.withheld()),
        meta={f"starter.{key}": value for key, value in view.info().starter.items()},
    )
    with Replacement(folder / MANIFEST) as lines:
        lines.file.write(json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode() + b"\n")
    return manifest


def import_library(library: Library, folder: Path) -> PutResult:
    """Read an export. An empty library becomes the same as the exported one; into another its documents are merged.

    Merging puts the documents (those already there are left alone) and leaves out the export's ledger, which tells
    another library's story.

    Raises:
        LibraryError: the export is incomplete, damaged (the message names the file) or of a newer format. Nothing is
        imported then.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        _check_file(folder / name, expected)
    with library.writer() as writer:
        if library.num_documents or next(library.ledger(limit=1), None):
            return writer.put(item.document for item in _read_stored(folder))
        return writer.restore(
            _read_stored(folder),
            (LedgerRow(**record) for record in _read_lines(folder / LEDGER)),
            (Input(**record) for record in _read_lines(folder / INPUTS)),
            manifest.withheld,
            manifest.meta,
        )


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of an export.

    Raises:
        LibraryError: there is none (the export did not finish), or it is damaged or of a newer format.
    """
    path = Path(folder) / MANIFEST
    try:
        loaded = json.loads(path.read_bytes())
        manifest = Manifest(**{**loaded, "withheld": tuple((a, b) for a, b in loaded["withheld"])})
    except FileNotFoundError as error:
        raise LibraryError(
            f"expected {path}, found none: not an export, or one that did not finish. Export again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LibraryError(
            f"expected the manifest of an export in {path}, found: {error}. Copy or export it again."
        ) from error
    if manifest.format != FORMAT or not {DOCUMENTS, LEDGER, INPUTS} <= set(manifest.files):
        raise LibraryError(
            f"expected an export of format {FORMAT} in {path}, found format {manifest.format}. Update samovar or "
            "export again."
        )
    return manifest


def _check_file(path: Path, expected: str) -> None:
    try:
        found = hash_file(path)
    except OSError as error:
        raise LibraryError(
            f"expected {path} as the manifest says, found: {error.strerror}. Copy or export it again."
        ) from error
    if found != expected:
        raise LibraryError(
            f"expected {path} with SHA-256 {expected}, found {found}: the file is damaged. Copy or export it again."
        )


# -- records ----------------------------------------------------------------------------------------------------------
def to_record(item: Stored) -> dict[str, Any]:
    """Return the JSON record of a document: its fields, its passages as [start, end], and how the store keeps it."""
    record: dict[str, Any] = {name: getattr(item.document, name) for name in _TEXT_FIELDS}
    record["metadata"] = dict(item.document.metadata)
    record["passages"] = [list(span) for span in item.spans]
    return record | {"first_passage": item.first_passage, "input": item.input, "split": item.split}


def from_record(record: Mapping[str, Any]) -> Stored:
    """Build the stored document of a record; `to_record` gives the record back."""
    document = Document(**{name: record[name] for name in _TEXT_FIELDS}, metadata=record["metadata"])
    spans = tuple((start, end) for start, end in record["passages"])
    return Stored(document, spans, record["first_passage"], record["input"], record["split"])


def _read_stored(folder: Path) -> Iterator[Stored]:
    for number, record in enumerate(_read_lines(folder / DOCUMENTS), 1):
        try:
            yield from_record(record)
        except (KeyError, TypeError, ValueError) as error:
            raise LibraryError(
                f"expected a document in line {number} of {folder / DOCUMENTS}, found: {error!r}. Export again."
            ) from error


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _write_line(file: IO[bytes], record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


# -- files ------------------------------------------------------------------------------------------------------------
class Replacement:
    """A file that is written under a temporary name, synced, and put in place only when the block ends well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(path.name + ".tmp")

    def __enter__(self) -> Self:
        self.file: IO[bytes] = self.temporary.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


class TableWriter:
    """Writes records to Parquet (zstd) in row groups of bounded size."""

    def __init__(self, path: Path) -> None:
        import pyarrow  # a quarter of a second: only exports pay it
        import pyarrow.parquet

        self._target = Replacement(path)
        self._schema: pyarrow.Schema = _table_schema(pyarrow)
        self._table: Callable[..., Any] = pyarrow.Table.from_pylist
        self._open: Callable[..., Any] = pyarrow.parquet.ParquetWriter
        self._records: list[dict[str, Any]] = []
        self._chars = 0

    def __enter__(self) -> Self:
        self._target.__enter__()
        self._writer = self._open(self._target.file, self._schema, compression="zstd")
        return self

    def add(self, record: Mapping[str, Any]) -> None:
        """Add one record; rows reach the file in groups."""
        self._records.append({**record, "metadata": list(record["metadata"].items())})
        self._chars += len(record["text"])
        if self._chars >= ROW_GROUP_CHARS or len(self._records) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._records:
            self._writer.write_table(self._table(self._records, schema=self._schema))
        self._records, self._chars = [], 0

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._flush()
            self._writer.close()
        finally:
            self._target.__exit__(kind, *rest)


def _table_schema(arrow: Any) -> pyarrow.Schema:
    text, number = arrow.string(), arrow.int64()
    columns = [(name, text) for name in _TEXT_FIELDS]
    columns += [("metadata", arrow.map_(text, text)), ("passages", arrow.list_(arrow.list_(number)))]
    return arrow.schema([*columns, ("first_passage", number), ("input", text), ("split", text)])
