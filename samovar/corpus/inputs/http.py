"""An HTTP response as archives store it: status, headers, and the body with its transfer and content encodings undone.

Lenient, because archives store what servers sent: a body that is not encoded as its headers claim is taken as it is.
Never raises for what a response holds. Source: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:+-]+)", re.I)
_MAX_HEAD = 256 * 1024
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response; header names are lower case, of repeated ones the last counts. `status` 0: not HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    fault: tuple[str, str] | None = None

    @property
    def mime(self) -> str:
        """The MIME type without parameters, lower case; empty when the server said none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The character set that the server claims; possibly wrong."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found.group(1).lower() if found else ""


@dataclass(slots=True)
class _Limit:
    """What may still be unpacked; `passed` is set when it was not enough."""

    left: int
    passed: bool = field(default=False)


def parse_headers(lines: bytes) -> dict[str, str]:
    """Return the header fields of a block of lines; folded lines are joined, what is no field is ignored."""
    headers: dict[str, str] = {}
    text = lines.decode("utf-8", "replace")
    if "\n " in text or "\n\t" in text:
        text = _join_folded(text)
    for line in text.split("\n"):
        key, sign, value = line.partition(":")
        if sign:
            headers[key.strip().lower()] = value.strip()
    return headers


def _join_folded(text: str) -> str:
    """Return the lines with those that begin with a space put behind the field that they go on with."""
    joined: list[str] = []
    field = -1  # the last line that is a field with a name
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and field >= 0:
            joined[field] = f"{joined[field].rstrip()} {line.strip()}"
            continue
        joined.append(line)
        name, sign, _ = line.partition(":")
        if sign:
            field = len(joined) - 1 if name.strip() else -1
    return "\n".join(joined)


def parse_response(block: bytes, max_bytes: int) -> Response:
    """Parse a stored response; the decoded body is bounded by `max_bytes` (fault ``too_large``)."""
    status = _STATUS.match(block)
    if not status:
        return Response(0, {}, block)
    end = _HEAD_END.search(block, 0, _MAX_HEAD)
    if not end:
        return Response(int(status.group(1)), parse_headers(block[:_MAX_HEAD]), b"")
    headers = parse_headers(block[: end.start()])
    limit = _Limit(max_bytes)
    body = _decode_body(block[end.end() :], headers, limit)
    fault = ("too_large", f"more than {max_bytes} bytes unpacked") if limit.passed else None
    if body is None and fault is None:
        fault = ("damaged", f"content encoding {headers.get('content-encoding', '')}")
    return Response(int(status.group(1)), headers, body or b"", fault)


def _decode_body(body: bytes, headers: Mapping[str, str], limit: _Limit) -> bytes | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _join_chunks(body)
    for name in reversed(headers.get("content-encoding", "").lower().split(",")):
        decoded = _unpack(body, name.strip(), limit)
        if decoded is None:
            # archives often keep the header of a body that they stored unpacked
            return body if _looks_plain(body) and not limit.passed else None
        body = decoded
    return body


def _join_chunks(body: bytes) -> bytes:
    """Return the chunks joined; a body that does not begin like a chunk was joined before it was stored."""
    pieces: list[bytes] = []
    position = 0
    while size := _CHUNK_SIZE.match(body, position):
        length = int(size.group(1), 16)
        position = size.end()
        if length == 0:
            break
        pieces.append(body[position : position + length])
        position += length
        if body[position : position + 2] == b"\r\n":
            position += 2
        elif body[position : position + 1] == b"\n":
            position += 1
    return b"".join(pieces) if pieces or position else body


def _looks_plain(body: bytes) -> bool:
    head = body[:512]
    return bool(head) and b"\0" not in head and (b"<" in head or sum(byte < 9 for byte in head) == 0)


def _unpack(body: bytes, name: str, limit: _Limit) -> bytes | None:
    if name in ("", "identity", "none", "utf-8"):
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit)
    if name == "deflate":
        unpacked = _inflate(body, 15, limit)
        return unpacked if unpacked is not None or limit.passed else _inflate(body, -15, limit)
    if name == "br":
        return _unpack_brotli(body, limit)
    if name == "zstd":
        return _unpack_zstd(body, limit)
    return None


def _inflate(body: bytes, window: int, limit: _Limit) -> bytes | None:
    """Return the unpacked body; what a cut or damaged one gives before its break, None when that is nothing."""
    inner = zlib.decompressobj(window)
    pieces: list[bytes] = []
    total = 0
    data = body
    try:
        while data and not inner.eof:
            piece = inner.decompress(data, limit.left + 1 - total)
            total += len(piece)
            pieces.append(piece)
            if total > limit.left:
                limit.passed = True
                return None
            data = inner.unconsumed_tail
            if not data:
                break
    except zlib.error:
        # a single call gave nothing of what came before the damage: take it in small steps
        pieces = [_inflate_slowly(body, window, limit)]
    unpacked = b"".join(pieces)
    return unpacked if unpacked or inner.eof else None


def _inflate_slowly(body: bytes, window: int, limit: _Limit) -> bytes:
    inner = zlib.decompressobj(window)
    pieces: list[bytes] = []
    left = limit.left
    try:
        for start in range(0, len(body), 64):
            piece = inner.decompress(body[start : start + 64], max(1, left))
            pieces.append(piece)
            left -= len(piece)
            if left <= 0:
                break
    except zlib.error:
        pass
    return b"".join(pieces)


def _unpack_brotli(body: bytes, limit: _Limit) -> bytes | None:
    try:
        import brotli
    except ImportError:
        return None
    inner = brotli.Decompressor()
    pieces: list[bytes] = []
    total = 0
    data = body
    try:
        while data or not inner.can_accept_more_data():  # a few bytes of brotli can be gigabytes: bounded pieces
            piece = bytes(inner.process(data, output_buffer_limit=_PIECE))
            data = b""
            total += len(piece)
            pieces.append(piece)
            if total > limit.left:
                limit.passed = True
                return None
    except brotli.error:
        pass
    return b"".join(pieces) or None


def _unpack_zstd(body: bytes, limit: _Limit) -> bytes | None:
    from samovar.corpus.inputs.codecs import BadDataError, ZstdDecoder

    inner = ZstdDecoder()
    pieces: list[bytes] = []
    total = 0
    try:
        for start in range(0, len(body), 2048):
            piece = inner.feed(body[start : start + 2048])
            total += len(piece)
            pieces.append(piece)
            if total > limit.left:
                limit.passed = True
                return None
            if inner.ended:
                break
    except BadDataError:
        pass
    return b"".join(pieces) or None
