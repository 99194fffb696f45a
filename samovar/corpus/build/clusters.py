"""Passes "clusters" and "near": who belongs together by the pairs of all tasks, and who of them stays.

Which document of a cluster stays is decided as for exact duplicates; its cluster counts the exact duplicates of its members too. "clusters"
is one task and holds 12 to 36 bytes (measured) for each document that is in a cluster, nothing for the others; a task of "near" holds the addresses of one
range of clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import Rows, join_keys, read_arrow, save_array, split_keys, write_arrow
from samovar.corpus.build.cleaning_pass import IDENTITY, LENGTH
from samovar.corpus.build.duplicates import SHOWN, Members, choose, fetch_uris
from samovar.corpus.build.workplace import Workplace

if TYPE_CHECKING:
    import numpy as np

RANGE_MEMBERS = 500_000  # documents in clusters that one task of "near" holds, with their addresses
_SLICE = 1_000_000


def find_clusters(place: Workplace, num_pairs: int) -> tuple[list[Path], dict[str, Any]]:
    """Join what the tasks of pass "pairs" joined. Writes the members of all clusters, cluster by cluster, and the first member of the cluster
    of each; the summary names the `cuts` between which tasks work."""
    import numpy as np

    from samovar.corpus.stages.near import join

    folder = place.folder
    tables = [np.load(folder.file("pairs", n, "joined.npy"), mmap_mode="r") for n in range(num_pairs)]
    members = _members(tables)
    parents = np.arange(len(members))
    for table in tables:
        for start in range(0, len(table), _SLICE):
            place.check()
            left, right = np.searchsorted(members, np.asarray(table[start : start + _SLICE])).T
            parents = join(parents, left, right)
    order = np.argsort(parents, kind="stable")
    paths = [folder.file("clusters", 0, what) for what in ("members.npy", "labels.npy")]
    save_array(paths[0], members[order])
    save_array(paths[1], members[parents[order]])
    starts = np.flatnonzero(parents == np.arange(len(parents)))
    first = np.searchsorted(parents[order], starts)
    wanted = np.searchsorted(first, np.arange(RANGE_MEMBERS, len(members), RANGE_MEMBERS))
    cuts = sorted({0, len(members), *first[wanted[wanted < len(first)]].tolist()})
    return paths, {"members": len(members), "clusters": len(starts), "cuts": cuts}


def _members(tables: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Return all documents that are in a pair, sorted."""
    import numpy as np

    found = np.zeros(0, np.uint64)
    waiting: list[np.ndarray[Any, Any]] = []
    for table in tables:
        for start in range(0, len(table), _SLICE):
            waiting.append(_distinct(np.array(table[start : start + _SLICE]).ravel()))
            if sum(map(len, waiting)) > max(_SLICE, len(found) // 2):
                found, waiting = _distinct(np.concatenate([found, *waiting])), []
    return _distinct(np.concatenate([found, *waiting]))


def _distinct(keys: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the different ones, sorted; numpy's own `unique` hashes them first, which takes ten times as long."""
    import numpy as np

    keys.sort()
    first = np.ones(len(keys), bool)
    first[1:] = keys[1:] != keys[:-1]
    return keys[first]


def find_near(
    place: Workplace, start: int, end: int, exact_parts: int, number: int
) -> tuple[list[Path], dict[str, Any]]:
    """Choose who stays in the clusters between two cuts. Writes who is left out (key, representative, its address) and the clusters of those
    who stay (key, size, addresses). Returns files and summary."""
    import numpy as np

    labels, members = (
        np.array(np.load(place.folder.file("clusters", 0, what), mmap_mode="r")[start:end])
        for what in ("labels.npy", "members.npy")
    )
    by_key = np.argsort(members)
    keys = members[by_key]
    facts = Rows(place.folder, "clean", "facts.npy").take(keys)
    left_out, clusters = choose(
        Members(
            keys,
            labels[by_key],
            np.asarray(place.priorities, np.int64)[split_keys(keys)[0]],
            facts[:, LENGTH],
            facts[:, IDENTITY],
            fetch_uris(place.folder, "clean", "documents.parquet", keys),
        )
    )
    clusters = join_exact(place, keys, left_out, clusters, exact_parts)
    paths = [place.folder.file("near", number, what) for what in ("left_out.arrow", "clusters.arrow")]
    for path, table in zip(paths, (left_out, clusters), strict=True):
        write_arrow(path, table)
    return paths, {"near": left_out.num_rows, "clusters": clusters.num_rows}


def join_exact(place: Workplace, keys: np.ndarray[Any, Any], left_out: Any, clusters: Any, exact_parts: int) -> Any:
    """Add to clusters the exact duplicates of their members (`keys`, sorted). What is in no near cluster is no affair of this pass."""
    import numpy as np
    import pyarrow as pa

    exact = _exact_clusters(place, keys, exact_parts)
    if not exact:
        return clusters
    gone, stays = (left_out.column(name).to_numpy() for name in ("key", "representative"))
    tops = clusters.column("key").to_numpy()
    size = np.array(clusters.column("size").to_numpy())
    more: dict[int, list[str]] = {}
    for key, (number, uris) in sorted(exact.items(), key=lambda pair: (pair[1][1], pair[0])):
        place_ = int(np.searchsorted(gone, np.uint64(key)))
        top = stays[place_] if place_ < len(gone) and gone[place_] == key else np.uint64(key)
        row = int(np.searchsorted(tops, top))
        size[row] += number - 1
        shown = more.get(row)
        more[row] = [*(clusters.column("uris")[row].as_py() if shown is None else shown), *uris][:SHOWN]
    changed = np.zeros(len(tops), bool)
    changed[list(more)] = True
    lists = pa.array([more[row] for row in sorted(more)], pa.list_(pa.string()))
    places = np.where(changed, len(tops) + np.cumsum(changed) - 1, np.arange(len(tops)))
    uris = pa.concat_arrays([clusters.column("uris").combine_chunks(), lists]).take(pa.array(places))
    return pa.table({"key": tops, "size": size, "uris": uris})


def _exact_clusters(place: Workplace, keys: np.ndarray[Any, Any], exact_parts: int) -> dict[int, tuple[int, list[str]]]:
    """Return, of some documents, those that stand for exact duplicates: their size and addresses.

    An exact cluster is known by the row of the item in pass "read"; documents are numbered anew in pass "clean".
    """
    import numpy as np

    found: dict[int, tuple[int, list[str]]] = {}
    if not exact_parts:
        return found
    rows = Rows(place.folder, "clean", "rows.npy").take(keys)
    wanted = join_keys(split_keys(keys)[0], rows)
    for number in range(exact_parts):
        table = read_arrow(place.folder.file("exact", number, "clusters.arrow"))
        there = table.column("key").to_numpy()
        if not len(there):
            continue
        at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        for document in np.flatnonzero(there[at] == wanted):
            row = int(at[document])
            found[int(keys[document])] = (table.column("size")[row].as_py(), table.column("uris")[row].as_py())
    return found
