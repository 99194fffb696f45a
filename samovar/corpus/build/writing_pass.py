"""Pass "write": the documents of some splits that are left become one file of the corpus; all that happened to their inputs, one of the ledger.

Texts that stay carry what was left out for them: ``cluster_size`` and ``duplicates`` (addresses, a JSON list) in their metadata.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import Rows, read_shard
from samovar.corpus.build.commit import read_json, whole_file, write_json
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
_surveyed = itemgetter(_SOURCE, _URI, _TITLE, _TEXT, _LANGUAGE, _PUBLISHED, _LICENCE, _METADATA)
"""What `samovar.corpus.card.survey.Survey.add` takes."""


def write_part(
    place: Workplace, number: int, shards: Sequence[int], passes: Mapping[str, int], card: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """Write one part of the corpus, and with `card` what its data card needs to know of the part; return its files and its summary.

    `passes`: how many tasks the passes "exact", "near" and "caps" had.
    """
    documents, ledger = place.folder.part("documents", number), place.folder.part("ledger", number)
    sizes: Counter[tuple[str, str, str]] = Counter()
    made: list[dict[str, Any]] = []
    num_clusters = 0
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
            num_clusters += _copy(place, shard, Fate.load(place, shard, passes), writer, notes, sizes, survey)
            for stage in ("read", "clean"):
                for _, batch in read_rows(place.folder.file(stage, shard, "ledger.parquet"), LEDGER_COLUMNS, 10_000):
                    for values in zip(*(batch.column(i).to_pylist() for i in range(len(LEDGER_COLUMNS))), strict=True):
                        rows.add(values)
            for row in notes.rows:
                rows.add(ledger_row(row))
            made.append(summarise(notes))
    texts = [[*key, number] for key, number in sorted(sizes.items())]
    about = {
        "documents": writer.num_rows,
        "ledger_rows": rows.num_rows,
        "sizes": texts,
        "shards": made,
        "clusters": num_clusters,
    }
    files = [documents, ledger]
    if survey is not None:
        files.append(place.folder.file("write", number, SURVEY))
        write_json(files[-1], survey.as_json())
    return files, about


def _make_survey() -> Survey:
    from samovar.corpus.card.coverage import Coverage
    from samovar.corpus.card.survey import Survey

    return Survey(coverage=Coverage())


@dataclass(frozen=True, slots=True)
class Fate:
    """What the global passes say about a split's documents, by row: stage, reason and value of those left out; size and addresses of clusters."""

    left_out: dict[int, tuple[str, str, str]]
    clusters: dict[int, tuple[int, list[str]]]

    @classmethod
    def load(cls, place: Workplace, shard: int, passes: Mapping[str, int]) -> Fate:
        """Read what they wrote."""
        left_out: dict[int, tuple[str, str, str]] = {}
        if passes["near"]:
            table = read_shard(place.folder, "near", passes["near"], "left_out.arrow", shard)
            for row, uri in zip(*(table.column(name).to_pylist() for name in ("row", "uri")), strict=True):
                left_out[row] = ("near", "near_duplicate", uri)
        if passes["caps"]:
            reasons = read_json(place.folder.commit("caps", 0))["summary"]["reasons"]
            table = read_shard(place.folder, "caps", passes["caps"], "left_out.arrow", shard)
            for row, why in zip(*(table.column(name).to_pylist() for name in ("row", "why")), strict=True):
                left_out[row] = ("caps", *reasons[why])
        return cls(
            left_out, _exact_clusters(place, shard, passes["exact"]) | _clusters(place, "near", shard, passes["near"])
        )


def _clusters(place: Workplace, stage: str, shard: int, parts: int) -> dict[int, tuple[int, list[str]]]:
    if not parts:
        return {}
    table = read_shard(place.folder, stage, parts, "clusters.arrow", shard)
    rows, sizes, uris = (table.column(name).to_pylist() for name in ("row", "size", "uris"))
    return dict(zip(rows, zip(sizes, uris, strict=True), strict=True))


def _exact_clusters(place: Workplace, shard: int, parts: int) -> dict[int, tuple[int, list[str]]]:
    """Return the exact clusters by the row of the document; they are known by the row of its item in pass "read"."""
    found = _clusters(place, "exact", shard, parts)
    if not found:
        return {}
    rows = Rows(place.folder, "clean", "rows.npy").of_split(shard).tolist()
    return {row: found[item] for row, item in enumerate(rows) if item in found}


def _copy(
    place: Workplace,
    shard: int,
    fate: Fate,
    writer: TableWriter,
    notes: Notes,
    sizes: Counter[tuple[str, str, str]],
    survey: Survey | None,
) -> int:
    """Copy the documents of a split that stay, with what is known about their clusters; return how many stand for others."""
    import pyarrow.compute as pc

    standing = 0
    for first, batch in read_rows(place.folder.file("clean", shard, "documents.parquet"), OUTPUT_COLUMNS):
        columns = (batch.column(i).to_pylist() for i in range(len(OUTPUT_COLUMNS)))
        num_bytes = pc.binary_length(batch.column(_TEXT)).to_pylist()
        for row, fields in enumerate(zip(*columns, strict=True), first):
            place.beat.records += 1
            if row in fate.left_out:
                stage, reason, value = fate.left_out[row]
                notes.drop(fields[_URI], stage, reason, value, fields[_TEXT] if stage == "near" else "")
                continue
            if row in fate.clusters:
                made = add_cluster(fields[_METADATA], *fate.clusters[row])
                fields = (*fields[:_METADATA], made, *fields[_METADATA + 1 :])
                standing += 1
            writer.add(fields)
            if survey is not None:
                survey.add(*(*_surveyed(fields), num_bytes[row - first]))
            notes.keep(fields[_URI], fields[_ID])
            for name, of in (("source", _SOURCE), ("language", _LANGUAGE), ("licence", _LICENCE)):
                sizes[name, fields[of], "documents"] += 1
                sizes[name, fields[of], "chars"] += len(fields[_TEXT])
    return standing


def add_cluster(metadata: str, size: int, uris: list[str]) -> str:
    """Return a document's metadata with its cluster: how many texts it stands for, and the addresses of up to 20 others."""
    return dump(load(metadata) | {"cluster_size": str(size), "duplicates": json.dumps(uris, ensure_ascii=False)})
