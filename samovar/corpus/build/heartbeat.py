"""A cell of shared memory in which a worker says what it is doing, at the cost of one memory write.

Whoever watches it reads the cell when it likes: it says which record killed the worker even after ``kill -9``, when no message can be
sent any more. Knows nothing of tasks or stages.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_CELL = struct.Struct("=qqdq")
_SIZE = 4096
_ADDRESS = 64  # where the record's address stands: two bytes of length, then UTF-8
NOBODY = -1
"""In place of a record's number: the work belongs to no single record."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What the cell says: the record at work or `NOBODY`, the stage as an index, since when (monotonic seconds; 0: idle or unbounded),
    and how many records of the task are done; the address of the last record that was begun, where it is known and not very long."""

    record: int = NOBODY
    stage: int = 0
    since: float = 0.0
    records: int = 0
    uri: str = ""


class Heartbeat:
    """The cell. One process writes, another reads; `path` names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        self.records = 0
        self._uri = "\0"  # what stands in the cell is another process's

    @classmethod
    def create(cls) -> Heartbeat:
        """Make a new cell in a temporary file."""
        descriptor, name = tempfile.mkstemp(prefix="samovar-", suffix=".beat")
        os.ftruncate(descriptor, _SIZE)
        os.close(descriptor)
        return cls(Path(name))

    def say(self, record: int, stage: int) -> None:
        """Write: this record (or `NOBODY`) is at this stage from now on."""
        _CELL.pack_into(self._memory, 0, record, stage, time.monotonic(), self.records)

    def address(self, uri: str) -> None:
        """Write the address of the record at work."""
        if uri == self._uri:
            return
        self._uri = uri
        data = uri.encode("utf-8", "surrogatepass")
        data = data if len(data) < _SIZE - _ADDRESS - 2 else b""
        self._memory[_ADDRESS : _ADDRESS + 2 + len(data)] = len(data).to_bytes(2, "little") + data

    def rest(self) -> None:
        """Write: nothing that has a deadline is going on."""
        _CELL.pack_into(self._memory, 0, NOBODY, 0, 0.0, self.records)

    def read(self) -> Beat:
        """Return what the cell says."""
        length = int.from_bytes(self._memory[_ADDRESS : _ADDRESS + 2], "little")
        uri = self._memory[_ADDRESS + 2 : _ADDRESS + 2 + length].decode("utf-8", "replace")
        record, stage, since, records = _CELL.unpack_from(self._memory, 0)
        return Beat(record, stage, since, records, uri)

    def clear(self) -> None:
        """Begin a new task."""
        self.records = 0
        self.rest()

    def close(self) -> None:
        """Give the memory back and remove the file."""
        self._memory.close()
        self.path.unlink(missing_ok=True)
