"""Token shards on disk: their layout, writing them, opening them, checking them.

    tokens/train-00000.bin …   tokens/val-00000.bin …   tokens/index.json (written last, so its presence means "complete")

A shard is little-endian uint16 (uint32 for vocabularies over 65,536), documents one after the other, each ended by ``<|endoftext|>``.
Knows no texts and no models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from samovar.corpus.build.commit import whole_file
from samovar.digests import hash_file
from samovar.errors import ShardError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")
INDEX = "index.json"
FORMAT = 1
MAX_SMALL = 65_536
_HASH_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Shard:
    """One file. `num_bytes` are the UTF-8 bytes of its texts, separators not counted."""

    file: str
    num_tokens: int
    num_documents: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """``index.json``. `eot` is the id that ends each document; `corpus_sha256` is over the documents' keys and sides in their order;
    `skipped` counts by reason what could not be read. `weights` are those of a corpus's sources that are not 1; `sources` tells for each source
    (or folder, or file) what there is of it in the train split: different documents, documents with their repetitions, tokens."""

    dtype: str
    vocab_size: int
    tokenizer_sha256: str
    eot: int
    splits: Mapping[Split, tuple[Shard, ...]]
    corpus_sha256: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    format: int = FORMAT

    def total(self, split: Split, what: Literal["num_tokens", "num_documents", "num_bytes"] = "num_tokens") -> int:
        """Sum over a split's shards."""
        return sum(int(getattr(shard, what)) for shard in self.splits[split])

    @property
    def sha256(self) -> str:
        """Hash of all that the shards hold: what a run says it was trained on."""
        parts = [f"{split} {shard.sha256}" for split in SPLITS for shard in self.splits[split]]
        return hashlib.sha256("\n".join([self.tokenizer_sha256, *parts]).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file, `format` first."""
        values = asdict(self)
        return {"format": values.pop("format"), **values}


def dtype_of(vocab_size: int) -> str:
    """Return the type of the ids on disk."""
    return "<u2" if vocab_size <= MAX_SMALL else "<u4"


class ShardWriter:
    """Appends documents to an open file, and counts. Use `write_shard`."""

    def __init__(self, file: BinaryIO, dtype: str, eot: int) -> None:
        self._file = file
        self._dtype = dtype
        self._eot = eot
        self._digest = hashlib.sha256()
        self.num_tokens = self.num_documents = self.num_bytes = 0

    def add(self, ids: Sequence[int], num_bytes: int) -> bytes:
        """Append a document of `num_bytes` bytes of text; return what was written."""
        import numpy as np

        data = np.array([*ids, self._eot], self._dtype).tobytes()
        self.repeat(data, num_bytes)
        return data

    def repeat(self, data: bytes, num_bytes: int) -> None:
        """Append a document once more: what `add` returned."""
        self._digest.update(data)
        self._file.write(data)
        self.num_tokens += len(data) // int(self._dtype[-1])
        self.num_documents += 1
        self.num_bytes += num_bytes

    def describe(self, name: str) -> Shard:
        """Return what was written."""
        return Shard(name, self.num_tokens, self.num_documents, self.num_bytes, self._digest.hexdigest())


@contextmanager
def write_shard(path: Path, dtype: str, eot: int) -> Iterator[ShardWriter]:
    """Write a shard; the file takes its name only when the block ends well."""
    with whole_file(path) as file:
        yield ShardWriter(file, dtype, eot)


def join_shards(paths: Sequence[Path], out: Path) -> str:
    """Write files one after the other into one; return its SHA-256."""
    digest = hashlib.sha256()
    with whole_file(out) as file:
        for path in paths:
            for data in _pieces(path):
                digest.update(data)
                file.write(data)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_HASH_BYTES):
            yield data


# -- opening --------------------------------------------------------------------------------------------------------
def read_index(folder: Path, *, tokenizer_sha256: str = "", verify: bool = False) -> Index:
    """Read the index of a folder of shards and check that the files are what it says: sizes always, hashes when `verify` is set.

    Raises:
        ShardError: it is missing, unfinished, damaged, or of another tokenizer than `tokenizer_sha256`.
    """
    index = _parse_index(folder)
    if tokenizer_sha256 and index.tokenizer_sha256 != tokenizer_sha256:
        raise ShardError(
            f"expected tokens of the tokenizer {tokenizer_sha256[:12]}, found those of {index.tokenizer_sha256[:12]} in {folder}: "
            "name its tokenizer, or prepare the texts with this one"
        )
    for split in SPLITS:
        for shard in index.splits[split]:
            _check_shard(folder, shard, index.dtype, verify)
    return index


def _parse_index(folder: Path) -> Index:
    path = folder / INDEX
    if not path.is_file():
        started = (folder / "work").is_dir()
        what = (
            "an unfinished preparation: run its command again, it goes on"
            if started
            else "none: make them with  samovar train prepare"
        )
        raise ShardError(f"expected token shards (with {INDEX}) in {folder}, found {what}")  # fmt: skip
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["format"] != FORMAT:
            raise ShardError(f"expected format {FORMAT} in {path}, found {values['format']}: prepare the texts again")
        splits = {split: tuple(Shard(**shard) for shard in values["splits"][split]) for split in SPLITS}
        return Index(**{**values, "splits": splits})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ShardError(f"expected the index of token shards in {path}, found: {error!r}. Prepare again.") from error


def _check_shard(folder: Path, shard: Shard, dtype: str, verify: bool) -> None:
    path = folder / shard.file
    wanted = shard.num_tokens * int(dtype[-1])
    found = path.stat().st_size if path.is_file() else -1
    if found != wanted:
        what = "nothing" if found < 0 else f"{found:,} bytes"
        raise ShardError(f"expected {wanted:,} bytes at {path}, found {what}: copy or prepare the tokens again")
    if verify:
        _check_content(folder, shard)


def _check_content(folder: Path, shard: Shard) -> None:
    path = folder / shard.file
    try:
        found = hash_file(path)
    except OSError as error:
        raise ShardError(
            f"expected to read {path}, found: {error.strerror or error}: copy or prepare it again"
        ) from error
    if found != shard.sha256:
        raise ShardError(f"expected the SHA-256 {shard.sha256[:12]}… of {path}, found another: it is damaged, copy or prepare it again")  # fmt: skip


def verify_shards(folder: Path, index: Index, part: int = 0, num_parts: int = 1) -> None:
    """Read shards and compare their hashes: all, or every `num_parts`-th from `part` on, when several processes share the work.

    Raises:
        ShardError: one is damaged.
    """
    shards = [shard for split in SPLITS for shard in index.splits[split]]
    for shard in shards[part::num_parts]:
        _check_content(folder, shard)


def map_shard(path: Path, dtype: str) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Return a shard as an array that is read from the disk when touched."""
    import numpy as np

    return np.memmap(path, np.dtype(dtype), "r")


def read_held_out(folder: Path, tokenizer_sha256: str) -> Iterator[list[int]]:
    """Yield the validation documents of a folder of shards, in ids without the separator; their hashes are proven first.

    Raises:
        ShardError: see `read_index`, or one is damaged.
    """
    import numpy as np

    index = read_index(folder, tokenizer_sha256=tokenizer_sha256)
    for shard in index.splits["val"]:
        _check_content(folder, shard)
        ids = map_shard(folder / shard.file, index.dtype)
        start = 0
        for end in np.flatnonzero(ids == index.eot):
            yield ids[start:end].tolist()
            start = int(end) + 1
