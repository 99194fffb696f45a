"""Texts that hold questions or passages of a test set: found by runs of eight words, dropped or reported with the item they belong to.

References are files (JSON, JSON Lines, SQuAD) or probe sets of this package (``probes:core``). Knows no language and no model.
Source: n-gram overlap as in Brown et al. 2020 (appendix C); the share that must be found is ours, because one run of a long passage is often a
quotation that both have from elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from samovar.corpus.build.item import Item, Notes
from samovar.corpus.stages.options import StageOptions
from samovar.corpus.stages.scan import (
    U64,
    Ints,
    Scan,
    batches_of,
    hash_runs,
    scan_texts,
    shared_scan,
    within_texts,
)
from samovar.corpus.stages.sentences import Sentences
from samovar.errors import UsageError

_FILTER_BITS = 19  # half a megabyte stays in the processor's cache; one run in twenty of a text passes by chance, of them one in 150 a second look
_MAX_NAMED = 5  # reference items named in the ledger
_PROBES = "probes:"
_PROBE_FIELDS = ("questions", "passage", "text")  # the rest of a probe is about the probe
_PACKS = Path(__file__).resolve().parents[2] / "packs"


class ContaminationOptions(StageOptions):
    """`references`: files, or ``probes:NAME`` and ``probes:NAME/SET`` for the probe sets in this package. A reference item is held by a text when at least
    `min_share` of its runs of `ngram` words, and `min_hits` of them, are in it. An item of fewer words is one run; below `min_words` it is
    found where it is a whole sentence or line, if it is a sentence itself; below `min_exact` it is not looked for (0: no short one is). `policy`: ``drop`` the text or only ``report`` it. `fields`: names of the JSON fields whose strings count, empty: all
    (of probes, the questions)."""

    references: tuple[str, ...] = ("probes:core",)
    ngram: int = Field(8, ge=2, le=50)
    min_words: int = Field(6, ge=2)
    min_exact: int = Field(3, ge=0)
    min_share: float = Field(0.5, ge=0, le=1)
    min_hits: int = Field(1, ge=1)
    policy: Literal["drop", "report"] = "drop"
    fields: tuple[str, ...] = ()

    @field_validator("references")
    @classmethod
    def _check_probes(cls, references: tuple[str, ...]) -> tuple[str, ...]:
        for reference in references:
            try:
                if reference.startswith(_PROBES):
                    _find_files(reference, Path())
            except UsageError as error:
                raise ValueError(str(error)) from error
        return references

    @model_validator(mode="after")
    def _check_words(self) -> ContaminationOptions:
        if self.min_words > self.ngram:
            raise ValueError(f"expected min_words of at most ngram ({self.ngram}), found {self.min_words}: lower it")
        return self


@dataclass(frozen=True, slots=True)
class Hit:
    """A reference item that a text holds: its name, and the share of its runs that were found."""

    name: str
    share: float


class References:
    """The runs of all reference items, sorted, with the items they belong to."""

    def __init__(self, items: list[tuple[str, str]], options: ContaminationOptions) -> None:
        self._options = options
        self.names = [name for name, _ in items]
        self.num_too_short = 0
        self._sentences = Sentences(max(1, options.min_exact))
        runs: dict[int, tuple[list[U64], list[Ints]]] = {}
        done = 0
        for batch in batches_of([text for _, text in items], len):
            self._add(scan_texts(batch), batch, done, runs)
            done += len(batch)
        self._tables = {
            size: _Table(np.concatenate(found), np.concatenate(owner)) for size, (found, owner) in sorted(runs.items())
        }
        self.num_runs = np.zeros(len(items), np.int64)
        for table in self._tables.values():
            self.num_runs += np.bincount(table.owners, minlength=len(items))

    def _add(self, scan: Scan, texts: list[str], done: int, runs: dict[int, tuple[list[U64], list[Ints]]]) -> None:
        words, owner = scan.num_words(), scan.text_of_words()
        for number in np.flatnonzero(words < self._options.min_words).tolist():
            if not (self._options.min_exact and self._sentences.add(done + number, texts[number])):
                self.num_too_short += 1
        for size, of_size in hash_runs(scan, range(self._options.min_words, self._options.ngram + 1)):
            first = within_texts(scan, np.arange(len(of_size)), size)
            hashes = of_size[first]
            wanted = words[owner[first]] >= size if size == self._options.ngram else words[owner[first]] == size
            if wanted.any():
                found, owners = runs.setdefault(size, ([], []))
                pairs = np.unique(
                    np.stack((hashes[wanted], (owner[first][wanted] + done).astype(np.uint64)), axis=1), axis=0
                )
                found.append(pairs[:, 0])
                owners.append(pairs[:, 1].astype(np.int64))

    def find(self, scan: Scan) -> dict[int, list[Hit]]:
        """Return the reference items that texts of the scan hold, by the number of the text, the surest first."""
        pairs: list[npt.NDArray[np.int64]] = []
        short: list[tuple[int, int]] = []
        for size, hashes in hash_runs(scan, sorted({*self._tables, self._sentences.num_first})):
            if size == self._sentences.num_first:
                short = self._sentences.find(scan, hashes)
            if size in self._tables:
                first = within_texts(scan, self._tables[size].places(hashes), size)
                owner = np.searchsorted(scan.first_words, first, "right") - 1
                pairs += self._tables[size].matches(hashes[first], owner) if len(first) else []
        result: dict[int, list[Hit]] = {}
        for text, item in short:
            result.setdefault(text, []).append(Hit(self.names[item], 1.0))
        if pairs:
            unique = np.unique(np.concatenate(pairs), axis=0)
            counted, hits = np.unique(unique[:, :2], axis=0, return_counts=True)
            self._weigh(counted, hits, result)
        for found in result.values():
            found.sort(key=lambda hit: (-hit.share, hit.name))
        return result

    def _weigh(self, counted: Ints, hits: Ints, result: dict[int, list[Hit]]) -> None:
        for (text, item), num_hits in zip(counted.tolist(), hits.tolist(), strict=True):
            total = int(self.num_runs[item])
            if num_hits >= min(self._options.min_hits, total) and num_hits >= self._options.min_share * total:
                result.setdefault(text, []).append(Hit(self.names[item], num_hits / total))


class _Table:
    """Runs of one size, sorted, and a filter of one byte a slot that tells cheaply that a run is not among them: a bit for three bits more."""

    def __init__(self, hashes: U64, owners: Ints) -> None:
        order = np.lexsort((owners, hashes))
        self.hashes, self.owners = hashes[order], owners[order]
        self._filter = np.zeros(1 << _FILTER_BITS, np.uint8)
        np.bitwise_or.at(self._filter, _slots(self.hashes), _bits(self.hashes))

    def places(self, hashes: U64) -> Ints:
        """Return where `hashes` are of this table."""
        bits = self._filter.take(_slots(hashes))
        maybe = np.flatnonzero(bits != 0)
        maybe = maybe[(bits[maybe] & _bits(hashes[maybe])) != 0]
        found = np.minimum(np.searchsorted(self.hashes, hashes[maybe]), len(self.hashes) - 1)
        places: Ints = maybe[self.hashes[found] == hashes[maybe]]
        return places

    def matches(self, hashes: U64, texts: Ints) -> list[Ints]:
        """Return arrays [k, 3] of text, item and the number of the run, for hashes of this table."""
        start = np.searchsorted(self.hashes, hashes, "left")
        count = np.searchsorted(self.hashes, hashes, "right") - start
        places = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        return [np.stack((np.repeat(texts, count), self.owners[places], places), axis=1)]


def _slots(hashes: U64) -> Ints:
    return (hashes >> np.uint64(64 - _FILTER_BITS)).view(np.int64)


def _bits(hashes: U64) -> npt.NDArray[np.uint8]:
    return np.left_shift(1, (hashes >> np.uint64(61 - _FILTER_BITS) & np.uint64(7)).view(np.int64)).astype(np.uint8)


class Contamination:
    """Drop or report the texts that hold reference items."""

    name = "contamination"

    def __init__(self, options: ContaminationOptions | None = None, base: Path | None = None) -> None:
        self._options = options or ContaminationOptions()
        self._base = base or Path()

    @cached_property
    def references(self) -> References:
        """The references, read when first needed.

        Raises:
            UsageError: a file is not there or holds no text.
        """
        return References(list(read_references(self._options, self._base)), self._options)

    def apply(self, items: list[Item], notes: Notes) -> list[Item]:
        """Return the items that hold no reference item, or all when they are only reported."""
        if not self._options.references:
            return items
        kept = []
        for batch in batches_of(items, lambda item: len(item.text)):
            found: dict[int, list[Hit]] = {}
            for scan, numbers in shared_scan().scans([item.text for item in batch]):
                found.update((int(numbers[text]), hits) for text, hits in self.references.find(scan).items())
            for number, item in enumerate(batch):
                if number not in found or self._report(item, found[number], notes):
                    kept.append(item)
        return kept

    def _report(self, item: Item, hits: list[Hit], notes: Notes) -> bool:
        value = ", ".join(f"{hit.name} {hit.share:.2f}" for hit in hits[:_MAX_NAMED])
        if len(hits) > _MAX_NAMED:
            value += f" and {len(hits) - _MAX_NAMED} more"
        if self._options.policy == "drop":
            notes.drop(item.uri, self.name, "reference", value, item.text)
            return False
        item.metadata["contamination"] = value
        notes.change(item.uri, self.name, "reference", value)
        return True


def read_references(options: ContaminationOptions, base: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every reference item; a name is the file's and the item's id or number, e.g. ``xquad.ru.dev#12.question``."""
    for reference in options.references:
        count = 0
        fields = options.fields or (_PROBE_FIELDS if reference.startswith(_PROBES) else ())
        for path in _find_files(reference, base):
            for name, text in _read_file(path, frozenset(fields)):
                count += 1
                yield f"{path.stem}#{name}", text
        if not count:
            raise UsageError(
                f"contamination reference {reference}: expected texts in JSON, found none: check the file and `fields`"
            )


def _find_files(reference: str, base: Path) -> list[Path]:
    if reference.startswith(_PROBES):
        pack, _, chosen = reference.removeprefix(_PROBES).partition("/")
        pack = pack if re.fullmatch(r"[\w-]+", pack) else "-"  # a name of a pack, not a way out of their folder
        folder = _PACKS / pack / "probes"
        found = [
            path for path in sorted(folder.glob("*.jsonl")) if path.name.partition(".")[0].startswith(chosen or "")
        ]
        files = [path for path in found if path.stem not in ("dropped", "grader", "sources")]
    else:
        files = sorted(base.glob(reference)) if not Path(reference).is_absolute() else [Path(reference)]
        files = [path for path in files if path.is_file()]
    if not files:
        raise UsageError(
            f"contamination reference: expected a file or a probe set, found nothing at {reference!r}: correct the recipe"
        )
    return files


def _read_file(path: Path, fields: frozenset[str]) -> Iterator[tuple[str, str]]:
    try:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if line.strip():
                        yield from _texts_in(json.loads(line), str(number), fields)
        else:
            yield from _texts_in(json.loads(path.read_text("utf-8")), "", fields)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"contamination reference {path}: expected JSON in UTF-8, found {error}: correct the file"
        ) from error


def _texts_in(value: object, name: str, fields: frozenset[str], wanted: bool = False) -> Iterator[tuple[str, str]]:
    """Yield every string of a JSON value with a name: the ids of the objects around it, else its place."""
    if isinstance(value, str):
        if wanted or not fields:
            yield name, value
    elif isinstance(value, Mapping):
        own = value.get("id")
        name = str(own) if isinstance(own, str | int) else name
        for key, inner in value.items():
            if key != "id":
                yield from _texts_in(inner, f"{name}.{key}" if name else str(key), fields, wanted or key in fields)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts_in(inner, f"{name}.{number}" if name else str(number), fields, wanted)
