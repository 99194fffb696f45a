"""The texts to train on: a built corpus, or files of text, JSON Lines and Parquet; cut into units that can be read alone.

The units depend on the files alone, never on how many processes will read them. Knows no tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from samovar.corpus.build.item import Record, Split
from samovar.errors import CorpusError, MissingExtraError, SamovarError, TrainingError

UNIT_BYTES = 64 * 2**20
"""Of text a unit has at most about so much: some 8 million tokens, seconds of work, little lost when it is interrupted."""
PACKED = 4.0
"""Text bytes a byte of a compressed file is taken for, in estimates."""

CORPUS, PLAIN = "corpus", "folder"
PREFIX = "corpus:"
"""``corpus:PATH`` says that a built corpus is meant: anything else at this place is an error."""
_TABLES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_PLAIN = (".txt", ".md", ".text")
_CODECS = (".gz", ".zst", ".bz2")
_CHECKED_TEXTS = 400
_MIN_LANGUAGE_SHARE = 0.5
Thing = TypeVar("Thing")
_BYTES_PER_CHAR = 1.8
"""Of Russian with its spaces and digits; of English 1: an estimate that errs to the safe side by less than half."""


@dataclass(frozen=True, slots=True)
class Text:
    """One document as training sees it. Documents of one `key` end on the same side of the split into training and validation: it is
    the cluster of near duplicates where the corpus names one, else a hash of the text. `domain` is the source, folder or file."""

    key: str
    text: str
    domain: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """Some texts that are read, counted and committed together. `num_bytes` is an estimate of their size."""

    splits: tuple[Split, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of text, about."""
        return sum(split.num_bytes for split in self.splits)


def plan_units(paths: Sequence[Path], unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """Cut what the paths name into units, in a fixed order.

    Raises:
        TrainingError: a path names nothing, or nothing with text in it.
    """
    units = [unit for path in paths for unit in _plan_path(path, unit_bytes)]
    if not units:
        raise TrainingError(
            f"expected texts ({', '.join((*_PLAIN, *_TABLES))}) or a built corpus, found none in {', '.join(map(str, paths))}"
        )
    return units


def strip_corpus(path: Path) -> Path:
    """Return the folder that ``corpus:PATH`` names; any other path as it is."""
    text = str(path)
    return Path(text.removeprefix(PREFIX)) if text.startswith(PREFIX) and not path.exists() else path


def is_corpus(path: Path) -> bool:
    """Tell whether a folder holds a built corpus, or one that is being built."""
    return path.is_dir() and ((path / "manifest.json").exists() or (path / "work" / "plan.json").exists())


def _plan_path(named: Path, unit_bytes: int) -> list[Unit]:
    path = strip_corpus(named)
    if not path.exists():
        raise TrainingError(f"expected texts at {path}, found nothing: check the path")
    if is_corpus(path) or path != named:
        return _plan_corpus(path)
    files = _walk(path)
    kinds = [(kind, file) for file in files if (kind := _kind_of(file))]
    splits: list[Split] = []
    for kind in (PLAIN, "jsonl", "parquet"):
        splits += _plan_files(kind, [file for found, file in kinds if found == kind], unit_bytes)
    return _group(splits, unit_bytes)


def _plan_corpus(root: Path) -> list[Unit]:
    import pyarrow as pa

    from samovar.corpus.build.reading import open_corpus

    try:
        return [
            Unit((Split("", CORPUS, str(shard.path.absolute()), 0, shard.rows, _text_bytes(shard.path), {"sha256": shard.sha256}),))
            for shard in open_corpus(root).shards
        ]  # fmt: skip
    except (CorpusError, pa.ArrowException) as error:
        raise TrainingError(f"the texts of {root} cannot be read: {error}") from error


def _text_bytes(path: Path) -> int:
    """Return the bytes of a Parquet file's texts, uncompressed."""
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(about.num_columns)]
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema == "text")


def _walk(path: Path) -> list[Path]:
    from samovar.corpus.document import LedgerRow
    from samovar.corpus.sources import walk

    return [item.absolute() for item in walk([str(path)]) if not isinstance(item, LedgerRow)]


def _kind_of(path: Path) -> str:
    """Return the reader of a file by its name; "" for files that hold no text we take."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in _CODECS
    suffix = suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    if suffix in _PLAIN:
        return "" if packed else PLAIN
    return _TABLES.get(suffix, "")


def _plan_files(kind: str, files: Sequence[Path], unit_bytes: int) -> list[Split]:
    if not files:
        return []
    from samovar.corpus.inputs import SourceSpec, plan_splits

    source = SourceSpec.model_validate({"name": kind, "kind": kind, "paths": [str(file) for file in files]})
    return [_estimated(split) for split in plan_splits(source, unit_bytes)]


def _estimated(split: Split) -> Split:
    """Say how much text a split has: compressed files hold more than their size."""
    if not split.place.endswith(_CODECS):
        return split
    return replace(split, num_bytes=int(split.num_bytes * PACKED))


def _group(splits: Sequence[Split], unit_bytes: int) -> list[Unit]:
    """Put small splits together, in their order."""
    units: list[Unit] = []
    group: list[Split] = []
    for split in splits:
        if group and sum(s.num_bytes for s in group) + split.num_bytes > unit_bytes:
            units.append(Unit(tuple(group)))
            group = []
        group.append(split)
    return [*units, Unit(tuple(group))] if group else units


# -- reading --------------------------------------------------------------------------------------------------------
def read_units(units: Iterable[Unit], skipped: Counter[str] | None = None) -> Iterator[Text]:
    """Yield the texts of units in order. `skipped` counts by reason what could not be read or was empty.

    Raises:
        TrainingError: a file has changed, is missing or damaged.
    """
    counts: Counter[str] = Counter() if skipped is None else skipped
    for unit in units:
        for split in unit.splits:
            try:
                for text in _read_corpus(Path(split.place)) if split.kind == CORPUS else _read_records(split, counts):
                    if text.text.strip():
                        yield text
                    else:
                        counts["empty"] += 1
            except MissingExtraError:
                raise
            except SamovarError as error:
                raise TrainingError(f"the texts cannot be read: {error}") from error


def _read_corpus(path: Path) -> Iterator[Text]:
    from samovar.corpus.build.tables import read_rows

    for _, batch in read_rows(path, ("source", "text", "language", "metadata")):
        columns = [batch.column(name).to_pylist() for name in ("source", "text", "language", "metadata")]
        for source, text, language, metadata in zip(*columns, strict=True):
            known = json.loads(metadata) if metadata and '"cluster"' in metadata else {}
            yield Text(by_key(hash_text(text or ""), known), text or "", source, language)


def by_key(text_hash: str, metadata: Mapping[str, str]) -> str:
    """Return what decides the side of a document: its cluster of near duplicates if it has one, else its text. (Not its id, in which its address
    is: the same text at two addresses, or in two corpora, would be trained on and held out.)"""
    return str(metadata.get("cluster") or text_hash)


def _read_records(split: Split, skipped: Counter[str]) -> Iterator[Text]:
    from samovar.corpus.inputs import open_split

    for record in open_split(split):
        if record.fault is not None:
            skipped[record.fault[0]] += 1
            continue
        text = _text_of(record)
        yield Text(hash_text(text), text, _domain_of(record.uri), record.declared.get("language", ""))


def _text_of(record: Record) -> str:
    from samovar.corpus.encoding import decode_bytes
    from samovar.train.tokenizer import repair

    return repair(record.data) if isinstance(record.data, str) else decode_bytes(record.data)[0]


def _domain_of(uri: str) -> str:
    """Return the folder of a plain file, or the table that a row comes from."""
    file, row, _ = uri.partition("#")
    return Path(file).name if row else Path(file).parent.name


def hash_text(text: str) -> str:
    """Return 32 hex digits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def number_of(key: str, seed: int = 0) -> int:
    """Return a number below 2^64 for a key, spread evenly; another order for each seed."""
    data = f"{seed}:{key}" if seed else key
    return int.from_bytes(hashlib.sha256(data.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def split_by_key(
    things: Iterable[Thing], key: Callable[[Thing], str], tie: Callable[[Thing], str], permille: int
) -> tuple[list[Thing], list[Thing]]:
    """Return things to train on and things held out, by the numbers of their keys: a larger set keeps the sides of a smaller one. At least one key
    is held out; those of one key are in the order of `tie`. A side is empty where there are fewer than two keys."""
    ranked = sorted(((number_of(key(one)), tie(one), one) for one in things), key=lambda item: item[:2])
    limit = max(permille * 2**64 // 1000, ranked[0][0] if ranked else 0)
    return [one for number, _, one in ranked if number > limit], [one for number, _, one in ranked if number <= limit]


# -- choosing and checking ------------------------------------------------------------------------------------------
def thin(texts: Iterable[Text], num_bytes: int, max_chars: int, seed: int = 0) -> Iterator[Text]:
    """Yield about `max_chars` characters of texts that have about `num_bytes` bytes in all (0: everything): each text by its own number, so
    a larger share keeps everything that a smaller one kept."""
    share = 1.0 if max_chars <= 0 else min(1.0, max_chars / max(1.0, num_bytes / _BYTES_PER_CHAR))
    limit = int(share * 2**64)
    return (text for text in texts if share >= 1.0 or number_of(text.key, seed) < limit)


def sample_texts(units: Sequence[Unit], num_texts: int = _CHECKED_TEXTS) -> list[Text]:
    """Return the first texts of up to 16 units spread over all: quickly, and the same each time."""
    chosen = units[:: max(1, len(units) // 16)][:16]
    each = max(1, num_texts // max(1, len(chosen)))
    found: list[Text] = []
    for unit in chosen:
        texts = read_units([unit])
        found += (text for _, text in zip(range(each), texts, strict=False))
    return found


def check_language(texts: Sequence[Text], language: str) -> float:
    """Return the share of characters in a language, of those whose language can be told.

    Raises:
        TrainingError: it is less than half.
    """
    chars = _count_languages(texts)
    known = sum(chars.values()) - chars["und"]
    share = chars[language.partition("-")[0]] / known if known else 0.0
    if share < _MIN_LANGUAGE_SHARE:
        found = ", ".join(f"{tag} {100 * count / max(1, chars.total()):.0f} %" for tag, count in chars.most_common(4))
        raise TrainingError(
            f"expected texts in {language}, found {found or 'none'}: name the right texts or the right --language"
        )
    return share


def main_language(texts: Sequence[Text]) -> str:
    """Return the language that most characters are in, "" when it can be told of none."""
    chars = _count_languages(texts)
    del chars["und"]
    return max(chars, key=lambda tag: chars[tag], default="")


def _count_languages(texts: Sequence[Text]) -> Counter[str]:
    """Count the characters of each language in the beginnings of texts; ``und`` where it cannot be told."""
    from samovar.corpus.identify import identify_language

    chars: Counter[str] = Counter()
    for text in texts:
        tag = text.language if text.language not in ("", "und") else identify_language(text.text[:2000])[0]
        chars[tag.partition("-")[0]] += len(text.text[:2000])
    return chars
