"""Cutting files into byte ranges, and the options that every reader takes from a split. Knows no format."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from samovar.corpus.build.item import Split
from samovar.corpus.inputs.places import Place
from samovar.corpus.inputs.source import MAX_RECORD_BYTES, SourceSpec


def make_split(source: SourceSpec, place: Place, start: int = 0, end: int = 0, num_bytes: int = 0) -> Split:
    """Make a split of one file, with the options its reader needs."""
    options = {"name": place.name, "stamp": place.stamp, **source.read_options()}
    if place.fault is not None:
        options["fault"], options["fault_value"] = place.fault
    return Split(source.name, source.kind, place.place, start, end, num_bytes, options)


def cut(size: int, split_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of nearly equal length; the last one ends with 0, "to the end"."""
    number = max(1, round(size / split_bytes))
    edges = [size * part // number for part in range(number + 1)]
    for start, end in itertools.pairwise(edges):
        yield start, 0 if end == size else end


def split_bytes_of(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut every file by bytes."""
    return [
        make_split(source, place, start, end, (end or place.num_bytes) - start)
        for place in places
        for start, end in cut(place.num_bytes, split_bytes)
    ]


def record_limit(split: Split) -> int:
    """Return how many bytes one record may have."""
    return int(split.options.get("max_record_bytes", MAX_RECORD_BYTES))
