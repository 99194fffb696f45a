"""Bounded reading of ZIP files, whether archives or documents made of parts (docx, odt, epub).

Nothing is ever written to disk; member names are labels, not paths. Source: APPNOTE 6.3 (ZIP).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from samovar.corpus.blob import Blob
from samovar.corpus.encoding import decode_bytes
from samovar.corpus.job import Job
from samovar.corpus.limits import MIB
from samovar.errors import ExtractionError

_UTF8_NAME = 0x800
_ENCRYPTED = 0x1


class Package:
    """An open ZIP file whose members are read within the job's limits."""

    def __init__(self, file: zipfile.ZipFile, job: Job) -> None:
        self._file = file
        self._job = job

    def members(self) -> list[zipfile.ZipInfo]:
        """List the members that are files, in archive order."""
        return [info for info in self._file.infolist() if not info.is_dir()]

    def has(self, name: str) -> bool:
        """Tell whether there is a member of this name."""
        return name in self._file.NameToInfo

    def read_part(self, name: str) -> bytes | None:
        """Return a part of a document, or None when it is missing."""
        return self.read(self._file.NameToInfo[name]) if self.has(name) else None

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """Return the bytes of a member.

        Raises:
            ExtractionError: ``encrypted``, ``too_large``, ``compression_ratio``, ``archive_too_large``, ``damaged``,
                ``unsupported_compression``.
        """
        limits = self._job.limits
        if info.flag_bits & _ENCRYPTED:
            raise ExtractionError("encrypted", f"{info.filename} is encrypted")
        if info.file_size > limits.max_file_bytes:
            raise ExtractionError("too_large", f"at most {limits.max_file_bytes} bytes expected", str(info.file_size))
        ratio = info.file_size / max(1, info.compress_size)
        if info.file_size > MIB and ratio > limits.max_compression_ratio:
            raise ExtractionError("compression_ratio", "the member unpacks to suspiciously much", f"{ratio:.0f}")
        self._job.spend(info.file_size)
        try:
            with self._file.open(info) as member:
                return member.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise ExtractionError("damaged", f"{info.filename}: {error}", str(error)) from error
        except (NotImplementedError, RuntimeError) as error:
            raise ExtractionError("unsupported_compression", f"{info.filename}: {error}", str(error)) from error


@contextmanager
def open_package(blob: Blob, job: Job) -> Iterator[Package]:
    """Open a ZIP file.

    Raises:
        ExtractionError: ``truncated`` when the directory at the end is missing, ``damaged`` when it makes no sense.
    """
    with blob.open() as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, OverflowError, NotImplementedError, EOFError) as error:
            reason = "truncated" if "not a zip file" in str(error) else "damaged"
            raise ExtractionError(reason, f"{blob.uri} is not a whole ZIP file: {error}", str(error)) from error
        with archive:
            yield Package(archive, job)


def name_member(info: zipfile.ZipInfo) -> str:
    """Return a member's name as a label: legacy names are decoded by what they look like, never used as a path."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename
    try:
        return decode_bytes(info.filename.encode("cp437"))[0]
    except UnicodeEncodeError:
        return info.filename
