"""Pass "lines": which lines come again and again on the same host, over the whole corpus. One task looks at one range of hashes.

A line counts once in a text, and exact duplicates do not count: a page under ten addresses repeats nothing. Holds the hashes of its range.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.arrays import read_shard, runs, save_array
from samovar.corpus.build.folder import BuildFolder

if TYPE_CHECKING:
    import numpy as np

RANGE_LINES = 16_000_000  # lines whose hashes one task holds: 24 bytes each while sorting


def host_hash(host: str) -> int:
    """Return the number that is mixed (by exclusive or) into the hashes of a host's lines."""
    import hashlib

    return int.from_bytes(hashlib.blake2b(host.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def save_lines(path: Path, hashes: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> None:
    """Write the lines of a split, sorted by hash: [n, 2] uint64 of hash and row."""
    import numpy as np

    order = np.lexsort((rows, hashes))
    save_array(path, np.stack((hashes[order], rows[order].astype(np.uint64)), axis=1))


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


def repeated_by_row(folder: BuildFolder, lines_parts: int, shard: int) -> dict[int, np.ndarray[Any, Any]]:
    """Return, for each row of a split that has some, the sorted mixed hashes of its repeated lines."""
    import numpy as np

    lines = np.asarray(np.load(folder.file("read", shard, "lines.npy")))
    hit = np.zeros(len(lines), bool)
    for number in range(lines_parts):
        repeated = np.load(folder.file("lines", number, "repeated.npy"), mmap_mode="r")
        if len(repeated) and len(lines):
            place = np.minimum(np.searchsorted(repeated, lines[:, 0]), len(repeated) - 1)
            hit |= repeated[place] == lines[:, 0]
    some = lines[hit]
    some = some[np.lexsort((some[:, 0], some[:, 1]))]
    return {int(some[start, 1]): some[start:end, 0] for start, end in runs(some[:, 1])}
