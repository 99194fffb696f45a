"""A disk that is full is one error, whoever finds it: safetensors has its own for what Python calls an OSError. Knows no formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samovar.errors import TrainingError


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what hinders safetensors from writing into an OSError, for a ``with`` block that writes."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error


@contextmanager
def writing(place: Path | str) -> Iterator[None]:
    """Say what to do where a ``with`` block that writes `place` finds the disk full, or something else that hinders it.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        with disk_errors():
            yield
    except OSError as error:
        raise unwritable(place, error) from error


def unwritable(place: Path | str, error: OSError, then: str = "") -> TrainingError:
    """Return the error of a place that cannot be written; `then` ends its sentence."""
    return TrainingError(
        f"expected to write {place}, found: {error}. Free some space and give the same command again{then}"
    )
