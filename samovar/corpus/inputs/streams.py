"""The bytes of a file or of a byte range of it, unpacked, in units that can be read alone.

A *unit* of a compressed file begins with a member whose unpacked bytes look like the beginning of a record, and goes on
to the next such member. Where units begin is a property of the bytes there alone, so any cutting of a file into byte
ranges gives the same units, each to the range it begins in. Damage ends a unit with a fault; the reader goes on at the
next one. Knows no record format: it is told what a beginning looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from samovar.corpus.inputs.codecs import (
    CODECS,
    ZSTD,
    BadDataError,
    Codec,
    Decoder,
    find_codec,
    is_skippable,
    with_dictionary,
)
from samovar.corpus.inputs.window import BLOCK_BYTES, Window

HEAD_BYTES = 256
_MAX_DICTIONARY = 16 * 2**20

IsStart = Callable[[bytes], bool]


class Member:
    """One compressed member while it is being unpacked. `fault` is set when it broke, `end` when it ended well."""

    def __init__(self, window: Window, codec: Codec, offset: int) -> None:
        self._window = window
        self._codec = codec
        self._decoder: Decoder = codec.decoder()
        self._position = offset
        self._head = b""
        self.offset = offset
        self.end = -1
        self.fault: tuple[str, str] | None = None

    def head(self) -> bytes:
        """Return the first bytes without taking them."""
        while len(self._head) < HEAD_BYTES and (piece := self._unpack()):
            self._head += piece
        return self._head

    def pull(self) -> bytes:
        """Return the next piece; empty at the end, and when it broke."""
        if self._head:
            piece, self._head = self._head, b""
            return piece
        return self._unpack()

    def _unpack(self) -> bytes:
        while self.end < 0 and self.fault is None:
            data = self._window.read(self._position, self._codec.step_bytes) if self._decoder.hungry else b""
            try:
                piece = self._decoder.feed(data)
            except BadDataError as error:
                self.fault = ("damaged", f"{self._codec.name} at byte {self.offset}: {error}")
                return b""
            self._position += len(data)
            if self._decoder.ended:
                self.end = self._position - len(self._decoder.unused)
            elif not data and not piece:
                self.fault = ("truncated", f"{self._codec.name} member at byte {self.offset}")
            if piece:
                return piece
        return b""


class Unit:
    """What is read alone. `offset` is where it begins in the file; `stop` bounds where its records may begin, counted
    in its own bytes (None: everything in it belongs to it).

    When `pull` has returned nothing, `fault` says what broke it, `whole` whether the break is behind all that it gave,
    `next` is where the following unit can be looked for, and `ready` is that unit's first member when it was seen already.
    """

    def __init__(self, chain: Chain, member: Member) -> None:
        self._chain = chain
        self._member = member
        self.offset = member.offset
        self.stop: int | None = None
        self.fault: tuple[str, str] | None = None
        self.whole = True
        self.next = -1
        self.ready: Member | None = None

    def pull(self) -> bytes:
        """Return the next piece of unpacked bytes; empty at the end."""
        while self.next < 0:
            if piece := self._member.pull():
                return piece
            if self._member.fault is not None:
                self.whole = False
                self._end(self._member.fault, self._member.offset + 1)
            else:
                self._follow(self._member.end)
        return b""

    def rewind(self, position: int) -> bool:
        """Go back to a byte of the unit; False, because what is unpacked cannot."""
        return False

    def _follow(self, position: int) -> None:
        position = self._chain.skip_frames(position)
        window = self._chain.window
        if position >= window.size or (window.read(position, 1) == b"\0" and window.is_padding(position)):
            return self._end(None, window.size)
        member = self._chain.member(position)
        if member is None:
            return self._end(("garbage", f"at byte {position}"), position + 1)
        head = member.head()
        if self._chain.is_start(head):
            self.ready = member
            return self._end(None, position)
        if member.fault is not None:
            return self._end(member.fault, position + 1)
        self._member = member
        return None

    def _end(self, fault: tuple[str, str] | None, position: int) -> None:
        self.fault = fault
        self.next = position


class Chain:
    """The units of a compressed file."""

    def __init__(self, window: Window, codec: Codec, is_start: IsStart) -> None:
        self.window = window
        self.codec = codec
        self.is_start = is_start
        if codec is ZSTD:
            self._load_dictionary()

    def units(self, start: int, end: int) -> Iterator[AnyUnit]:
        """Yield the units that begin in a byte range; each must have been read to its end before the next."""
        position = start
        member = None
        if start == 0:
            position = self.skip_frames(0)
            member = self.member(position)  # the first member of a file is a beginning, whatever is in it
            if member is None:
                yield Rubbish(position)
        while position < end:
            if member is None:
                member = self._find(position, end)
                if member is None:
                    return
            if member.offset >= end:
                return
            unit = Unit(self, member)
            yield unit
            while unit.pull():
                pass
            position, member = unit.next, unit.ready

    def member(self, position: int) -> Member | None:
        """Return the member that begins at a byte; None when none does."""
        if self.window.read(position, len(self.codec.magic)) != self.codec.magic:
            return None
        return Member(self.window, self.codec, position)

    def skip_frames(self, position: int) -> int:
        """Return where the next frame with data begins."""
        while self.codec.name == ZSTD.name and is_skippable(head := self.window.read(position, 8)):
            position += 8 + int.from_bytes(head[4:8], "little")
        return position

    def _find(self, position: int, end: int) -> Member | None:
        while (found := self.window.find(self.codec.magic, position, end)) >= 0:
            member = Member(self.window, self.codec, found)
            if self.is_start(member.head()):
                return member
            position = found + 1
        return None

    def _load_dictionary(self) -> None:
        head = self.window.read(0, 8)
        if not is_skippable(head) or head[0] & 0xF != 0xD:
            return
        length = min(int.from_bytes(head[4:8], "little"), _MAX_DICTIONARY)
        pieces = []
        position = 8
        while length > 0 and (piece := self.window.read(position, min(length, BLOCK_BYTES))):
            pieces.append(piece)
            position += len(piece)
            length -= len(piece)
        try:
            self.codec = with_dictionary(b"".join(pieces))
        except BadDataError:
            return  # every frame that needs it will say so


class PlainUnit:
    """A byte range of an uncompressed file: records that begin before `stop` belong to it, and are read to their end."""

    def __init__(self, window: Window, start: int, end: int) -> None:
        self._window = window
        self._position = start
        self.offset = start
        self.stop: int | None = end - start
        self.fault: tuple[str, str] | None = None
        self.whole = True

    def pull(self) -> bytes:
        """Return the next piece; empty at the end of the file."""
        piece = self._window.read(self._position, BLOCK_BYTES)
        self._position += len(piece)
        return piece

    def rewind(self, position: int) -> bool:
        """Go to a byte of the unit, counted from its beginning."""
        self._position = self.offset + position
        return True


class Rubbish:
    """What stands before the first member of a compressed file."""

    stop: int | None = None
    whole = True

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.fault: tuple[str, str] | None = ("garbage", f"at byte {offset}")

    def pull(self) -> bytes:
        """Return nothing."""
        return b""

    def rewind(self, position: int) -> bool:
        """There is nothing to go back in."""
        return False


AnyUnit = Unit | PlainUnit | Rubbish


def open_units(
    window: Window,
    start: int,
    end: int,
    is_start: IsStart,
    find_plain: Callable[[Window, int, int], int],
) -> Iterator[AnyUnit]:
    """Yield the units of a byte range (`end` 0: to the end), compressed or not.

    `find_plain(window, start, end)` returns where the first record of an uncompressed range begins; -1 for nowhere.
    """
    end = end or window.size
    codec = find_codec(window.read(0, 8)) or _search_codec(window, is_start)
    if codec is not None:
        yield from Chain(window, codec, is_start).units(start, end)
        return
    first = start if start == 0 else find_plain(window, start, end)
    if 0 <= first < end:
        yield PlainUnit(window, first, end)


def _search_codec(window: Window, is_start: IsStart) -> Codec | None:
    """Return the codec of a file whose first bytes are damaged: the one of which a member is found soon after."""
    if is_start(window.read(0, HEAD_BYTES)):
        return None
    for codec in CODECS:
        position = 0
        while (found := window.find(codec.magic, position, BLOCK_BYTES)) >= 0:
            if is_start(Member(window, codec, found).head()):
                return codec
            position = found + 1
    return None
