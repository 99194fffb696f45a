"""JSON Lines, JSON and Parquet with a text column: every row is a document, every bad row one ledger row."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from samovar.corpus.blob import Blob
from samovar.corpus.columns import draft_row, guess_text_column, map_columns
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted, drop
from samovar.corpus.job import Job
from samovar.errors import ExtractionError

_PROBE_BYTES = 256 * 1024
_PROBE_ROWS = 50
_BATCH_ROWS = 64  # of Parquet: a batch of long texts must fit the memory limit

Row = tuple[int, dict[str, Any]]


def open_lines(blob: Blob) -> tuple[io.TextIOWrapper, str]:
    """Open as text in the encoding of its first 256 KiB; broken bytes become U+FFFD."""
    head = blob.head(_PROBE_BYTES)
    _, encoding = decode_bytes(head)
    name = encoding.rpartition("+")[2]
    if name == "utf-8":
        name = "utf-8-sig"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = name[:6]  # the codec that takes the byte order mark off
    return io.TextIOWrapper(blob.open(), encoding=name, errors="replace", newline=""), encoding


def settle_rows(rows: Iterable[Row | LedgerRow], blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Turn rows into documents; the text column is chosen once, from the first rows.

    Raises:
        ExtractionError: ``no_text_column`` with the columns found.
    """
    stream = iter(rows)
    probe: list[Row | LedgerRow] = [item for _, item in zip(range(_PROBE_ROWS), stream, strict=False)]
    records = [item[1] for item in probe if not isinstance(item, LedgerRow)]
    names = list(dict.fromkeys(name for record in records for name in record))
    mapping = map_columns(names)
    if records and "text" not in mapping:
        guessed = guess_text_column(records)
        if guessed is None:
            raise ExtractionError("no_text_column", f"{blob.uri} has no column with texts", ", ".join(names)[:200])
        mapping = {field: column for field, column in mapping.items() if column != guessed} | {"text": guessed}
    num_items = 0
    for items in (probe, stream):
        for item in items:
            num_items += 1
            if isinstance(item, LedgerRow):
                yield item
            else:
                number, record = item
                yield settle(
                    draft_row(record, mapping, f"{blob.uri}#row={number}", f"{blob.stem} {number}"), job.limits
                )
    if not num_items:
        yield drop(blob.uri, "empty", "0 rows")


def read_jsonl(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield a document for every line that is a JSON object, a dropped row for every other line."""
    file, _ = open_lines(blob)
    with file:
        yield from settle_rows(_parse_lines(file, blob, job), blob, job)


def _parse_lines(file: io.TextIOWrapper, blob: Blob, job: Job) -> Iterator[Row | LedgerRow]:
    max_chars = min(job.limits.max_file_bytes, 2 * job.limits.max_text_chars)
    number = 0
    while line := file.readline(max_chars):
        number += 1
        uri = f"{blob.uri}#row={number}"
        if len(line) >= max_chars and not line.endswith("\n"):
            while line and not line.endswith("\n"):
                line = file.readline(max_chars)
            yield drop(uri, "too_long", max_chars)
        elif line.strip(" \t\r\n\0\ufeff"):
            record = _parse_json(line, uri)
            yield record if isinstance(record, LedgerRow) else (number, record)


def _parse_json(line: str, uri: str) -> dict[str, Any] | LedgerRow:
    try:
        # Numbers stay text: nothing is computed with them, and a number of a million digits must cost nothing.
        record = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        return drop(uri, "too_deep", "JSON")
    except ValueError as error:
        return drop(uri, "bad_json", error)
    return (
        record
        if isinstance(record, dict)
        else drop(uri, "bad_json", f"expected an object, found {type(record).__name__}")
    )


def read_json(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield a document for every object of a JSON array, or for the one object; JSON Lines under this name work too."""
    text, _ = decode_bytes(blob.read(job.limits.max_file_bytes))
    try:
        data = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError as error:
        raise ExtractionError("too_deep", f"{blob.uri} is nested too deeply", "JSON") from error
    except ValueError as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            yield from read_jsonl(blob, job)
            return
        raise ExtractionError("bad_json", f"{blob.uri} is not JSON: {error}", str(error)) from error
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        data = lists[0] if len(lists) == 1 else [data]
    items = data if isinstance(data, list) else [data]
    rows: list[Row | LedgerRow] = [
        (number, item) if isinstance(item, dict) else drop(f"{blob.uri}#row={number}", "bad_json", "expected an object")
        for number, item in enumerate(items, 1)
    ]
    yield from settle_rows(rows, blob, job)


def read_parquet(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield a document for every row of a Parquet file."""
    import pyarrow
    import pyarrow.parquet as parquet

    with blob.open() as file:
        try:
            yield from settle_rows(_read_batches(parquet.ParquetFile(file)), blob, job)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            if blob.size < 12 or not _ends_like_parquet(blob):
                raise ExtractionError("truncated", f"{blob.uri} has no Parquet footer", str(error)[:200]) from error
            raise ExtractionError("damaged", f"{blob.uri}: {error}", str(error)[:200]) from error


def _read_batches(file: Any) -> Iterator[Row]:
    schema = file.schema_arrow
    wanted = [
        field.name for field in schema if str(field.type) in _READABLE or str(field.type).startswith(_READABLE_KINDS)
    ]
    known = set(map_columns(wanted).values())
    columns = [name for name in wanted if name in known] if "text" in map_columns(wanted) else wanted
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False):
        for record in batch.to_pylist():
            number += 1
            yield number, record


_READABLE = ("string", "large_string", "string_view", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
_READABLE_KINDS = ("timestamp", "date", "dictionary<values=string")


def _ends_like_parquet(blob: Blob) -> bool:
    with blob.open() as file:
        file.seek(max(0, blob.size - 4))
        return file.read() in (b"PAR1", b"PARE")
