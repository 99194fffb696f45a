"""Random access to a file through one cached block: cheap small reads going forward, and searches. Knows no format."""

from __future__ import annotations

from typing import BinaryIO

from samovar.corpus.inputs.places import measure

BLOCK_BYTES = 256 * 1024


class Window:
    """Random access to a file through one cached block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = measure(file)
        self._start = 0
        self._block = b""

    def read(self, position: int, num_bytes: int) -> bytes:
        """Return up to `num_bytes` bytes (at most `BLOCK_BYTES`); fewer only at the end of the file."""
        at = position - self._start
        if at < 0 or at + num_bytes > len(self._block):
            if self._start + len(self._block) == self.size and 0 <= at <= len(self._block):
                return self._block[at : at + num_bytes]
            self._file.seek(position)
            self._start = position
            self._block = self._read_block()
            at = 0
        return self._block[at : at + num_bytes]

    def _read_block(self) -> bytes:
        block = self._file.read(BLOCK_BYTES)
        while 0 < len(block) < BLOCK_BYTES and self._start + len(block) < self.size:
            more = self._file.read(BLOCK_BYTES - len(block))
            if not more:
                break
            block += more
        return block

    def find(self, sign: bytes, position: int, stop: int) -> int:
        """Return where `sign` begins next, before `stop`; -1 when nowhere."""
        stop = min(stop, self.size)
        while position < stop:
            block = self.read(position, BLOCK_BYTES)
            found = block.find(sign)
            if found >= 0:
                return position + found if position + found < stop else -1
            if len(block) < len(sign):
                return -1
            position += max(1, len(block) - len(sign) + 1)
        return -1

    def is_padding(self, position: int) -> bool:
        """Tell whether only zero bytes follow, as tools that write in blocks leave them."""
        while block := self.read(position, BLOCK_BYTES):
            if block.strip(b"\0"):
                return False
            position += len(block)
        return True
