"""Numbers on the disk: arrays and tables that are mapped, searched by key and read in part. Knows nothing of what they mean."""

from __future__ import annotations

import math
import mmap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.commit import whole_file
from samovar.corpus.build.folder import BuildFolder
from samovar.corpus.build.tasks import ROW_BITS

if TYPE_CHECKING:
    import numpy as np


def runs(values: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """Return start and end of every run of equal neighbours."""
    import numpy as np

    if not len(values):
        return []
    starts = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()]
    return list(pairwise([*starts, len(values)]))


def split_keys(keys: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the split and the row that each key stands for (int64); `join_keys` turns them back."""
    import numpy as np

    return (keys >> np.uint64(ROW_BITS)).astype(np.int64), (keys & np.uint64(2**ROW_BITS - 1)).astype(np.int64)


def join_keys(shards: int | np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the keys (uint64) of rows of one split, or of the split of each."""
    import numpy as np

    return np.asarray(np.asarray(shards, np.uint64) << np.uint64(ROW_BITS) | rows.astype(np.uint64))


def save_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    """Write an array to be mapped."""
    import numpy as np

    with whole_file(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


class Rows:
    """The rows of an array that lies in a file of each split, by key. A file is mapped only while rows are taken from it."""

    def __init__(self, folder: BuildFolder, stage: str, what: str) -> None:
        self._folder = folder
        self._stage = stage
        self._what = what
        self._heads: dict[int, tuple[tuple[int, ...], Any, int]] = {}

    def take(self, keys: np.ndarray[Any, Any], column: int | None = None) -> np.ndarray[Any, Any]:
        """Return rows, or one column of them; `keys` are sorted, and there is at least one."""
        import numpy as np

        shards, rows = split_keys(keys)
        pieces = []
        for start, end in runs(shards):
            array = self.of_split(int(shards[start]))
            pieces.append(array[rows[start:end]] if column is None else array[rows[start:end], column])
        return np.concatenate(pieces)

    def of_split(self, shard: int) -> np.ndarray[Any, Any]:
        """Return the mapped array of a split."""
        import numpy as np

        with self._folder.file(self._stage, shard, self._what).open("rb") as file:
            if shard not in self._heads:  # `numpy.load` reads it each time, which takes longer than to map the file
                np.lib.format.read_magic(file)
                shape, _, kind = np.lib.format.read_array_header_1_0(file)
                self._heads[shard] = (shape, kind, file.tell())
            shape, kind, start = self._heads[shard]
            if 0 in shape:
                return np.zeros(shape, kind)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, kind, math.prod(shape), start).reshape(shape)


def write_arrow(path: Path, table: Any) -> None:
    """Write a table as an Arrow file of one batch, to be mapped and searched."""
    import pyarrow as pa

    with whole_file(path) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_arrow(path: Path) -> Any:
    """Return a table written by `write_arrow`, mapped: only what is looked at is read."""
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()


def read_range(path: Path, first: int, last: int) -> Any:
    """Return the rows of a table written by `write_arrow` with first ≤ key < last; only they are read."""
    import numpy as np

    table = read_arrow(path)
    keys = table.column("key").to_numpy()
    start, end = (int(np.searchsorted(keys, np.uint64(bound))) for bound in (first, last))
    return table.slice(start, end - start)


def read_shard(folder: BuildFolder, stage: str, num_parts: int, what: str, shard: int) -> Any:
    """Return the rows of a split from all files of a global pass, of which there are some, sorted by key; "row" is the row in the split."""
    import numpy as np
    import pyarrow as pa

    first = shard << ROW_BITS
    found = [read_range(folder.file(stage, n, what), first, first + (1 << ROW_BITS)) for n in range(num_parts)]
    table = pa.concat_tables(found).sort_by("key")
    rows = (table.column("key").to_numpy() - np.uint64(first)).astype(np.int64)
    return table.append_column("row", pa.array(rows))
