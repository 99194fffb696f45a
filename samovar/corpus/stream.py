"""The documents of a built corpus in an order for training: shuffled, shared out among ranks, taken up again in the middle.

    for document in stream_documents(Path("corpus"), rank=0, world=8, seed=1, epoch=0): ...

The order of an epoch is one sequence that depends on the corpus, `seed` and `epoch` alone: row groups in a shuffled order, the rows of a few
neighbouring ones shuffled together. Each rank takes one stretch of it, so ranks have nothing in common, together have everything, and
none reads much that is another's. Where a rank stands is one number: how many documents it has taken. A source whose `weight` is above 1
comes so many times in an epoch: 2.5 is twice every document and once more half of them, drawn anew each epoch; a copy of a row group is
shuffled like a row group of its own. (Weights below 1 have thinned out the corpus when it was built.) Knows no tokenizer and no model.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samovar.corpus.build.caps import shuffle
from samovar.corpus.build.reading import Corpus, open_corpus
from samovar.corpus.build.tables import DOCUMENT_COLUMNS
from samovar.corpus.document import Document
from samovar.errors import CorpusError, UsageError

if TYPE_CHECKING:
    import numpy as np

MAX_WEIGHT = 1000
WINDOW = 4
"""Row groups that are shuffled together: at most 2,000 documents or 8 million characters each, see `samovar.corpus.build.tables`."""


@dataclass(frozen=True, slots=True)
class Group:
    """One row group of a file of documents, or a copy of it: `rows` are those of them that take part, of `total`; `copy` counts from 0."""

    path: Path
    number: int
    rows: int
    total: int = 0
    copy: int = 0


class Epoch:
    """The order of one pass over a corpus. `windows` are groups of row groups, in the order they are read. `weights`: how often each source
    comes (at least once), None: what the recipe of the corpus said."""

    def __init__(
        self,
        corpus: Corpus,
        seed: int = 0,
        epoch: int = 0,
        window: int = WINDOW,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if min(seed, epoch) < 0 or window < 1:
            raise UsageError(
                f"expected seed and epoch of at least 0 and a window of at least 1, found {seed}, {epoch} and {window}"
            )
        groups = [group for shard in corpus.shards for group in read_groups(shard.path)]
        self._seed = _mix(seed, epoch)
        self._weights = _choose_weights(corpus, weights)
        if self._weights:
            groups = [copy for group in groups for copy in _copies(group, self._weights, self._seed)]
        order = permute(len(groups), self._seed)
        shuffled = [groups[i] for i in order.tolist()]
        self.windows = tuple(tuple(shuffled[i : i + window]) for i in range(0, len(shuffled), window))
        sizes = (sum(group.rows for group in groups) for groups in self.windows)
        self._starts: list[int] = [0, *accumulate(sizes)]

    def __len__(self) -> int:
        return self._starts[-1]

    def share(self, rank: int, world: int) -> range:
        """Return the places of the sequence that belong to one of `world` ranks; shares differ by one document at most.

        Raises:
            UsageError: there is no such rank.
        """
        if not 0 <= rank < world:
            raise UsageError(f"expected a rank from 0 to {world - 1}, found {rank}: ranks count from 0 to world - 1")
        return range(len(self) * rank // world, len(self) * (rank + 1) // world)

    def documents(self, places: range) -> Iterator[Document]:
        """Yield the documents at some places of the sequence; one window is in memory at a time."""
        for number in range(bisect_right(self._starts, places.start) - 1, len(self.windows)):
            first, after = self._starts[number], self._starts[number + 1]
            if first >= places.stop:
                return
            order = permute(after - first, _mix(self._seed, number + 1))
            wanted = order[max(0, places.start - first) : places.stop - first]
            if len(wanted):
                yield from read_window(self.windows[number], wanted.tolist(), self._weights, self._seed)


def stream_documents(
    path: Path,
    rank: int = 0,
    world: int = 1,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    weights: Mapping[str, float] | None = None,
) -> Iterator[Document]:
    """Yield one rank's documents of an epoch, from its number `start` on: what a rank that was stopped after `start` documents has left.
    `weights` as in `Epoch`.

    Raises:
        CorpusError: the corpus is not finished or damaged.
        UsageError: there is no such rank or source, or `start` is below 0.
    """
    if start < 0:
        raise UsageError(f"expected a start of at least 0, found {start}: it counts the documents already taken")
    order = Epoch(open_corpus(path), seed, epoch, weights=weights)
    share = order.share(rank, world)
    yield from order.documents(range(min(share.start + start, share.stop), share.stop))


def _choose_weights(corpus: Corpus, weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return the weights above 1.

    Raises:
        UsageError: a weight is of no source of the corpus, or is no number to repeat by.
    """
    sources = corpus.manifest["sources"]
    if weights is None:
        weights = {name: float(about.get("weight", 1)) for name, about in sources.items()}
    if strange := sorted(set(weights) - set(sources)):
        raise UsageError(
            f"expected weights of {', '.join(sources)}, found one of {', '.join(strange)}: correct its name"
        )
    if wrong := sorted(name for name, weight in weights.items() if not 0 <= weight <= MAX_WEIGHT):
        raise UsageError(f"expected weights from 0 to {MAX_WEIGHT}, found another for {', '.join(wrong)}: lower it")
    return {name: weight for name, weight in weights.items() if weight > 1}


def _copies(group: Group, weights: Mapping[str, float], seed: int) -> Iterator[Group]:
    """Yield a group and its copies that have rows."""
    sources = _read_sources(group)
    for copy in range(ceil(max((weights.get(name, 1.0) for name in set(sources)), default=1.0))):
        rows = len(_rows_of(group, copy, sources, weights, seed)) if copy else group.rows
        if rows or not copy:
            yield replace(group, rows=rows, total=group.rows, copy=copy)


def _rows_of(
    group: Group, copy: int, sources: list[str], weights: Mapping[str, float], seed: int
) -> np.ndarray[Any, Any]:
    """Return the numbers of the rows that take part in a copy (not the first) of a group."""
    import numpy as np

    shares = {name: min(1.0, max(0.0, weight - copy)) for name, weight in weights.items()}
    share = np.array([shares.get(name, 0.0) for name in sources])
    drawn = shuffle(np.arange(len(sources), dtype=np.uint64), _mix(seed, _seed_of(group, copy)))
    return np.flatnonzero((share >= 1) | (drawn.astype(np.float64) < share * 2.0**64))


def _seed_of(group: Group, copy: int) -> int:
    """Return a number of a copy of a group that does not depend on where the corpus lies."""
    name = f"{group.path.name}/{group.number}/{copy}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _read_sources(group: Group) -> list[str]:
    """Return the source of each row: from the statistics of the file where all rows have the same one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(group.path, memory_map=True, pre_buffer=False) as file:
            column = file.schema_arrow.get_field_index("source")
            statistics = file.metadata.row_group(group.number).column(column).statistics
            if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
                return [str(statistics.min)] * group.rows
            table = file.read_row_group(group.number, columns=["source"], use_threads=False)
            return [str(name) for name in table.column(0).to_pylist()]
    except (OSError, pa.ArrowException) as error:
        raise _damaged(group.path, error) from error


def permute(num: int, seed: int) -> np.ndarray[Any, Any]:
    """Return 0 … num - 1 in an order that depends on `seed` alone: sorted by hash, so that no version of numpy changes it."""
    import numpy as np

    return np.argsort(shuffle(np.arange(num, dtype=np.uint64), seed), kind="stable")


def _mix(seed: int, number: int) -> int:
    """Return a seed of its own for each number."""
    import numpy as np

    return int(shuffle(np.array([number], np.uint64), seed)[0])


def read_groups(path: Path) -> list[Group]:
    """Return the row groups of a file.

    Raises:
        CorpusError: it is not readable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    return [Group(path, n, about.row_group(n).num_rows) for n in range(about.num_row_groups)]


def read_window(
    groups: tuple[Group, ...], wanted: list[int], weights: Mapping[str, float], seed: int
) -> Iterator[Document]:
    """Yield some documents of a window: rows are counted through its groups, of copies only those that take part.

    Raises:
        CorpusError: a file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for group in groups:
        try:
            with pq.ParquetFile(group.path, memory_map=True, pre_buffer=False) as file:
                table = file.read_row_group(group.number, columns=list(DOCUMENT_COLUMNS), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(group.path, error) from error
        if group.copy:
            table = table.take(_rows_of(group, group.copy, table.column("source").to_pylist(), weights, seed))
        tables.append(table)
    chosen = pa.concat_tables(tables).select(DOCUMENT_COLUMNS)
    for at in range(0, len(wanted), 256):
        columns = [column.to_pylist() for column in chosen.take(wanted[at : at + 256]).columns]
        for values in zip(*columns, strict=True):
            yield make_row_document(values)


def make_row_document(values: Sequence[Any]) -> Document:
    """Return the document of a row of `DOCUMENT_COLUMNS`."""
    fields = dict(zip(DOCUMENT_COLUMNS, values, strict=True))
    return Document(**fields | {"metadata": json.loads(fields["metadata"])})


def _damaged(path: Path, error: Exception) -> CorpusError:
    return CorpusError(f"expected a readable Parquet file, found: {error} ({path}). Build again with --fresh.")
