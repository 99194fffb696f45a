"""From a source to splits, and from a split to records: the two functions that a build calls.

Knows which reader serves which kind; the readers are imported when first needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol

from samovar.corpus.build.item import Record, Split
from samovar.corpus.inputs.places import Place, be_patient, is_network_error, list_places
from samovar.corpus.inputs.source import SourceSpec
from samovar.errors import InputError, UsageError

Begin = Callable[[int, str], None]

READERS = {
    "warc": "warc",
    "mediawiki": "mediawiki",
    "zim": "zim",
    "parquet": "parquet",
    "jsonl": "jsonl",
    "folder": "folder",
}
"""Every kind and its module in `samovar.corpus.inputs`."""


class Reader(Protocol):
    """What a module of `READERS` offers."""

    def plan(self, source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
        """Cut the files of a source into splits of about `split_bytes` bytes."""
        ...

    def read(self, split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
        """Yield the records of a split."""
        ...


def _say_nothing(ordinal: int, uri: str) -> None:
    pass


def plan_splits(source: SourceSpec, split_bytes: int, patience_seconds: float = 0) -> list[Split]:
    """Return the splits of a source, in a fixed order that depends on the source and its files alone. A server that is away is waited for,
    `patience_seconds` in all.

    Raises:
        InputError: a path names nothing or cannot be listed.
    """
    if split_bytes < 1:
        raise UsageError(f"expected a split size of at least 1 byte, found {split_bytes}")

    def plan() -> list[Split]:
        places = list_places(source.paths, source.base, source.follow_links)
        return _load(source.kind).plan(source, places, split_bytes)

    return be_patient(plan, patience_seconds)


def open_split(
    split: Split,
    skip: frozenset[int] = frozenset(),
    begin: Begin = _say_nothing,
    passed: Counter[str] | None = None,
) -> Iterator[Record]:
    """Yield the records of a split; broken ones have a `fault`, and nothing in the input raises.

    `begin(ordinal, uri)` is called before a record is touched, and again when its address is known. The ordinals in
    `skip` are not parsed and come with the fault ``poison``; the others keep theirs. `passed` counts by class what is
    no record of a document (requests and metadata of a WARC, pages of other namespaces of a dump).

    Raises:
        InputError: the file is missing or unreachable, or has changed since the plan.
    """
    if "fault" in split.options:
        begin(0, split.options["name"])
        fault = (split.options["fault"], split.options.get("fault_value", ""))
        yield Record(0, split.options["name"], "file", fault=fault)
        return
    try:
        yield from _load(split.kind).read(split, skip, begin, Counter() if passed is None else passed)
    except OSError as error:  # of a network drive or an object store: another attempt may do
        raise InputError(f"{split.place} cannot be read: {error}; is it still there and reachable?") from error
    except Exception as error:
        if is_network_error(error):  # no fault of the record at hand
            raise InputError(f"{split.place} cannot be read: {error}; is it still reachable?") from error
        raise


def _load(kind: str) -> Reader:
    if kind not in READERS:
        raise UsageError(f"expected a source kind ({', '.join(READERS)}), found {kind!r}")
    module: Reader = import_module(f"samovar.corpus.inputs.{READERS[kind]}")
    return module
