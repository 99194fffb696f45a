"""Pass "write": the documents of some splits that are left become one file of the corpus; all that happened to their inputs, one of the ledger.

Texts that stay carry what was left out for them: ``cluster_size`` and ``duplicates`` (addresses, a JSON list) in their metadata.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import read_shard
from samovar.corpus.build.commit import whole_file, write_json
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

if TYPE_CHECKING:
    from samovar.corpus.card.survey import Survey

SURVEY = "survey.json"
_ID, _SOURCE, _URI, _TITLE, _TEXT, _LANGUAGE, _PUBLISHED, _LICENCE, _METADATA = (
    OUTPUT_COLUMNS.index(name)
    for name in ("id", "source", "uri", "title", "text", "language", "published", "licence", "metadata")
)
_SURVEYED = (_SOURCE, _URI, _TITLE, _TEXT, _LANGUAGE, _PUBLISHED, _LICENCE, _METADATA)
"""What `samovar.corpus.card.survey.Survey.add` takes."""


def write_part(
    place: Workplace, number: int, shards: Sequence[int], card: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """Write one part of the corpus, and with `card` what its data card needs to know of the part; return its files and its summary."""
    documents, ledger = place.folder.part("documents", number), place.folder.part("ledger", number)
    sizes: Counter[tuple[str, str, str]] = Counter()
    made: list[dict[str, Any]] = []
    survey = _make_survey() if card else None
    with (
        whole_file(documents) as file,
        whole_file(ledger) as ledger_file,
        TableWriter(file, OUTPUT_COLUMNS, OUTPUT_LEVEL) as writer,
        TableWriter(ledger_file, LEDGER_COLUMNS, OUTPUT_LEVEL) as rows,
    ):
        for shard in shards:
            place.beat.rest()
            notes = Notes(place.splits[shard].source)
            _copy(place, shard, writer, notes, sizes, survey)
            for stage in ("read", "clean"):
                for _, batch in read_rows(place.folder.file(stage, shard, "ledger.parquet"), LEDGER_COLUMNS, 10_000):
                    for values in zip(*(batch.column(i).to_pylist() for i in range(len(LEDGER_COLUMNS))), strict=True):
                        rows.add(values)
            for row in notes.rows:
                rows.add(ledger_row(row))
            made.append(summarise(notes))
    texts = [[*key, number] for key, number in sorted(sizes.items())]
    about = {"documents": writer.num_rows, "ledger_rows": rows.num_rows, "sizes": texts, "shards": made}
    files = [documents, ledger]
    if survey is not None:
        files.append(place.folder.file("write", number, SURVEY))
        write_json(files[-1], survey.as_json())
    return files, about


def _make_survey() -> Survey:
    from samovar.corpus.card.coverage import Coverage
    from samovar.corpus.card.survey import Survey

    return Survey(coverage=Coverage())


def _copy(
    place: Workplace,
    shard: int,
    writer: TableWriter,
    notes: Notes,
    sizes: Counter[tuple[str, str, str]],
    survey: Survey | None,
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
            if survey is not None:
                survey.add(*(fields[column] for column in _SURVEYED))
            notes.keep(fields[_URI], fields[_ID])
            for name, of in (("source", _SOURCE), ("language", _LANGUAGE), ("licence", _LICENCE)):
                sizes[name, fields[of], "documents"] += 1
                sizes[name, fields[of], "chars"] += len(fields[_TEXT])


def add_cluster(metadata: str, size: int, uris: list[str]) -> str:
    """Return a document's metadata with its cluster: how many texts it stands for, and the addresses of up to 20 others."""
    return dump(load(metadata) | {"cluster_size": str(size), "duplicates": json.dumps(uris, ensure_ascii=False)})
