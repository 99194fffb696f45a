"""A disk that is full is one error, whoever finds it: safetensors has its own for what Python calls an OSError. Knows no formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what hinders safetensors from writing into an OSError, for a ``with`` block that writes."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error
