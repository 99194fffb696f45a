"""What a record reader reads from: the bytes of a unit with a position, a look ahead and, where it can be had, a way back."""

from __future__ import annotations

from samovar.corpus.inputs.streams import AnyUnit


class Feed:
    """The bytes of a unit with a position, a look ahead, and the way back that the unit allows."""

    def __init__(self, unit: AnyUnit) -> None:
        self.unit = unit
        self._data = b""
        self._at = 0
        self._base = 0
        self._dry = False

    @property
    def position(self) -> int:
        """How many bytes have been taken."""
        return self._base + self._at

    @property
    def past(self) -> bool:
        """Whether records that begin here belong to the next range."""
        return self.unit.stop is not None and self.position >= self.unit.stop

    def fill(self) -> bool:
        """Get more bytes; False at the end. Where many are held already, half as many more, so that a long record takes linear time."""
        if self._dry:
            return False
        held = len(self._data) - self._at
        pieces = [self._data[self._at :]]
        got = 0
        while piece := self.unit.pull():
            pieces.append(piece)
            got += len(piece)
            if got >= held // 2:
                break
        else:
            self._dry = True
        if not got:
            return False
        self._base += self._at
        self._data = b"".join(pieces)
        self._at = 0
        return True

    def peek(self, num_bytes: int) -> bytes:
        """Return the next bytes without taking them; fewer at the end."""
        while len(self._data) - self._at < num_bytes and self.fill():
            pass
        return self._data[self._at : self._at + num_bytes]

    def take(self, num_bytes: int) -> bytes:
        """Take bytes; fewer at the end."""
        pieces: list[bytes] = []
        left = num_bytes
        while True:
            piece = self._data[self._at : self._at + left]
            self._at += len(piece)
            left -= len(piece)
            pieces.append(piece)
            if not left or not self.fill():
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, num_bytes: int) -> int:
        """Pass over bytes; returns how many there were."""
        left = num_bytes
        while True:
            step = min(left, len(self._data) - self._at)
            self._at += step
            left -= step
            if not left or not self.fill():
                return num_bytes - left

    def find(self, sign: bytes, max_bytes: int) -> int:
        """Return how far ahead `sign` begins, looking at most so far ahead; -1 when it does not."""
        scanned = 0
        while True:
            found = self._data.find(sign, self._at + scanned, self._at + max_bytes + len(sign))
            if found >= 0:
                return found - self._at
            have = len(self._data) - self._at
            if have >= max_bytes + len(sign) or not self.fill():
                return -1
            scanned = max(0, have - len(sign) + 1)

    def unread(self, data: bytes) -> None:
        """Put back what was taken last."""
        self._data = data + self._data[self._at :]
        self._base -= len(data) - self._at
        self._at = 0

    def rewind(self, position: int) -> bool:
        """Go back to an earlier position; False when the unit cannot."""
        if not self.unit.rewind(position):
            return False
        self._data = b""
        self._at = 0
        self._base = position
        self._dry = False
        return True
