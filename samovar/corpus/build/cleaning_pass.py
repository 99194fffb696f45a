"""Pass "clean": what is left of one split's items after the exact duplicates, line by line and text by text, becomes documents.

Writes ``documents.parquet``, ``ledger.parquet``, ``facts.npy``, ``rows.npy`` (the row of each document among the items of pass "read") and,
for near duplicates, ``signatures.npy`` [n, places], and the keys of their bands, each band sorted, ``bands.npy`` [bands, n], with the rows whose
they are, ``band_rows.npy``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import read_shard, save_array
from samovar.corpus.build.commit import whole_file
from samovar.corpus.build.item import Item, Notes
from samovar.corpus.build.reading_pass import write_ledger
from samovar.corpus.build.recipe import STAGES, Recipe
from samovar.corpus.build.repeats import Repeats, host_hash
from samovar.corpus.build.tables import OUTPUT_COLUMNS, TableWriter, dump, read_items
from samovar.corpus.build.workplace import Batch, Workplace, summarise
from samovar.corpus.document import hash_document

if TYPE_CHECKING:
    import numpy as np

EXACT = "exact"
ID_HASH, HOST, LANGUAGE, LENGTH, IDENTITY = range(5)
"""The columns of ``facts.npy`` (uint64): half of the document's id, hashes of host and language, length of the text, the other half."""


def clean_split(place: Workplace, number: int, exact_parts: int, lines_parts: int) -> tuple[list[Any], dict[str, Any]]:
    """Do the task; return its files and its summary."""
    from samovar.corpus.stages.scan import batches_of

    recipe = place.recipe
    notes = Notes(place.splits[number].source)
    stages = place.stages(("quality", "personal", "contamination"))
    paths = [place.folder.file("clean", number, what) for what in ("documents.parquet", "ledger.parquet")]
    repeats = Repeats.load(place.folder, lines_parts, number) if lines_parts else None
    sketches = Sketches(recipe) if recipe.has("near") else None
    facts: list[list[int]] = []
    origin: list[int] = []
    num_bytes = 0
    with whole_file(paths[0]) as file, TableWriter(file, OUTPUT_COLUMNS) as writer:
        for batch in place.batches(_left(place, number, exact_parts, notes)):
            rows_of = {id(item): row for item, row in zip(batch.items, batch.numbers, strict=True)}
            # so many at a time that all stages look at the same scan of a text
            for items in batches_of(batch.items, lambda item: len(item.text)):
                part = Batch([rows_of[id(item)] for item in items], items)
                kept = _without_lines(place, part, repeats, notes) if repeats else items
                kept = place.run(Batch(part.numbers, kept), stages, notes)
                for item in kept:
                    origin.append(rows_of[id(item)])
                    row, size = make_row(item, notes.source, recipe.date)
                    writer.add(row)
                    facts.append(facts_of(item, row[0]))
                    num_bytes += size
                if sketches:
                    sketches.add(kept)
    place.beat.rest()
    rows = write_ledger(paths[1], notes)
    paths += _save(place, number, facts, origin, sketches)
    return paths, summarise(
        notes, kept=writer.num_rows, chars=sum(f[LENGTH] for f in facts), num_bytes=num_bytes, ledger_rows=rows
    )


def _left(place: Workplace, number: int, exact_parts: int, notes: Notes) -> Iterator[tuple[int, Item]]:
    """Yield the items that are no duplicates and no poison, with their rows."""
    left_out: dict[int, str] = {}
    if exact_parts:
        table = read_shard(place.folder, "exact", exact_parts, "left_out.arrow", number)
        left_out = dict(zip(table.column("row").to_pylist(), table.column("uri").to_pylist(), strict=True))
    for first, items in read_items(place.folder.file("read", number, "items.parquet"), place.recipe.shards.batch_rows):
        for row, item in enumerate(items, first):
            place.beat.records += 1
            if row in left_out:
                notes.drop(item.uri, EXACT, "exact_duplicate", left_out[row], item.text)
            elif row in place.poison.records:
                reason, value, stage, _ = place.poison.records[row]
                notes.drop(item.uri, STAGES[stage], reason, value, item.text)
            else:
                yield row, item


def _without_lines(place: Workplace, batch: Batch, repeats: Repeats, notes: Notes) -> list[Item]:
    """Take out the lines that come again on the host of each item; items that stay keep their order."""
    from samovar.corpus.stages.lines import remove_repeated

    place.name(batch, "lines")
    hashes, found = repeats.find(batch.numbers, [item.host for item in batch.items])
    return remove_repeated(batch.items, hashes, found, notes, place.recipe.lines)


def make_row(item: Item, source: str, date: str) -> tuple[tuple[str, ...], int]:
    """Return an item as a row of `OUTPUT_COLUMNS`, and the bytes of its text; text and title are NFC, also the item's own, the id is the content's hash."""
    (item.text, data), (title, _) = map(_normalise, (item.text, item.title))
    row = (
        hash_document(source, item.uri, title, data), source, item.uri, title, item.text, item.language, item.published, item.publisher,
        item.origin, item.licence, date, dump(item.metadata), dump(item.signals),
    )  # fmt: skip
    return row, len(data)


def _normalise(text: str) -> tuple[str, bytes]:
    """Return a text as NFC without lone surrogates, and its UTF-8."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    try:
        return text, text.encode("utf-8")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "replace")
        return data.decode(), data


def facts_of(item: Item, document_id: str) -> list[int]:
    """Return the numbers by which documents are compared and balanced; see `ID_HASH` and its neighbours."""
    return [
        int(document_id[:16], 16),
        host_hash(item.host),
        host_hash(item.language),
        len(item.text),
        int(document_id[16:], 16),
    ]


class Sketches:
    """What near duplicates are found by, gathered batch by batch."""

    def __init__(self, recipe: Recipe) -> None:
        from samovar.corpus.stages.near import MinHasher

        self._hasher = MinHasher(recipe.near)
        self._bands: list[np.ndarray[Any, Any]] = []
        self._signatures: list[np.ndarray[Any, Any]] = []

    def add(self, items: list[Item]) -> None:
        """Sketch the texts of a batch."""
        if items:
            signatures = self._hasher.signatures([item.text for item in items])
            self._signatures.append(signatures)
            self._bands.append(self._hasher.bands_of(signatures))

    def arrays(self) -> dict[str, Any]:
        """Return what is to be saved."""
        import numpy as np

        empty = self._hasher.signatures([])
        bands = np.concatenate([self._hasher.bands_of(empty), *self._bands]).T
        rows = np.argsort(bands, axis=1, kind="stable")
        return {
            "signatures.npy": np.concatenate([empty, *self._signatures]),
            "bands.npy": np.take_along_axis(bands, rows, axis=1),
            "band_rows.npy": rows.astype(np.uint32),
        }


def _save(
    place: Workplace, number: int, facts: list[list[int]], origin: list[int], sketches: Sketches | None
) -> list[Any]:
    import numpy as np

    arrays = {"facts.npy": np.array(facts, np.uint64).reshape(-1, 5), "rows.npy": np.array(origin, np.uint64)}
    arrays |= sketches.arrays() if sketches else {}
    paths = []
    for what, array in arrays.items():
        paths.append(place.folder.file("clean", number, what))
        save_array(paths[-1], array)
    return paths
