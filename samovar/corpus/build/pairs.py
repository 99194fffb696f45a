"""Pass "pairs": which documents are near duplicates of which, over the whole corpus. One task looks at one range of the keys of some bands.

It holds the keys of its range (40 to 62 bytes each, measured), the signatures of the pairs that are looked at together, and the
documents that it joined; splits are mapped one at a time. What it writes is a forest: the documents that it joined, and under which one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import Rows, join_keys, save_array
from samovar.corpus.build.tasks import Task
from samovar.corpus.build.workplace import Workplace

if TYPE_CHECKING:
    import numpy as np

RANGE_KEYS = 4_000_000  # keys of a band that one task holds
LEAST_KEYS = 250_000  # keys that make a task worth its while: of a small corpus it looks at several bands
_TIES = 65_536  # documents of a large bucket whose signatures are asked for together


def pair_tasks(num_documents: int, bands: int) -> list[Task]:
    """Return the tasks of the pass: they depend on the number of documents alone, not on who will do them."""
    parts = 1 + num_documents // RANGE_KEYS
    units = [[band, part] for band in range(bands) for part in range(parts)]
    each = max(1, LEAST_KEYS * parts // max(1, num_documents))
    groups = [units[start : start + each] for start in range(0, len(units), each)]
    size = 1 + num_documents // parts
    return [Task("pairs", n, size * len(group), {"units": group, "parts": parts}) for n, group in enumerate(groups)]


def find_pairs(
    place: Workplace, units: Sequence[Sequence[int]], parts: int, number: int
) -> tuple[list[Path], dict[str, Any]]:
    """Compare the documents that share a key of these bands and ranges; write those that were joined. Returns files and summary."""
    import numpy as np

    from samovar.corpus.stages.near import Forest, candidates, least_agreement

    options = place.recipe.near
    floor = least_agreement(options.threshold, options.bands * options.rows)
    signatures = Signatures(place)
    forest = Forest()
    compared = 0
    for band, part in units:
        keys, documents = _load(place, band, part, parts)
        for one, other in candidates(keys, lambda places, documents=documents: signatures.first(documents[places])):  # type: ignore[misc]
            place.check()
            left, right = documents[one], documents[other]
            apart = forest.apart(left, right)
            left, right = left[apart], right[apart]
            if len(left):
                close = signatures.agreement(left, right) >= floor
                forest.add(left[close], right[close])
                compared += len(left)
    forest.settle()
    joined = forest.members != forest.roots
    path = place.folder.file("pairs", number, "joined.npy")
    save_array(path, np.stack((forest.members[joined], forest.roots[joined]), axis=1))
    return [path], {"compared": compared, "joined": int(joined.sum())}


def _load(place: Workplace, band: int, part: int, parts: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the keys of one band that lie in a range, sorted, and whose they are; equal keys in the order of the documents."""
    import numpy as np

    bounds = [np.uint64(part * 2**64 // parts), None if part + 1 == parts else np.uint64((part + 1) * 2**64 // parts)]
    tables, rows = Rows(place.folder, "clean", "bands.npy"), Rows(place.folder, "clean", "band_rows.npy")
    places = []
    for shard in range(len(place.splits)):
        keys = tables.of_split(shard)[band]
        start, end = (len(keys) if bound is None else int(np.searchsorted(keys, bound)) for bound in bounds)
        places.append((start, end))
    count = sum(end - start for start, end in places)
    found, documents = np.empty(count, np.uint64), np.empty(count, np.uint64)
    done = 0
    for shard, (start, end) in enumerate(places):
        until = done + end - start
        found[done:until] = tables.of_split(shard)[band, start:end]
        documents[done:until] = join_keys(shard, rows.of_split(shard)[band, start:end])
        done = until
    order = np.argsort(found, kind="stable")  # runs that are sorted already: half the time of any other kind
    return found[order], documents[order]


class Signatures:
    """The signatures of all documents, which stay on the disk."""

    def __init__(self, place: Workplace) -> None:
        self._rows = Rows(place.folder, "clean", "signatures.npy")

    def agreement(self, left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return how far the signatures of pairs agree; they are read in the order in which they lie there."""
        import numpy as np

        from samovar.corpus.stages.near import agreement

        keys, places = np.unique(np.concatenate((left, right)), return_inverse=True)
        return agreement(self._rows.take(keys), places[: len(left)], places[len(left) :])

    def first(self, documents: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the first number of some signatures."""
        import numpy as np

        order = np.argsort(documents, kind="stable")
        found = np.empty(len(documents), np.uint32)
        for start in range(0, len(order), _TIES):
            some = order[start : start + _TIES]
            found[some] = self._rows.take(documents[some], 0)
        return found
