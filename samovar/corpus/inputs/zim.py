"""ZIM files, cut by their clusters, so that each cluster is unpacked once and by one split.

The directory is looked through as an array: millions of entries in about a second, where only those of the split's
clusters are then read one by one. Uses `samovar.corpus.readers.zim` for everything about the format. Local files are
mapped into memory; others are read in blocks.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO

from samovar.corpus.build.item import Record, Split
from samovar.corpus.inputs.places import Place, is_url, open_place
from samovar.corpus.inputs.source import SourceSpec
from samovar.corpus.inputs.splits import cut, make_split, record_limit
from samovar.corpus.inputs.window import Window
from samovar.corpus.inputs.zim_directory import read_directory
from samovar.corpus.licences import clean_licence
from samovar.corpus.readers.zim import Entry, ZimFile, read_about
from samovar.errors import ExtractionError

Begin = Callable[[int, str], None]

_PARTS = 64 * 1024


def plan(source: SourceSpec, places: list[Place], split_bytes: int) -> list[Split]:
    """Cut every file by clusters; one that cannot be opened is one split, whose record says why."""
    return [split for place in places for split in _plan_file(source, place, split_bytes)]


def _plan_file(source: SourceSpec, place: Place, split_bytes: int) -> list[Split]:
    num_clusters = 0 if place.fault else _count_clusters(place)
    if not num_clusters:
        return [make_split(source, place, num_bytes=place.num_bytes)]
    per_cluster = max(1, place.num_bytes // num_clusters)
    return [
        make_split(source, place, start, end, ((end or num_clusters) - start) * per_cluster)
        for start, end in cut(num_clusters, max(1, split_bytes // per_cluster))
        if (end or num_clusters) > start
    ]


def _count_clusters(place: Place) -> int:
    with open_place(place.place) as file:
        try:
            return int(_open_zim(place.place, file).num_clusters)
        except (ExtractionError, ValueError):
            return 0


class RangeBuffer:
    """A file that is sliced and searched like bytes; for what cannot be mapped into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._window = Window(file)

    def __len__(self) -> int:
        return self._window.size

    def __getitem__(self, part: slice) -> bytes:
        position, stop = int(part.start), min(int(part.stop), len(self))
        pieces: list[bytes] = []
        while position < stop and (piece := self._window.read(position, min(_PARTS, stop - position))):
            pieces.append(piece)
            position += len(piece)
        return b"".join(pieces)

    def find(self, sign: bytes, start: int, stop: int) -> int:
        """Return where `sign` begins; -1 when nowhere."""
        return self._window.find(sign, start, stop)


def _open_zim(place: str, file: BinaryIO) -> ZimFile:
    if is_url(place):
        ranges = RangeBuffer(file)
        return ZimFile(ranges, len(ranges))
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return ZimFile(mapped, len(mapped))


def read(split: Split, skip: frozenset[int], begin: Begin, passed: Counter[str]) -> Iterator[Record]:
    """Yield the pages of some clusters; see `samovar.corpus.inputs.plan.open_split`."""
    name = split.options.get("name", split.place)
    with open_place(split.place, split.options.get("stamp", "")) as file:
        begin(0, name)
        try:
            zim = _open_zim(split.place, file)
            directory = read_directory(zim, split.start, split.end or zim.num_clusters)
            about = _declare(read_about(zim, directory.metadata))
        except (ExtractionError, ValueError) as error:
            reason = error.reason if isinstance(error, ExtractionError) else "empty"
            yield Record(0, name, "html", fault=(reason, str(error)))
            return
        ordinal = 0
        if directory.num_damaged and split.start == 0:
            value = f"{directory.num_damaged} of {zim.num_entries} directory entries"
            yield Record(0, name, "html", fault=("damaged", value))
            ordinal = 1
        for number, entries in directory.pages.items():
            for record in _read_cluster(zim, number, entries, name, record_limit(split), ordinal, skip, begin):
                yield replace(record, declared={**about, **record.declared})
                ordinal += 1


def _read_cluster(
    zim: ZimFile,
    number: int,
    entries: list[Entry],
    name: str,
    limit: int,
    ordinal: int,
    skip: frozenset[int],
    begin: Begin,
) -> Iterator[Record]:
    begin(ordinal, f"{name}#cluster={number}")
    blobs: list[bytes] = []
    fault: tuple[str, str] | None = None
    try:
        blobs = zim.cluster(number)
    except ExtractionError as error:
        fault = (error.reason, error.value)
    for entry in entries:
        uri = f"{name}#{entry.path}"
        begin(ordinal, uri)
        if ordinal in skip:
            found = Record(ordinal, uri, "html", fault=("poison", ""))
        elif fault is not None:
            found = Record(ordinal, uri, "html", fault=fault)
        elif entry.blob >= len(blobs):
            found = Record(ordinal, uri, "html", fault=("damaged", f"blob {entry.blob} of {len(blobs)}"))
        elif len(blobs[entry.blob]) > limit:
            found = Record(ordinal, uri, "html", fault=("too_large", str(len(blobs[entry.blob]))))
        elif not blobs[entry.blob].strip():
            found = Record(ordinal, uri, "html", fault=("empty", "0 bytes"))
        else:
            found = Record(ordinal, uri, "html", blobs[entry.blob], {"title": entry.title, "mime": "text/html"})
        yield found
        ordinal += 1


def _declare(about: dict[str, str]) -> dict[str, str]:
    values = {
        "language": about.get("Language", "").partition(",")[0],
        "published": about.get("Date", ""),
        "publisher": about.get("Publisher", ""),
        "licence": clean_licence(about.get("License", "")),
        "author": about.get("Creator", ""),
        "collection": about.get("Title", ""),
    }
    return {key: value for key, value in values.items() if value}
