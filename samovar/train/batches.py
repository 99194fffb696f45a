"""Sequences for training, by number: what the n-th sequence of a run is depends on the tokens and the seed, on nothing else.

The tokens of a split are one stream, cut into windows of `seq_len` + 1 that overlap by one token: each token but the first is predicted
exactly once an epoch. Epochs follow each other without end, each in its own order: a seeded permutation that is computed, not stored. So a
run is resumed by one number, and its order does not change with the number of processes: rank r of w takes its slice of each batch.
Knows no models. Source of the permutation: Luby & Rackoff 1988 (four rounds of a Feistel network); cycle walking: Black & Rogaway 2002.
"""

from __future__ import annotations

import queue
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from samovar.errors import ShardError
from samovar.train.shards import Split, map_shard, read_index

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from samovar.train.tokenizer import Tokenizer

    Numbers = npt.NDArray[np.uint64]
    Tokens = npt.NDArray[np.int64]

Read = TypeVar("Read", covariant=True)

_ROUNDS = 4
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # splitmix64 (Steele, Lea & Flood 2014)
_STEP = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


class Batches:
    """The sequences of one split of a folder of shards. Safe to read from several threads.

    `tokenizer_sha256` refuses tokens of another tokenizer; `verify` reads every shard once and compares its hash.
    """

    def __init__(
        self, folder: Path, split: Split, seq_len: int, *, seed: int = 0, tokenizer_sha256: str = "", verify: bool = False
    ) -> None:  # fmt: skip
        self.index = read_index(folder, tokenizer_sha256=tokenizer_sha256, verify=verify)
        self._folder = folder
        self.seq_len = seq_len
        self.seed = seed
        shards = [shard for shard in self.index.splits[split] if shard.num_tokens]
        self.num_tokens = sum(shard.num_tokens for shard in shards)
        self.num_sequences = max(0, self.num_tokens - 1) // seq_len
        if self.num_sequences < 1:
            larger = ", or set more of it aside (samovar train prepare --validation 100)" if split == "val" else ""
            raise ShardError(
                f"expected at least {seq_len + 1:,} tokens in the split {split} of {folder}, found {self.num_tokens:,}: "
                f"prepare more text{larger}, or train with shorter sequences"
            )
        self._arrays = [map_shard(folder / shard.file, self.index.dtype) for shard in shards]
        self._starts = [0, *accumulate(shard.num_tokens for shard in shards)]

    @property
    def eot(self) -> int:
        """The id that ends each document."""
        return self.index.eot

    def numbers(self, cursor: int, count: int) -> Numbers:
        """Return which windows the sequences `cursor` … `cursor` + `count` - 1 of the run are, [count]."""
        import numpy as np

        out = np.empty(count, np.uint64)
        done = 0
        while done < count:
            epoch, place = divmod(cursor + done, self.num_sequences)
            some = min(count - done, self.num_sequences - place)
            places = np.arange(place, place + some, dtype=np.uint64)
            out[done : done + some] = permute(places, self.num_sequences, self.seed, epoch)
            done += some
        return out

    def read(self, cursor: int, count: int) -> Tokens:
        """Return the sequences `cursor` … `cursor` + `count` - 1 of the run, int64 [count, seq_len + 1]."""
        return self._gather(self.numbers(cursor, count))

    def read_in_order(self, first: int, count: int) -> Tokens:
        """Return the windows `first` … of the stream as it lies, at most `count`: for validation. int64 [≤ count, seq_len + 1]."""
        import numpy as np

        return self._gather(np.arange(first, min(first + count, self.num_sequences), dtype=np.uint64))

    def _gather(self, numbers: Numbers) -> Tokens:
        import numpy as np

        out = np.empty((len(numbers), self.seq_len + 1), np.int64)
        for row, number in enumerate(numbers.tolist()):
            self._copy(number * self.seq_len, out[row])
        if len(out) and int(out.max()) >= self.index.vocab_size:
            raise ShardError(
                f"expected ids below {self.index.vocab_size:,} in the shards of {self._folder}, found {int(out.max()):,}: a file was damaged "
                "after the start; copy or prepare the tokens again, then give the same command: it goes on"
            )
        return out

    def _copy(self, start: int, row: Tokens) -> None:
        """Fill a row from the stream, over the border of shards where it must."""
        done = 0
        shard = bisect_right(self._starts, start) - 1
        while done < len(row):
            place = start + done - self._starts[shard]
            piece = self._arrays[shard][place : place + len(row) - done]
            row[done : done + len(piece)] = piece
            done += len(piece)
            shard += 1


def permute(numbers: Numbers, size: int, seed: int, epoch: int) -> Numbers:
    """Return where each of some numbers below `size` goes in the order of an epoch: a permutation of 0 … size - 1."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = [_mix(_mix(seed * _STEP + epoch) + number) for number in range(_ROUNDS)]
    out = _feistel(numbers, half, keys)
    while len(outside := (out >= size).nonzero()[0]):
        out[outside] = _feistel(out[outside], half, keys)
    return out


def _feistel(numbers: Numbers, half: int, keys: list[int]) -> Numbers:
    """Permute numbers of 2 · `half` bits."""
    import numpy as np

    bits, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = numbers >> bits, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mix_array(right ^ np.uint64(key)) & mask)
    return (left << bits) | right


def _mix_array(values: Numbers) -> Numbers:
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX[0])
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX[1])
    return values ^ (values >> np.uint64(31))


def _mix(value: int) -> int:
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _MIX[0]) & _MASK
    value = ((value ^ (value >> 27)) * _MIX[1]) & _MASK
    return value ^ (value >> 31)


def token_bytes(tokenizer: Tokenizer) -> npt.NDArray[np.int64]:
    """Return the UTF-8 bytes of each id, 0 for specials, [vocabulary]: bits per byte = nats / ln 2 / bytes of the predicted tokens."""
    return tokenizer.token_bytes()


# -- reading ahead --------------------------------------------------------------------------------------------------
class Readable(Protocol[Read]):
    """Rows by number, such as `Batches`; read from another thread."""

    def read(self, cursor: int, count: int) -> Read:
        """Return the rows `cursor` … `cursor` + `count` - 1."""
        ...


class Prefetch(Generic[Read]):
    """Reads ahead in a thread, so that loading never waits: yields (cursor, rows) for `cursor`, `cursor` + `stride`, … without end.

    `count` sequences each; `stride` (default `count`) is larger when several processes share the work: rank r of w begins at its own cursor
    and strides over the whole batch. Close it, or use it in a ``with`` block.
    """

    def __init__(
        self, batches: Readable[Read], cursor: int, count: int, *, stride: int = 0, depth: int = 4
    ) -> None:  # fmt: skip
        self._batches = batches
        self._queue: queue.Queue[tuple[int, Any]] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(cursor, count, stride or count), name="samovar-prefetch", daemon=True
        )
        self._thread.start()

    def _run(self, cursor: int, count: int, stride: int) -> None:
        while not self._stop.is_set():
            try:
                item: Any = self._batches.read(cursor, count)
            except BaseException as error:
                item = error
            self._put((cursor, item))
            if isinstance(item, BaseException):
                return
            cursor += stride

    def _put(self, item: tuple[int, Any]) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[tuple[int, Read]]:
        while True:
            yield self.take()

    def take(self) -> tuple[int, Read]:
        """Return the next (cursor, rows); what failed in the thread is raised here."""
        if self._stop.is_set():
            raise ShardError("expected an open reader, found one that is closed")
        cursor, item = self._queue.get()
        if isinstance(item, BaseException):
            self.close()
            raise item
        return cursor, item

    def close(self) -> None:
        """Stop reading; safe to call twice."""
        self._stop.set()
        self._thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StepRows(Generic[Read]):
    """What one process reads for each step of a run, ahead of time: `count` rows from the cursor asked for, the next `stride` further on.

    A cursor that does not follow the last (after a return to an earlier state) begins anew there, so what is read depends on the cursor alone.
    """

    def __init__(self, batches: Readable[Read], count: int, stride: int) -> None:
        self._batches, self._count, self._stride = batches, count, stride
        self._ahead: Prefetch[Read] | None = None
        self._next = -1

    def take(self, cursor: int) -> Read:
        """Return the rows from `cursor` on."""
        if self._ahead is None or cursor != self._next:
            self.close()
            self._ahead = Prefetch(self._batches, cursor, self._count, stride=self._stride, depth=2)
        found, rows = self._ahead.take()
        assert found == cursor, f"asked for {cursor}, read {found}"
        self._next = cursor + self._stride
        return rows

    def close(self) -> None:
        """Stop reading ahead; `take` begins again."""
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = None
