"""One input as the readers see it: a name, a size and bytes, whether it lies on disk or inside an archive.

Opens regular files only, without ever blocking on a FIFO or a device. Knows no format.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from samovar.errors import ExtractionError


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; the check is made on the open descriptor, so the file cannot be swapped in
    between.

    Raises:
        ExtractionError: ``not_found``, ``permission``, ``not_a_file`` or ``unreadable``.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        before = os.stat(path)  # opening some devices has side effects: look first
        if not stat.S_ISREG(before.st_mode):
            raise ExtractionError("not_a_file", f"{path} is not a regular file", _kind(before.st_mode))
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise ExtractionError("not_found", f"{path} does not exist: check the name") from error
    except PermissionError as error:
        raise ExtractionError("permission", f"{path} may not be read: check its permissions") from error
    except (OSError, ValueError) as error:
        raise ExtractionError("unreadable", f"{path} cannot be opened: {error}", str(error)) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ExtractionError("not_a_file", f"{path} is not a regular file", _kind(mode))
    return os.fdopen(descriptor, "rb")


def _kind(mode: int) -> str:
    names = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "fifo"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"))
    return next((name for test, name in names if test(mode)), "special file")


@dataclass(frozen=True, slots=True)
class Blob:
    """An input: `uri` names it in the ledger, `name` carries the file extension, and either `path` or `data` holds
    the bytes."""

    uri: str
    name: str
    size: int
    path: Path | None = None
    data: bytes | None = None

    @classmethod
    def from_path(cls, path: Path, uri: str | None = None) -> Blob:
        """Describe a file on disk; raises `ExtractionError` when it is not a readable regular file."""
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
        return cls(uri if uri is not None else str(path), path.name, size, path=path)

    @classmethod
    def from_bytes(cls, data: bytes, uri: str, name: str) -> Blob:
        """Describe bytes in memory, such as an archive member."""
        return cls(uri, name, len(data), data=data)

    @property
    def suffix(self) -> str:
        """The lower-case extension with its dot, e.g. ``.fb2``; empty when there is none."""
        return Path(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without its extension: the title of last resort."""
        return Path(self.name).stem

    def open(self) -> BinaryIO:
        """Open for reading from the start; the caller closes it."""
        if self.data is not None:
            return io.BytesIO(self.data)
        if self.path is None:
            raise AssertionError("a blob has a path or data")
        return open_regular(self.path)

    def head(self, num_bytes: int = 8192) -> bytes:
        """Return the first bytes."""
        with self.open() as file:
            return file.read(num_bytes)

    def read(self, max_bytes: int) -> bytes:
        """Return all bytes.

        Raises:
            ExtractionError: ``too_large`` when there are more than `max_bytes`.
        """
        if self.size > max_bytes:
            raise ExtractionError("too_large", f"{self.uri}: at most {max_bytes} bytes expected", str(self.size))
        if self.data is not None:
            return self.data
        with self.open() as file:
            data = file.read(min(self.size, max_bytes) + 1)  # a read reserves what it is allowed: never the whole limit
        if len(data) > max_bytes:
            raise ExtractionError("too_large", f"{self.uri}: at most {max_bytes} bytes expected", str(len(data)))
        return data
