"""Shared helpers of the corpus tests: read bytes as if they were a file, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from samovar.corpus.blob import Blob
from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_blob
from samovar.corpus.extracted import Extracted
from samovar.corpus.job import Job
from samovar.corpus.limits import Limits

Read = Callable[..., list[Extracted | LedgerRow]]


@pytest.fixture
def read() -> Read:
    """Return a function that extracts bytes under a file name; keyword arguments change the limits."""

    def run(data: bytes, name: str, **limits: object) -> list[Extracted | LedgerRow]:
        return list(extract_blob(Blob.from_bytes(data, name, name), Job(replace(Limits(), **limits))))  # type: ignore[arg-type]

    return run


@pytest.fixture
def read_one(read: Read) -> Callable[..., Extracted]:
    """Return a function that extracts bytes and expects exactly one text."""

    def run(data: bytes, name: str, **limits: object) -> Extracted:
        items = read(data, name, **limits)
        assert len(items) == 1 and isinstance(items[0], Extracted), items
        return items[0]

    return run


@pytest.fixture
def refused(read: Read) -> Callable[..., tuple[str, str]]:
    """Return a function that extracts bytes, expects one dropped row and returns its (reason, value)."""

    def run(data: bytes, name: str, **limits: object) -> tuple[str, str]:
        items = read(data, name, **limits)
        assert len(items) == 1 and isinstance(items[0], LedgerRow), items
        assert items[0].decision == "dropped" and items[0].stage == "extract" and items[0].at
        return items[0].reason, items[0].value

    return run
