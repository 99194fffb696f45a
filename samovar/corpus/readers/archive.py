"""Archives: ZIP members and gzip files, each read like a file of its own. Nothing is unpacked to disk.

Bombs are stopped by four limits at once: size and ratio of a member, bytes and members of the whole input, and depth.
"""

from __future__ import annotations

import gzip
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import Extracted, drop
from samovar.corpus.job import Job
from samovar.corpus.limits import MIB
from samovar.corpus.package import Package, name_member, open_package
from samovar.errors import ExtractionError

ReadBlob = Callable[[Blob, Job], Iterator[Extracted | LedgerRow]]
_CHUNK = MIB


def read_zip(blob: Blob, job: Job, read_blob: ReadBlob) -> Iterator[Extracted | LedgerRow]:
    """Yield what is in every member, addressed as ``archive!/member``; every member left out has a row."""
    job.enter()
    try:
        with open_package(blob, job) as package:
            members = package.members()
            if not members and job.begin(blob.uri):
                yield drop(blob.uri, "empty", "0 members")
            for info in members:
                job.members_left -= 1
                if job.members_left < 0:
                    limit = job.limits.max_archive_members
                    raise ExtractionError("too_many_members", f"at most {limit} members expected", str(limit))
                yield from _read_member(blob, package, info, job, read_blob)
    finally:
        job.leave()


def _read_member(
    blob: Blob, package: Package, info: zipfile.ZipInfo, job: Job, read_blob: ReadBlob
) -> Iterator[Extracted | LedgerRow]:
    name = name_member(info)
    uri = f"{blob.uri}!/{name}"
    base = posixpath.basename(name.rstrip("/"))
    if base.startswith(".") or "__MACOSX" in name.split("/"):
        if job.begin(uri):
            yield drop(uri, "hidden", base)
        return
    try:
        data = package.read(info)
    except ExtractionError as error:
        if error.reason == "archive_too_large":
            raise
        if job.begin(uri):
            yield drop(uri, error.reason, error.value)
        return
    yield from read_blob(Blob.from_bytes(data, uri, base), job)


def read_gzip(blob: Blob, job: Job, read_blob: ReadBlob) -> Iterator[Extracted | LedgerRow]:
    """Yield what is in the one file inside, under the address of the gzip file itself."""
    job.enter()
    try:
        data = _decompress(blob, job)
        name = blob.name[:-3] if blob.suffix == ".gz" else blob.name
        yield from read_blob(Blob.from_bytes(data, blob.uri, name), job)
    finally:
        job.leave()


def _decompress(blob: Blob, job: Job) -> bytes:
    limits = job.limits
    pieces: list[bytes] = []
    total = 0
    try:
        with blob.open() as raw, gzip.GzipFile(fileobj=raw, mode="rb") as file:
            while chunk := file.read(_CHUNK):
                total += len(chunk)
                if total > limits.max_file_bytes:
                    raise ExtractionError("too_large", f"at most {limits.max_file_bytes} bytes expected", str(total))
                if total > MIB and total / max(1, blob.size) > limits.max_compression_ratio:
                    raise ExtractionError("compression_ratio", "the file unpacks to suspiciously much", str(total))
                job.spend(len(chunk))
                pieces.append(chunk)
    except EOFError as error:
        raise ExtractionError("truncated", f"{blob.uri} ends too early", str(total)) from error
    except (gzip.BadGzipFile, zlib.error, OSError) as error:
        raise ExtractionError("damaged", f"{blob.uri}: {error}", str(error)) from error
    return b"".join(pieces)
