"""The directory of a ZIM file as arrays: which pages lie in which cluster, without reading millions of names.

Knows nothing of clusters' contents. Source: the openZIM file format (directory entries: type 2 bytes, namespace at byte
3, cluster at byte 8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from samovar.corpus.readers.zim import Entry, ZimFile
from samovar.errors import ExtractionError, MissingExtraError

_HEAD = 16
_FIRST_SPECIAL = 0xFFFD  # deleted, link target, redirect


@dataclass(slots=True)
class Directory:
    """The pages of some clusters by cluster, in file order; the metadata entries; how many entries are damaged."""

    pages: dict[int, list[Entry]] = field(default_factory=dict)
    metadata: list[Entry] = field(default_factory=list)
    num_damaged: int = 0


def read_directory(zim: ZimFile, start: int, end: int) -> Directory:
    """Return the HTML pages of the clusters from `start` to before `end`; damage is counted over the whole file.

    Raises:
        ExtractionError: the directory's own table cannot be read.
    """
    np = _import_numpy()
    pointers = np.frombuffer(zim.pointers(), dtype="<u8")
    heads, readable = _read_heads(np, zim, pointers)
    mime = heads[:, 0].astype(np.uint32) | heads[:, 1].astype(np.uint32) << 8
    namespace = heads[:, 3]
    cluster = np.ascontiguousarray(heads[:, 8:12]).view("<u4")[:, 0]
    html = [number for number, name in enumerate(zim.mimes) if name.partition(";")[0].strip() == "text/html"]
    content = (namespace == ord("A")) | (namespace == ord("C"))
    inside = (cluster >= start) & ((cluster < end) | ((end >= zim.num_clusters) & (cluster >= end)))
    wanted = readable & np.isin(mime, html) & content & inside
    unknown = (mime >= len(zim.mimes)) & (mime < _FIRST_SPECIAL)
    directory = Directory(num_damaged=int((~readable | unknown).sum()))
    for number in np.flatnonzero(wanted).tolist():
        _add_page(zim, number, int(cluster[number]), directory)
    about = readable & (namespace == ord("M")) & (mime < len(zim.mimes))
    for number in np.flatnonzero(about).tolist():
        entry = _entry(zim, number)
        if entry is not None:
            directory.metadata.append(entry)
    directory.pages = {
        number: sorted(entries, key=lambda entry: entry.blob) for number, entries in sorted(directory.pages.items())
    }
    return directory


def _import_numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise MissingExtraError("corpus", "building a corpus from ZIM files") from error
    return numpy


def _read_heads(np: Any, zim: ZimFile, pointers: Any) -> tuple[Any, Any]:
    """Return the first 16 bytes of every entry (uint8, N x 16) and which of them could be read."""
    heads = np.zeros((len(pointers), _HEAD), dtype=np.uint8)
    view = zim.view()
    if view is not None:
        readable = pointers <= np.uint64(max(0, len(view) - _HEAD))
        data = np.frombuffer(view, dtype=np.uint8)
        starts = pointers[readable].astype(np.int64)
        for column in range(_HEAD):
            heads[readable, column] = data[starts + column]
        return heads, readable
    readable = np.ones(len(pointers), dtype=bool)
    for number, start in enumerate(pointers.tolist()):
        try:
            heads[number] = np.frombuffer(zim.entry_head(start), dtype=np.uint8)
        except ExtractionError:
            readable[number] = False
    return heads, readable


def _entry(zim: ZimFile, number: int) -> Entry | None:
    try:
        return zim.entry(number)
    except ExtractionError:
        return None


def _add_page(zim: ZimFile, number: int, cluster: int, directory: Directory) -> None:
    entry = _entry(zim, number)
    if entry is None:  # its name cannot be read: what it holds still can
        entry = Entry("C", f"entry={number}", "", "text/html", cluster, 0xFFFFFFFF)
    directory.pages.setdefault(cluster, []).append(entry)
