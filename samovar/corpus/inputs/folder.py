"""Folders of documents of every kind: each file is one record, whose format is found out when its text is taken out.

A split is a list of files of about the same number of bytes in all. Knows no document format.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from samovar.corpus.build.item import Record, Split
from samovar.corpus.inputs.places import Place, open_place
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import record_limit
from samovar.errors import InputError

Begin = Callable[[int, str], None]

MAX_FILES = 2_000  # of one split
_FILE_COST = 4096  # bytes that opening a file counts for


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Group the files, in their order, by size and number."""
    splits: list[Split] = []
    group: list[Place] = []
    total = 0
    for place in places:
        cost = place.num_bytes + _FILE_COST
        if group and (total + cost > split_bytes or len(group) >= MAX_FILES):
            splits.append(_make_split(source, group))
            group, total = [], 0
        group.append(place)
        total += cost
    if group:
        splits.append(_make_split(source, group))
    return splits


def _make_split(source: SourceSpec, group: Sequence[Place]) -> Split:
    files = [[place.place, place.name, place.stamp, *(place.fault or ())] for place in group]
    options = {"files": json.dumps(files, ensure_ascii=True), **source.read_options()}
    total = sum(place.num_bytes for place in group)
    return Split(source.name, source.kind, group[0].place, 0, len(group), total, options)


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the files of a split; see `samovar.corpus.inputs.plan.open_split`."""
    limit = record_limit(split)
    for ordinal, (place, name, stamp, *fault) in enumerate(json.loads(split.options["files"])):
        begin(ordinal, name)
        if fault:
            yield Record(ordinal, name, "file", fault=(fault[0], fault[1]))
        elif ordinal in skip:
            yield Record(ordinal, name, "file", fault=("poison", ""))
        else:
            yield _read_file(ordinal, place, name, stamp, limit)


def _read_file(ordinal: int, place: str, name: str, stamp: str, limit: int) -> Record:
    try:
        with open_place(place, stamp) as file:
            data = file.read(limit + 1)
    except InputError as error:
        if isinstance(error.__cause__, PermissionError) or "(permission)" in str(error):
            return Record(ordinal, name, "file", fault=("permission", ""))
        raise
    if len(data) > limit:
        return Record(ordinal, name, "file", fault=("too_large", f"more than {limit} bytes"))
    if not data:
        return Record(ordinal, name, "file", fault=("empty", "0 bytes"))
    return Record(ordinal, name, "file", data, {"name": name.rsplit("/", 1)[-1]})
