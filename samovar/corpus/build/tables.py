"""The Parquet files of a build: their columns, and a writer whose files depend on the rows alone.

Row groups are cut by the number of rows and the size of the texts, never by how the rows came: a task that is done again in smaller
batches writes the same bytes. Knows no stage.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from samovar.corpus.build.item import Item
from samovar.corpus.document import LedgerRow
from samovar.errors import CorpusError

ITEM_COLUMNS = (
    "ordinal", "uri", "text", "title", "host", "language", "confidence", "published", "publisher", "origin", "licence", "metadata", "signals",
)  # fmt: skip
DOCUMENT_COLUMNS = (
    "id", "source", "uri", "title", "text", "language", "published", "publisher", "origin", "licence", "added_at", "metadata",
)  # fmt: skip
"""The fields of `samovar.corpus.document.Document`; `metadata` is a JSON object of texts."""
OUTPUT_COLUMNS = (*DOCUMENT_COLUMNS, "signals")
"""What is in a file of the corpus: the document, and the numbers that the quality stage measured (a JSON object; ``{}`` without)."""
LEDGER_COLUMNS = ("uri", "stage", "decision", "reason", "value", "at", "source")
TYPES = {"ordinal": "int64", "confidence": "float64"}
FEW_VALUES = frozenset(
    (
        "host",
        "language",
        "published",
        "publisher",
        "origin",
        "licence",
        "added_at",
        "source",
        "stage",
        "decision",
        "reason",
        "at",
    )
)
"""Columns worth a dictionary."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
GROUP_ROWS = 2_000
GROUP_CHARS = 8_000_000
WORK_LEVEL = 1  # zstd level of intermediate files: 1 costs a third of 3 and saves nearly as much
OUTPUT_LEVEL = 3


def schema_of(columns: Sequence[str]) -> Any:
    """Return the Arrow schema of a file: texts, but for `TYPES`."""
    import pyarrow as pa

    return pa.schema([(name, getattr(pa, TYPES.get(name, "string"))()) for name in columns])


class TableWriter:
    """Writes rows (tuples in the order of the columns) to an open file."""

    def __init__(self, file: BinaryIO, columns: Sequence[str], level: int = WORK_LEVEL) -> None:
        import pyarrow.parquet as pq

        self._schema = schema_of(columns)
        self._text = columns.index("text") if "text" in columns else -1
        self._rows: list[Sequence[Any]] = []
        self._chars = 0
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            compression_level=level,
            use_dictionary=[name for name in columns if name in FEW_VALUES],
            write_statistics=False,
            store_schema=False,
        )
        self.num_rows = 0

    def add(self, row: Sequence[Any]) -> None:
        """Add one row."""
        self._rows.append(row)
        self._chars += len(row[self._text]) if self._text >= 0 else 0
        if len(self._rows) >= GROUP_ROWS or self._chars >= GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self._rows, strict=True)
        arrays = [make_array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=GROUP_ROWS)
        self.num_rows += len(self._rows)
        self._rows, self._chars = [], 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left; an empty file has its columns too. After an error the file will not be kept: it is only closed."""
        if kind is None:
            if self._rows:
                self._flush()
            self._writer.close()
        else:
            with contextlib.suppress(Exception):
                self._writer.close()


def make_array(values: Sequence[Any], kind: Any) -> Any:
    """Return an Arrow array; texts with lone surrogates, which UTF-8 cannot hold, get U+FFFD in their place."""
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return pa.array([v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in values], kind)


def read_rows(path: Path, columns: Sequence[str] | None = None, batch_rows: int = 200) -> Iterator[tuple[int, Any]]:
    """Yield record batches with the number of their first row; a row group is in memory at a time.

    Raises:
        CorpusError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    try:
        with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_rows, columns=list(columns) if columns else None, use_threads=False):
                yield first, batch
                first += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(
            f"expected a readable Parquet file, found: {error} ({path}). Build again with --fresh."
        ) from error


def read_column(path: Path, column: str) -> Any:
    """Return one column of a file as an Arrow array."""
    import pyarrow as pa

    batches = [batch.column(0) for _, batch in read_rows(path, (column,), 10_000)]
    return pa.concat_arrays(batches) if batches else pa.array([], pa.string())


def item_row(item: Item) -> tuple[Any, ...]:
    """Return an item as a row of `ITEM_COLUMNS`."""
    return (
        item.ordinal, item.uri, item.text, item.title, item.host, item.language, item.confidence, item.published, item.publisher,
        item.origin, item.licence, dump(item.metadata), dump(item.signals),
    )  # fmt: skip


def read_items(path: Path, batch_rows: int) -> Iterator[tuple[int, list[Item]]]:
    """Yield the items of a file in batches, with the number of the first row of each."""
    for first, batch in read_rows(path, ITEM_COLUMNS, batch_rows):
        columns = [column.to_pylist() for column in batch.columns]
        columns[-2:] = [[load(text) for text in column] for column in columns[-2:]]  # metadata, signals
        yield first, [Item(*values) for values in zip(*columns, strict=True)]


def ledger_row(row: LedgerRow) -> tuple[str, ...]:
    """Return a ledger row as a row of `LEDGER_COLUMNS`."""
    return (row.uri, row.stage, row.decision, row.reason, row.value, row.at, row.source)


def dump(value: Mapping[str, Any]) -> str:
    """Return a JSON object, the same for the same content."""
    return _ENCODER.encode(value) if value else "{}"


def load(text: str) -> dict[str, Any]:
    """Return the mapping of a JSON object that `dump` wrote."""
    return dict(json.loads(text)) if text != "{}" else {}
