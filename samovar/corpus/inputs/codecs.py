"""One interface over the decompressors: fed with bytes, they give bounded pieces and say where a member ends.

A *member* is what ends by itself: a gzip member, a bzip2 stream, a zstd frame. Knows no file. Sources: RFC 1952, RFC 8878.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from samovar.errors import MissingExtraError

MAX_PIECE = 256 * 1024
_MAX_WINDOW = 128 * 2**20


class BadDataError(Exception):
    """The data is not what the format allows."""


class Decoder(Protocol):
    """Decompresses one member. `unused` are the bytes behind its end, once `ended`."""

    ended: bool
    unused: bytes

    def feed(self, data: bytes) -> bytes:
        """Take compressed bytes (empty: give what is pending) and return at most some `MAX_PIECE` bytes.

        Raises:
            BadDataError: the data is damaged.
        """
        ...

    @property
    def hungry(self) -> bool:
        """Whether it needs more input to go on."""
        ...


class GzipDecoder:
    """One gzip member; its checksum is verified at the end."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self._full = False
        self.ended = False
        self.unused = b""

    @property
    def hungry(self) -> bool:
        return not self._full

    def feed(self, data: bytes) -> bytes:
        inner = self._inner
        try:
            piece = inner.decompress(inner.unconsumed_tail + data if inner.unconsumed_tail else data, MAX_PIECE)
        except zlib.error as error:
            raise BadDataError(str(error)) from error
        self.ended = inner.eof
        self._full = not inner.eof and len(piece) == MAX_PIECE
        if inner.eof:
            self.unused = inner.unused_data
        return piece


class Bzip2Decoder:
    """One bzip2 stream."""

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()
        self.ended = False
        self.unused = b""

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    def feed(self, data: bytes) -> bytes:
        try:
            piece = self._inner.decompress(data, MAX_PIECE)
        except (OSError, ValueError) as error:
            raise BadDataError(str(error)) from error
        self.ended = self._inner.eof
        if self.ended:
            self.unused = self._inner.unused_data
        return piece


class ZstdDecoder:
    """One zstd frame, with the dictionary of the file if it has one."""

    hungry = True

    def __init__(self, dictionary: bytes = b"") -> None:
        zstandard = _import_zstandard()
        options: dict[str, Any] = {"max_window_size": _MAX_WINDOW}
        if dictionary:
            options["dict_data"] = zstandard.ZstdCompressionDict(dictionary)
        self._error = zstandard.ZstdError
        self._inner = zstandard.ZstdDecompressor(**options).decompressobj()
        self.ended = False
        self.unused = b""

    def feed(self, data: bytes) -> bytes:
        try:
            piece = bytes(self._inner.decompress(data)) if data else b""
        except self._error as error:
            raise BadDataError(str(error)) from error
        self.ended = bool(self._inner.eof)
        if self.ended:
            self.unused = bytes(self._inner.unused_data)
        return piece


def _import_zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError("corpus", "reading zstd files") from error
    return zstandard


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression: the bytes every member begins with, how much to feed at once, and its decoder.

    zstd has no output limit of its own: 2 KiB of it are at most 64 MiB of text (a run of 128 KiB costs 4 bytes).
    """

    name: str
    magic: bytes
    step_bytes: int
    decoder: Callable[[], Decoder]


GZIP = Codec("gzip", b"\x1f\x8b\x08", 16 * 1024, GzipDecoder)
BZIP2 = Codec("bzip2", b"BZh", 64 * 1024, Bzip2Decoder)
ZSTD = Codec("zstd", b"\x28\xb5\x2f\xfd", 2 * 1024, ZstdDecoder)
CODECS = (GZIP, BZIP2, ZSTD)
_SKIPPABLE = 0x184D2A50  # to …5F: zstd frames that hold no data; WARC puts its dictionary into one (magic …5D)


def find_codec(head: bytes) -> Codec | None:
    """Return the codec of a file by its first bytes; None when it is not compressed."""
    if is_skippable(head):
        return ZSTD
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def is_skippable(head: bytes) -> bool:
    """Tell whether a zstd frame without data begins here."""
    return len(head) >= 8 and int.from_bytes(head[:4], "little") & ~0xF == _SKIPPABLE


def with_dictionary(frame: bytes) -> Codec:
    """Return the zstd codec with the dictionary of a skippable frame's content, which may itself be compressed.

    Source: the WARC zstd proposal of the IIPC (dictionary in a first frame of magic 0x184D2A5D).
    """
    if frame.startswith(ZSTD.magic):
        frame = ZstdDecoder().feed(frame)
    return Codec(ZSTD.name, ZSTD.magic, ZSTD.step_bytes, lambda: ZstdDecoder(frame))
