"""The wire between the supervisor and its child: JSON messages, each behind its length. No pickle on either side.

Knows nothing of what the messages mean.
"""

from __future__ import annotations

import json
import os
from typing import Any

LENGTH_BYTES = 8


def pack(message: dict[str, Any]) -> bytes:
    """Return a message as length and JSON."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def unpack(body: bytes | bytearray) -> dict[str, Any]:
    """Return the message of a body; raises `ValueError` when it is not a JSON object."""
    message = json.loads(bytes(body).decode("utf-8", "surrogatepass"))
    if not isinstance(message, dict):
        raise ValueError(f"expected a JSON object, found {type(message).__name__}")
    return message


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however often the pipe is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_exactly(descriptor: int, num_bytes: int) -> bytes | None:
    """Read so many bytes; None at the end of the stream."""
    pieces: list[bytes] = []
    while num_bytes:
        piece = os.read(descriptor, min(num_bytes, 2**20))
        if not piece:
            return None
        pieces.append(piece)
        num_bytes -= len(piece)
    return b"".join(pieces)
