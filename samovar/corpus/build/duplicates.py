"""Pass "exact": which texts have the same letters and digits, over the whole corpus. One task looks at one range of hashes.

Of the texts in a cluster the one stays that comes first in an order that does not depend on the order of the inputs: higher priority of
the source, longer text, smaller address, smaller hash of everything in it. Holds hashes and keys of its range, addresses of duplicates only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import join_keys, runs, split_keys, write_arrow
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.tables import read_column

if TYPE_CHECKING:
    import numpy as np

RANGE_ROWS = 4_000_000  # texts whose hashes one task holds: 84 to 108 bytes each, measured
SHOWN = 20  # addresses of left-out members kept with a document

HI, LO, IDENTITY, LENGTH = range(4)
"""The columns of ``keys.npy``: two halves of the text's hash, the hash of everything in the item, the length of the text."""


@dataclass(frozen=True, slots=True)
class Members:
    """Documents that belong together: `keys` (uint64), the number of the cluster of each, and what decides which one stays."""

    keys: np.ndarray[Any, Any]
    groups: np.ndarray[Any, Any]
    priorities: np.ndarray[Any, Any]
    lengths: np.ndarray[Any, Any]
    identities: np.ndarray[Any, Any]
    uris: Any

    def ranked(self) -> np.ndarray[Any, Any]:
        """Return the order: by cluster, then who stays first."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.table(
            {
                "group": self.groups,
                "priority": -self.priorities.astype(np.int64),
                "length": -self.lengths.astype(np.int64),
                "uri": self.uris,
                "identity": self.identities,
                "key": self.keys,
            }
        )
        return np.asarray(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]))


def find_exact(
    folder: BuildFolder, priorities: Sequence[int], part: int, parts: int, number: int
) -> tuple[list[Path], dict[str, Any]]:
    """Find the duplicates among the hashes of one range; `priorities` are those of the splits' sources. Returns files and summary."""
    import numpy as np

    keys, table = _load(folder, len(priorities), part, parts)
    order = np.lexsort((table[:, LO], table[:, HI]))
    same = np.all(table[order[1:], :2] == table[order[:-1], :2], axis=1) if len(order) else np.zeros(0, bool)
    in_cluster = np.zeros(len(order), bool)
    in_cluster[1:] |= same
    in_cluster[:-1] |= same
    starts = np.cumsum(np.r_[True, ~same]) if len(order) else np.zeros(0, int)
    chosen = order[in_cluster]
    groups = starts[in_cluster]
    members = Members(
        keys[chosen],
        groups,
        np.asarray(priorities, np.int64)[split_keys(keys[chosen])[0]],
        table[chosen, LENGTH],
        table[chosen, IDENTITY],
        fetch_uris(folder, "read", "items.parquet", keys[chosen]),
    )
    left_out, clusters = choose(members)
    paths = [folder.file("exact", number, "left_out.arrow"), folder.file("exact", number, "clusters.arrow")]
    for path, made in zip(paths, (left_out, clusters), strict=True):
        write_arrow(path, made)
    return paths, {"texts": len(keys), "duplicates": left_out.num_rows, "clusters": clusters.num_rows}


def _load(
    folder: BuildFolder, num_shards: int, part: int, parts: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the keys and rows of ``keys.npy`` of all splits whose hash lies in the range."""
    import numpy as np

    keys, tables = [np.zeros(0, np.uint64)], [np.zeros((0, 4), np.uint64)]
    for shard in range(num_shards):
        table = np.load(folder.file("read", shard, "keys.npy"), mmap_mode="r")
        rows = np.flatnonzero(table[:, HI] % np.uint64(parts) == part) if parts > 1 else np.arange(len(table))
        keys.append(join_keys(shard, rows))
        tables.append(np.asarray(table[rows] if parts > 1 else table))
    return np.concatenate(keys), np.concatenate(tables)


def fetch_uris(folder: BuildFolder, stage: str, what: str, keys: np.ndarray[Any, Any]) -> Any:
    """Return the addresses of some documents, in the order of `keys`; a split's column is in memory at a time."""
    import numpy as np
    import pyarrow as pa

    order = np.argsort(keys, kind="stable")
    shards, rows = split_keys(keys[order])
    pieces = [pa.array([], pa.string())]
    for start, end in runs(shards):
        pieces.append(read_column(folder.file(stage, int(shards[start]), what), "uri").take(pa.array(rows[start:end])))
    back = np.empty(len(keys), np.int64)
    back[order] = np.arange(len(keys))
    return pa.concat_arrays(pieces).take(pa.array(back))


def choose(members: Members) -> tuple[Any, Any]:
    """Return two Arrow tables sorted by key: those left out (key, representative, uri of the representative) and the clusters
    (key of the representative, size, uris of up to `SHOWN` left out)."""
    import numpy as np
    import pyarrow as pa

    order = members.ranked()
    groups, keys = members.groups[order], members.keys[order]
    uris = members.uris.take(pa.array(order))
    first = np.r_[True, groups[1:] != groups[:-1]] if len(groups) else np.zeros(0, bool)
    starts = np.flatnonzero(first)
    sizes = np.diff(np.r_[starts, len(groups)])
    of = np.repeat(starts, sizes)  # the place of each one's representative
    left = np.flatnonzero(~first)
    left = left[np.argsort(keys[left], kind="stable")]
    left_out = pa.table({"key": keys[left], "representative": keys[of[left]], "uri": uris.take(pa.array(of[left]))})
    by_key = np.argsort(keys[starts], kind="stable")
    counts = np.minimum(sizes[by_key] - 1, SHOWN)
    bounds = np.r_[0, np.cumsum(counts)]
    shown = np.repeat(starts[by_key] + 1 - bounds[:-1], counts) + np.arange(bounds[-1])
    clusters = pa.table(
        {
            "key": keys[starts[by_key]],
            "size": sizes[by_key].astype(np.int64),
            "uris": pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), uris.take(pa.array(shown))),
        }
    )
    return left_out, clusters
