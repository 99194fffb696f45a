"""ZIM (offline encyclopaedias): an own reader, memory-mapped, cluster by cluster so that each is unpacked once.

HTML entries only; redirects are skipped. Every offset is checked before it is used: the file is not trusted. Its
libraries are GPL. Source: the openZIM file format, major versions 5 and 6 (xz clusters through the standard
library, zstd through `zstandard`).
"""

from __future__ import annotations

import lzma
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.draft import settle
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.extracted import Extracted, drop
from samovar.corpus.job import Job
from samovar.corpus.licences import clean_licence
from samovar.corpus.limits import MIB
from samovar.corpus.readers.html import draft_page
from samovar.errors import ExtractionError, MissingExtraError

_HEADER = struct.Struct("<IHH16sIIQQQQIIQ")
_MAGIC = 0x044D495A
_REDIRECT, _LINK_TARGET, _DELETED = 0xFFFF, 0xFFFE, 0xFFFD
_CHECKSUM_BYTES = 16
_MAX_CLUSTER = 512 * MIB
_MAX_NAME = 4096
_XZ, _ZSTD = 4, 5
_METADATA = ("Title", "Language", "Publisher", "Creator", "License", "Date", "Source", "Name", "Flavour")


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry that holds content."""

    namespace: str
    path: str
    title: str
    mime: str
    cluster: int
    blob: int


class ZimFile:
    """Random access to a ZIM file held as a read-only buffer.

    Raises:
        ExtractionError: ``truncated``, ``damaged`` or ``unsupported_compression``, from any method.
    """

    def __init__(self, buffer: Any, size: int) -> None:
        self._buffer = buffer
        self._size = size
        fields = _HEADER.unpack(self._slice(0, _HEADER.size))
        (magic, major, self._minor, _, self.num_entries, self.num_clusters, self._paths, _, self._clusters, mimes) = (
            fields[:10]
        )
        if magic != _MAGIC or major not in (5, 6):
            raise ExtractionError("damaged", "not a ZIM file of version 5 or 6", f"version {major}")
        checksum = fields[12]
        if mimes >= 80 and checksum + _CHECKSUM_BYTES > size:
            raise ExtractionError("truncated", "the ZIM file is shorter than its header says", f"{size} bytes")
        self.mimes = self._read_mimes(mimes)
        self._slice(self._paths, 8 * self.num_entries)
        self._slice(self._clusters, 8 * self.num_clusters)
        self._end = checksum if _HEADER.size <= checksum <= size else size

    def _slice(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0 or start + length > self._size:
            raise ExtractionError("truncated", "the ZIM file ends too early", f"byte {start + length} of {self._size}")
        return bytes(self._buffer[start : start + length])

    def _read_string(self, start: int) -> tuple[str, int]:
        end = self._buffer.find(b"\0", start, min(start + _MAX_NAME, self._size))
        if end < 0:
            raise ExtractionError("damaged", "a name in the ZIM directory has no end", f"byte {start}")
        return bytes(self._buffer[start:end]).decode("utf-8", "replace"), end + 1

    def _read_mimes(self, position: int) -> list[str]:
        mimes: list[str] = []
        while len(mimes) < _REDIRECT:
            mime, position = self._read_string(position)
            if not mime:
                break
            mimes.append(mime)
        return mimes

    def entry(self, number: int) -> Entry | None:
        """Return an entry by its number in path order; None for redirects and deleted entries."""
        (start,) = struct.unpack("<Q", self._slice(self._paths + 8 * number, 8))
        mime, _, namespace, _ = struct.unpack("<HBcI", self._slice(start, 8))
        if mime in (_REDIRECT, _LINK_TARGET, _DELETED):
            return None
        if mime >= len(self.mimes):
            raise ExtractionError("damaged", "unknown type in the ZIM directory", f"entry {number}")
        cluster, blob = struct.unpack("<II", self._slice(start + 8, 8))
        path, position = self._read_string(start + 16)
        title, _ = self._read_string(position)
        return Entry(namespace.decode("latin-1"), path, title or path, self.mimes[mime], cluster, blob)

    def pointers(self) -> bytes:
        """Return where the directory entries are, in path order: little-endian 64-bit numbers, one after another."""
        return self._slice(self._paths, 8 * self.num_entries)

    def view(self) -> memoryview | None:
        """Return the whole file as memory; None when it is not in memory."""
        return memoryview(self._buffer) if isinstance(self._buffer, bytes | mmap.mmap) else None

    def entry_head(self, start: int) -> bytes:
        """Return the 16 bytes that a directory entry begins with."""
        return self._slice(start, 16)

    def cluster(self, number: int) -> list[bytes]:
        """Unpack a cluster and return its blobs."""
        if number >= self.num_clusters:
            raise ExtractionError("damaged", "no such cluster in the ZIM file", f"cluster {number}")
        (start,) = struct.unpack("<Q", self._slice(self._clusters + 8 * number, 8))
        end = self._end
        if number + 1 < self.num_clusters:
            (end,) = struct.unpack("<Q", self._slice(self._clusters + 8 * (number + 1), 8))
            end = end if end > start else self._end  # clusters are not always stored in order
        info = self._slice(start, 1)[0]
        packed = self._slice(start + 1, min(end, self._end) - start - 1)
        return _split_cluster(_unpack(packed, info & 0x0F), 8 if info & 0x10 else 4)


def _unpack(packed: bytes, method: int) -> bytes:
    if method in (0, 1):
        return packed
    try:
        if method == _XZ:
            data = lzma.LZMADecompressor(memlimit=_MAX_CLUSTER).decompress(packed, _MAX_CLUSTER + 1)
        elif method == _ZSTD:
            data = _unpack_zstd(packed)
        else:
            raise ExtractionError("unsupported_compression", "the ZIM cluster is packed in an unknown way", str(method))
    except (lzma.LZMAError, EOFError) as error:
        raise ExtractionError("damaged", f"a ZIM cluster cannot be unpacked: {error}", str(error)) from error
    if len(data) > _MAX_CLUSTER:
        raise ExtractionError("too_large", f"at most {_MAX_CLUSTER} bytes in a cluster expected", str(len(data)))
    return data


def _unpack_zstd(packed: bytes) -> bytes:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError("zim", "reading ZIM files") from error
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            return bytes(reader.read(_MAX_CLUSTER + 1))
    except zstandard.ZstdError as error:
        raise ExtractionError("damaged", f"a ZIM cluster cannot be unpacked: {error}", str(error)) from error


def _split_cluster(data: bytes, width: int) -> list[bytes]:
    first = int.from_bytes(data[:width], "little")
    num_offsets = first // width
    if first % width or first > len(data) or num_offsets < 1:
        raise ExtractionError("damaged", "a ZIM cluster has no valid offsets", f"first offset {first}")
    offsets = struct.unpack(f"<{num_offsets}{'Q' if width == 8 else 'I'}", data[:first])
    if any(a > b for a, b in pairwise(offsets)) or offsets[-1] > len(data):
        raise ExtractionError("damaged", "the offsets of a ZIM cluster are out of order", f"last offset {offsets[-1]}")
    return [data[a:b] for a, b in pairwise(offsets)]


def read_zim(blob: Blob, job: Job) -> Iterator[Extracted | LedgerRow]:
    """Yield every HTML entry, addressed as ``file.zim#path``, with the provenance of the whole file."""
    if blob.path is None:
        raise ExtractionError("unsupported", "a ZIM file inside an archive: unpack it first", "ZIM in archive")
    with blob.open() as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        zim = ZimFile(buffer, len(buffer))
        pages, metadata, num_damaged = _sort_entries(zim)
        if num_damaged:
            yield drop(blob.uri, "damaged", f"{num_damaged} of {zim.num_entries} directory entries")
        if not pages:
            raise ExtractionError("empty", f"{blob.uri} holds no HTML entries", f"{zim.num_entries} entries")
        about = read_about(zim, metadata)
        for number, entries in pages.items():
            yield from _read_cluster(zim, number, entries, about, blob, job)


def _sort_entries(zim: ZimFile) -> tuple[dict[int, list[Entry]], list[Entry], int]:
    """Return the HTML entries by cluster in file order, the metadata entries, and how many entries are damaged."""
    pages: dict[int, list[Entry]] = {}
    metadata: list[Entry] = []
    num_damaged = 0
    for number in range(zim.num_entries):
        try:
            entry = zim.entry(number)
        except ExtractionError:
            num_damaged += 1
            continue
        if entry is None:
            continue
        if entry.namespace == "M":
            metadata.append(entry)
        elif entry.namespace in "AC" and entry.mime.partition(";")[0].strip() == "text/html":
            pages.setdefault(entry.cluster, []).append(entry)
    return dict(sorted(pages.items())), metadata, num_damaged


def read_about(zim: ZimFile, entries: list[Entry]) -> dict[str, str]:
    """Return what the metadata entries say about the file as a whole, e.g. ``{"Language": "rus"}``."""
    about: dict[str, str] = {}
    for entry in entries:
        if entry.path in _METADATA:
            try:
                about[entry.path] = decode_bytes(zim.cluster(entry.cluster)[entry.blob])[0].strip()
            except (ExtractionError, IndexError):
                continue
    return about


def _read_cluster(
    zim: ZimFile, number: int, entries: list[Entry], about: dict[str, str], blob: Blob, job: Job
) -> Iterator[Extracted | LedgerRow]:
    try:
        blobs = zim.cluster(number)
    except ExtractionError as error:
        uri = f"{blob.uri}#cluster={number}"
        if job.begin(uri):
            yield drop(uri, error.reason, f"{len(entries)} entries: {error.value}")
        return
    for entry in sorted(entries, key=lambda entry: entry.blob):
        uri = f"{blob.uri}#{entry.path}"
        if not job.begin(uri):
            continue
        if entry.blob >= len(blobs):
            yield drop(uri, "damaged", f"blob {entry.blob} of {len(blobs)}")
        else:
            yield _read_entry(blobs[entry.blob], entry, uri, about, job)
    job.end()


def _read_entry(data: bytes, entry: Entry, uri: str, about: dict[str, str], job: Job) -> Extracted | LedgerRow:
    page = draft_page(decode_bytes(data)[0], uri)
    metadata = {
        key: value
        for key, value in (("collection", about.get("Title", "")), ("author", about.get("Creator", "")))
        if value
    }
    draft = replace(
        page,
        title=entry.title,
        language=about.get("Language", "").partition(",")[0] or page.language,
        published=about.get("Date", "") or page.published,
        publisher=about.get("Publisher", "") or page.publisher,
        licence=clean_licence(about.get("License", "")) or page.licence,
        metadata=metadata,
    )
    return settle(draft, job.limits)
