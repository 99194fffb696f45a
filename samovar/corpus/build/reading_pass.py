"""Pass "read": the records of one split become items, with the hashes by which duplicates and repeated lines will be found.

Writes ``items.parquet``, ``ledger.parquet``, ``keys.npy`` (see `samovar.corpus.build.duplicates`), ``lines.npy`` (see
`samovar.corpus.build.repeats`), and the hashes of all lines in order: ``hashes.npy``, with the number of lines of each item in ``counts.npy``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import save_array
from samovar.corpus.build.commit import whole_file
from samovar.corpus.build.item import Item, Notes, Record
from samovar.corpus.build.recipe import STAGES, Recipe
from samovar.corpus.build.repeats import host_hash, save_lines
from samovar.corpus.build.tables import ITEM_COLUMNS, LEDGER_COLUMNS, TableWriter, dump, item_row, ledger_row
from samovar.corpus.build.workplace import Workplace, summarise
from samovar.corpus.inputs import open_split

if TYPE_CHECKING:
    import numpy as np

_EXTRACT = STAGES.index("extract")
DECLARED_LANGUAGE = "declared_language"


def read_split(place: Workplace, number: int) -> tuple[list[Any], dict[str, Any]]:
    """Do the task; return its files and its summary."""
    from samovar.corpus.stages.extract import Extract

    split = place.splits[number]
    recipe = place.recipe
    notes = Notes(split.source)
    seen, passed = Counter[str](), Counter[str]()
    extract = Extract(recipe.source_named(split.source), recipe.extract, clean=not recipe.has("repair"))
    stages = place.stages(("repair", "language"))
    items = place.folder.file("read", number, "items.parquet")
    ledger = place.folder.file("read", number, "ledger.parquet")
    prints = Fingerprints(recipe.has("exact"), recipe.lines if recipe.has("lines") else None)
    records = _watch(place, open_split(split, frozenset(place.poison.records), _begin(place), passed), seen)
    with whole_file(items) as file, TableWriter(file, ITEM_COLUMNS) as writer:
        for batch in place.batches((item.ordinal, item) for item in _count(extract.items(records, notes), seen)):
            kept = place.run(batch, stages, notes)
            for item in kept:
                if not recipe.has("language"):
                    item.language = item.metadata.pop(DECLARED_LANGUAGE, item.language)
                writer.add(item_row(item))
            prints.add(kept)
    place.beat.rest()
    rows = write_ledger(ledger, notes)
    files = [items, ledger, *prints.save(place, number)]
    return files, summarise(
        notes,
        records=seen["records"],
        seen=seen["items"] + _refused(notes, recipe),  # an archive is one record and holds several texts
        passed=dict(sorted(passed.items())),
        kept=writer.num_rows,
        chars=prints.num_chars,
        lines=prints.num_lines,
        ledger_rows=rows,
        num_bytes=split.num_bytes,
    )


def _refused(notes: Notes, recipe: Recipe) -> int:
    """Return how many texts ended in extraction (which cleans, where there is no stage for that)."""
    own = ("extract",) if recipe.has("repair") else ("extract", "repair")
    return sum(n for (stage, decision, _), n in notes.counts.items() if decision == "dropped" and stage in own)


def _begin(place: Workplace) -> Any:
    def begin(ordinal: int, uri: str) -> None:
        place.beat.address(uri)
        place.beat.say(ordinal, _EXTRACT)

    return begin


def _watch(place: Workplace, records: Iterator[Record], seen: Counter[str]) -> Iterator[Record]:
    """Count records, and give those that killed a worker the reason for it."""
    for record in records:
        seen["records"] += 1
        place.beat.address(record.uri)
        place.beat.records += 1
        if record.ordinal in place.poison.records:
            reason, value, _, uri = place.poison.records[record.ordinal]
            record = replace(record, uri=uri or record.uri, fault=(reason, value))
        yield record


def _count(items: Iterator[Item], seen: Counter[str]) -> Iterator[Item]:
    for item in items:
        seen["items"] += 1
        yield item


def write_ledger(path: Any, notes: Notes) -> int:
    """Write the rows of a task's notes; return how many.

    Sorted by address and stage: the order in which stages saw their batches, which differs when a task is done again in small ones, is gone.
    """
    ranks = {name: rank for rank, name in enumerate(STAGES)}
    with whole_file(path) as file, TableWriter(file, LEDGER_COLUMNS) as writer:
        for row in sorted(notes.rows, key=lambda row: (row.uri, ranks.get(row.stage, len(ranks)))):
            writer.add(ledger_row(row))
    return writer.num_rows


class Fingerprints:
    """The hashes of a split's texts and lines, gathered batch by batch."""

    def __init__(self, exact: bool, lines: Any) -> None:
        self._exact = exact
        self._lines = lines
        self._keys: list[np.ndarray[Any, Any]] = []
        self._hashes: list[np.ndarray[Any, Any]] = []
        self._rows: list[np.ndarray[Any, Any]] = []
        self._in_order: list[np.ndarray[Any, Any]] = []
        self._counts: list[int] = []
        self._num_rows = 0
        self.num_chars = 0
        self.num_lines = 0

    def add(self, items: list[Item]) -> None:
        """Hash the items that are written."""
        from samovar.corpus.stages.scan import batches_of

        for some in batches_of(items, lambda item: len(item.text)):
            self._add(some)

    def _add(self, items: list[Item]) -> None:
        import numpy as np

        from samovar.corpus.stages.exact import hash_scan
        from samovar.corpus.stages.scan import scan_texts

        scan = scan_texts([item.text for item in items]) if self._exact or self._lines else scan_texts([])
        keys = np.zeros((len(items), 4), np.uint64)
        if self._exact:
            keys[:, :2] = hash_scan(scan)
        keys[:, 2] = [identify_item(item) for item in items]
        keys[:, 3] = [len(item.text) for item in items]
        self._keys.append(keys)
        self.num_chars += int(keys[:, 3].sum())
        if self._lines:
            self._add_lines(items, scan)
        self._num_rows += len(items)

    def _add_lines(self, items: list[Item], scan: Any) -> None:
        import numpy as np

        from samovar.corpus.stages.lines import hash_lines_in

        hashes = hash_lines_in(scan, self._lines)
        rows = np.repeat(
            np.arange(self._num_rows, self._num_rows + len(items), dtype=np.uint32), list(map(len, hashes))
        )
        joined = np.concatenate(hashes)
        looked_at = np.flatnonzero(joined)
        hosts = np.array([host_hash(item.host) for item in items], np.uint64)
        rows = rows[looked_at]
        self._in_order.append(joined)
        self._counts += map(len, hashes)
        self._hashes.append(joined[looked_at] ^ hosts[rows - self._num_rows])
        self._rows.append(rows)

    def save(self, place: Workplace, number: int) -> list[Any]:
        """Write the files; return their paths."""
        import numpy as np

        keys = place.folder.file("read", number, "keys.npy")
        lines = place.folder.file("read", number, "lines.npy")
        save_array(keys, np.concatenate([np.zeros((0, 4), np.uint64), *self._keys]))
        hashes = np.concatenate([np.zeros(0, np.uint64), *self._hashes])
        self.num_lines = save_lines(lines, hashes, np.concatenate([np.zeros(0, np.uint32), *self._rows]))
        in_order = place.folder.file("read", number, "hashes.npy")
        counts = place.folder.file("read", number, "counts.npy")
        save_array(in_order, np.concatenate([np.zeros(0, np.uint64), *self._in_order]))
        save_array(counts, np.array(self._counts, np.uint32))
        return [keys, lines, in_order, counts]


def identify_item(item: Item) -> int:
    """Return a hash of everything in an item but its place in the input: the last word on which of two equals stays."""
    before = "\0".join((item.uri, item.title, ""))
    after = "\0".join(
        ("", item.language, item.published, item.publisher, item.origin, item.licence, dump(item.metadata))
    )
    found = hashlib.blake2b(before.encode("utf-8", "surrogatepass"), digest_size=8)
    found.update(item.text.encode("utf-8", "surrogatepass"))
    found.update(after.encode("utf-8", "surrogatepass"))
    return int.from_bytes(found.digest(), "little")
