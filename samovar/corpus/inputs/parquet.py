"""Parquet, in the layout of data set hubs: every row is a record. Cut by row groups; only the columns needed are read.

A damaged row group costs one faulty record. Source: the Apache Parquet format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from samovar.corpus.build.item import Record, Split
from samovar.corpus.inputs.places import Place, open_place
from samovar.corpus.inputs.rows import PROBE_ROWS, Columns, choose_columns, make_record
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import make_split, record_limit

Begin = Callable[[int, str], None]

_BATCH_ROWS = 64  # a batch of long texts must fit the memory limit
_READABLE = frozenset(
    ("string", "large_string", "string_view", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)
_READABLE_KINDS = ("timestamp", "date", "dictionary<values=string")


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut every file by row groups; one that cannot be opened is one split, whose record says why."""
    return [split for place in places for split in _plan_file(source, place, split_bytes)]


def _plan_file(source: SourceSpec, place: Place, split_bytes: int) -> list[Split]:
    groups = [] if place.fault else _measure_groups(place)
    if not groups:
        return [make_split(source, place, num_bytes=place.num_bytes)]
    splits: list[Split] = []
    start = total = 0
    for number, size in enumerate(groups):
        total += size
        if total >= split_bytes or number + 1 == len(groups):
            splits.append(make_split(source, place, start, number + 1, total))
            start, total = number + 1, 0
    return splits


def _measure_groups(place: Place) -> list[int]:
    import pyarrow.parquet as parquet

    with open_place(place.place) as raw:
        try:
            metadata = parquet.ParquetFile(raw).metadata
            return [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
        except Exception:  # whatever a damaged footer provokes: the reader says what
            return []


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the rows of some row groups; see `samovar.corpus.inputs.plan.open_split`."""
    import pyarrow.parquet as parquet

    name = split.options.get("name", split.place)
    with open_place(split.place, split.options.get("stamp", "")) as raw:
        begin(0, name)
        try:
            file = parquet.ParquetFile(raw)
            wanted, columns = _choose(file, split)
        except Exception as error:
            yield Record(0, name, "text", fault=_explain(raw, error))
            return
        if columns.fault is not None:
            yield Record(0, name, "text", fault=columns.fault)
            return
        yield from _read_groups(file, split, wanted, columns, skip, begin)


def _read_groups(
    file: Any, split: Split, wanted: list[str], columns: Columns, skip: frozenset[int], begin: Begin
) -> Iterator[Record]:
    name = split.options.get("name", split.place)
    limit = record_limit(split)
    metadata = file.metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    first = sum(sizes[: split.start])
    ordinal = 0
    for group in range(split.start, split.end or len(sizes)):
        rows = _read_group(file, group, wanted)
        number = 0
        while True:
            at = f"{name}#row={first + number + 1}"
            begin(ordinal, at)
            try:
                row = next(rows, None)
            except Exception as error:
                lost = sizes[group] - number
                yield Record(ordinal, at, "text", fault=("damaged", f"{lost} rows of row group {group}: {error}"[:300]))
                ordinal += 1
                break
            if row is None:
                break
            if ordinal in skip:
                yield Record(ordinal, at, "text", fault=("poison", ""))
            else:
                yield make_record(ordinal, row, columns, at, limit)
            ordinal += 1
            number += 1
        first += sizes[group]


def _read_group(file: Any, group: int, wanted: list[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=wanted, use_threads=False):
        yield from batch.to_pylist()


def _choose(file: Any, split: Split) -> tuple[list[str], Columns]:
    names = [
        field.name
        for field in file.schema_arrow
        if str(field.type) in _READABLE or str(field.type).startswith(_READABLE_KINDS)
    ]
    columns = choose_columns(split, names, ())
    if columns.fault is not None and file.metadata.num_row_groups:
        rows = [row for row, _ in zip(_read_group(file, 0, names), range(PROBE_ROWS), strict=False)]
        columns = choose_columns(split, names, rows)
    if columns.fault is not None:  # say what there is, readable or not
        columns = Columns(columns.mapping, tuple(f"{field.name} ({field.type})" for field in file.schema_arrow))
    known = set(columns.mapping.values())
    return [name for name in names if name in known], columns


def _explain(raw: Any, error: Exception) -> tuple[str, str]:
    size = raw.seek(0, 2)
    raw.seek(max(0, size - 4))
    if size < 12 or raw.read(4) not in (b"PAR1", b"PARE"):
        return "truncated", "no Parquet footer"
    return "damaged", str(error)[:300]
