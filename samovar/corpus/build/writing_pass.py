"""Pass "write": the documents of some splits that are left become one file of the corpus; all that happened to their inputs, one of the ledger.

Texts that stay carry what was left out for them: ``cluster_size`` and ``duplicates`` (addresses, a JSON list) in their metadata.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from samovar.corpus.build.arrays import read_shard
from samovar.corpus.build.commit import whole_file
from samovar.corpus.build.item import Notes
from samovar.corpus.build.tables import (
    LEDGER_COLUMNS,
    OUTPUT_COLUMNS,
    OUTPUT_LEVEL,
    TableWriter,
    dump,
    ledger_row,
    load,
    read_rows,
)
from samovar.corpus.build.workplace import Workplace, summarise

_ID, _SOURCE, _URI, _TEXT, _LANGUAGE, _LICENCE, _METADATA = (
    OUTPUT_COLUMNS.index(name) for name in ("id", "source", "uri", "text", "language", "licence", "metadata")
)


def write_part(place: Workplace, number: int, shards: Sequence[int]) -> tuple[list[Any], dict[str, Any]]:
    """Write one part of the corpus; return its files and its summary."""
    documents, ledger = place.folder.part("documents", number), place.folder.part("ledger", number)
    sizes: Counter[tuple[str, str, str]] = Counter()
    made: list[dict[str, Any]] = []
    with (
        whole_file(documents) as file,
        whole_file(ledger) as ledger_file,
        TableWriter(file, OUTPUT_COLUMNS, OUTPUT_LEVEL) as writer,
        TableWriter(ledger_file, LEDGER_COLUMNS, OUTPUT_LEVEL) as rows,
    ):
        for shard in shards:
            place.beat.rest()
            notes = Notes(place.splits[shard].source)
            _copy(place, shard, writer, notes, sizes)
            for stage in ("read", "clean"):
                for _, batch in read_rows(place.folder.file(stage, shard, "ledger.parquet"), LEDGER_COLUMNS, 10_000):
                    for values in zip(*(batch.column(i).to_pylist() for i in range(len(LEDGER_COLUMNS))), strict=True):
                        rows.add(values)
            for row in notes.rows:
                rows.add(ledger_row(row))
            made.append(summarise(notes))
    texts = [[*key, number] for key, number in sorted(sizes.items())]
    about = {"documents": writer.num_rows, "ledger_rows": rows.num_rows, "sizes": texts, "shards": made}
    return [documents, ledger], about


def _copy(
    place: Workplace, shard: int, writer: TableWriter, notes: Notes, sizes: Counter[tuple[str, str, str]]
) -> None:
    """Copy the documents of a split that stay, with what is known about their clusters."""
    left_out = read_shard(place.folder, "near", 1, "left_out.arrow", shard)
    reasons = dict(zip(*(left_out.column(name).to_pylist() for name in ("row", "reason")), strict=True))
    values = dict(zip(*(left_out.column(name).to_pylist() for name in ("row", "value")), strict=True))
    found = read_shard(place.folder, "near", 1, "clusters.arrow", shard)
    clusters = dict(
        zip(
            found.column("row").to_pylist(),
            zip(found.column("size").to_pylist(), found.column("uris").to_pylist(), strict=True),
            strict=True,
        )
    )
    for first, batch in read_rows(place.folder.file("clean", shard, "documents.parquet"), OUTPUT_COLUMNS):
        columns = (batch.column(i).to_pylist() for i in range(len(OUTPUT_COLUMNS)))
        for row, fields in enumerate(zip(*columns, strict=True), first):
            place.beat.records += 1
            if row in reasons:
                stage = "near" if reasons[row] == "near_duplicate" else "caps"
                notes.drop(fields[_URI], stage, reasons[row], values[row], fields[_TEXT] if stage == "near" else "")
                continue
            if row in clusters:
                fields = (*fields[:_METADATA], add_cluster(fields[_METADATA], *clusters[row]), *fields[_METADATA + 1 :])
            writer.add(fields)
            notes.keep(fields[_URI], fields[_ID])
            for name, of in (("source", _SOURCE), ("language", _LANGUAGE), ("licence", _LICENCE)):
                sizes[name, fields[of], "documents"] += 1
                sizes[name, fields[of], "chars"] += len(fields[_TEXT])


def add_cluster(metadata: str, size: int, uris: list[str]) -> str:
    """Return a document's metadata with its cluster: how many texts it stands for, and the addresses of up to 20 others."""
    return dump(load(metadata) | {"cluster_size": str(size), "duplicates": json.dumps(uris, ensure_ascii=False)})
