"""Pass "lines": which lines come again and again on the same host, over the whole corpus. One task looks at one range of hashes.

A line counts once in a text, and exact duplicates do not count: a page under ten addresses repeats nothing. Holds the hashes of its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import read_shard, save_array
from samovar.corpus.build.folder import BuildFolder

if TYPE_CHECKING:
    import numpy as np

RANGE_LINES = 16_000_000  # lines whose hashes one task holds: 24 bytes each, measured


@lru_cache(maxsize=4096)
def host_hash(host: str) -> int:
    """Return the number that is mixed (by exclusive or) into the hashes of a host's lines."""
    import hashlib

    return int.from_bytes(hashlib.blake2b(host.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def save_lines(path: Path, hashes: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> int:
    """Write the lines of a split, sorted by hash, each once for a row: [n, 2] uint64 of hash and row; return how many."""
    import numpy as np

    order = np.lexsort((rows, hashes))
    table = np.stack((hashes[order], rows[order].astype(np.uint64)), axis=1)
    first = np.ones(len(table), bool)
    first[1:] = np.any(table[1:] != table[:-1], axis=1)
    save_array(path, table[first])
    return int(first.sum())


def find_repeated(
    folder: BuildFolder, num_shards: int, exact_parts: int, min_documents: int, part: int, parts: int, number: int
) -> tuple[list[Path], dict[str, Any]]:
    """Write the hashes of one range that at least `min_documents` texts have, sorted. Returns files and summary."""
    import numpy as np

    first, last = part * 2**64 // parts, (part + 1) * 2**64 // parts
    found = [np.zeros(0, np.uint64)]
    for shard in range(num_shards):
        lines = np.load(folder.file("read", shard, "lines.npy"), mmap_mode="r")
        start = np.searchsorted(lines[:, 0], np.uint64(first))
        end = len(lines) if last >= 2**64 else np.searchsorted(lines[:, 0], np.uint64(last))
        some = np.asarray(lines[start:end])
        found.append(some[~np.isin(some[:, 1], left_out_rows(folder, exact_parts, shard), kind="sort"), 0])
    hashes = np.sort(np.concatenate(found))
    repeated = hashes[: max(0, len(hashes) - min_documents + 1)]
    repeated = np.unique(repeated[repeated == hashes[min_documents - 1 :][: len(repeated)]])
    path = folder.file("lines", number, "repeated.npy")
    save_array(path, repeated)
    return [path], {"lines": len(hashes), "repeated": len(repeated)}


def left_out_rows(folder: BuildFolder, exact_parts: int, shard: int) -> np.ndarray[Any, Any]:
    """Return the rows of a split that are exact duplicates of others, sorted."""
    import numpy as np

    if not exact_parts:
        return np.zeros(0, np.uint64)
    table = read_shard(folder, "exact", exact_parts, "left_out.arrow", shard)
    return np.asarray(table.column("row").to_numpy()).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class Repeats:
    """The repeated lines of a split. `repeated`: their mixed hashes, sorted. `lines`: the hashes of all lines of all rows, in order; those of a
    row lie between two of `bounds`."""

    repeated: np.ndarray[Any, Any]
    lines: np.ndarray[Any, Any]
    bounds: np.ndarray[Any, Any]

    @classmethod
    def load(cls, folder: BuildFolder, lines_parts: int, shard: int) -> Repeats:
        """Read what the passes "read" and "lines" wrote."""
        import numpy as np

        lines = np.asarray(np.load(folder.file("read", shard, "hashes.npy"), mmap_mode="r"))
        counts = np.load(folder.file("read", shard, "counts.npy"))
        bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
        return cls(_repeated_in(folder, lines_parts, shard), lines, bounds)

    def find(
        self, rows: Sequence[int], hosts: Sequence[str]
    ) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
        """Return for each row the hashes of its lines, in order, 0 for one that is not looked at, and which of them are repeated on its host."""
        import numpy as np

        from samovar.corpus.stages.lines import is_among

        hashes = [self.lines[self.bounds[row] : self.bounds[row + 1]] for row in rows]
        sizes = list(map(len, hashes))
        joined = np.concatenate(hashes)
        mixed: np.ndarray[Any, Any] = joined ^ np.repeat(np.array(list(map(host_hash, hosts)), np.uint64), sizes)
        found = is_among(mixed, self.repeated) & (joined != 0)
        return hashes, np.split(found, np.cumsum(sizes)[:-1])


def _repeated_in(folder: BuildFolder, lines_parts: int, shard: int) -> np.ndarray[Any, Any]:
    """Return the mixed hashes of the repeated lines that a split has, sorted."""
    import numpy as np

    from samovar.corpus.stages.lines import is_among

    lines = np.asarray(np.load(folder.file("read", shard, "lines.npy")))[:, 0]
    hit = np.zeros(len(lines), bool)
    for number in range(lines_parts):
        hit |= is_among(lines, np.load(folder.file("lines", number, "repeated.npy"), mmap_mode="r"))
    return np.unique(lines[hit])
