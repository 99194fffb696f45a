"""Whether a file is the one that was read before: by size and modification time, or else by the hash of its bytes.

Knows nothing about formats or the store.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from samovar.digests import hash_file
from samovar.library.records import Input

RACY_NS = 2_000_000_000
"""A file written within two seconds of being read may be written again without a new time: some file systems count in
1–2 s steps. Its time is then not trusted, the hash decides. The idea is git's ("racy git",
Documentation/technical/racy-git.txt)."""

WHOLE_BYTES = 2**30
END_BYTES = 2**24
"""Files of over 1 GiB are hashed by their first and last 16 MiB and their size: at 400 MB/s a ZIM of 100 GB would take
minutes.
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Size, trusted modification time (0 = not to be trusted) and hash of an input."""

    size: int
    mtime_ns: int
    sha256: str


def fingerprint_file(path: Path, state: os.stat_result) -> Fingerprint:
    """Read a file and return its fingerprint.

    Raises:
        OSError: it cannot be read.
    """
    racy = time.time_ns() - state.st_mtime_ns < RACY_NS
    return Fingerprint(state.st_size, 0 if racy else state.st_mtime_ns, _hash(path, state.st_size))


def fingerprint_bytes(data: bytes) -> Fingerprint:
    """Return the fingerprint of what was fetched."""
    return Fingerprint(len(data), 0, hashlib.sha256(data).hexdigest())


def _hash(path: Path, size: int) -> str:
    if size <= WHOLE_BYTES:
        return hash_file(path)
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(END_BYTES))
        file.seek(size - END_BYTES)
        digest.update(file.read(END_BYTES))
        return f"ends:{size}:{digest.hexdigest()}"


def same_times(record: Input, state: os.stat_result) -> bool:
    """Whether size and time alone show that a file is the recorded one."""
    return record.mtime_ns != 0 and (record.size, record.mtime_ns) == (state.st_size, state.st_mtime_ns)


def same_bytes(record: Input, mark: Fingerprint) -> bool:
    """Whether the bytes are the recorded ones."""
    return record.sha256 != "" and (record.size, record.sha256) == (mark.size, mark.sha256)
