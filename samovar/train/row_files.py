"""Rows of JSON Lines and Parquet files with the place each stands at, for messages. Knows nothing of what a row means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samovar.errors import TrainingError


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place (``path:number``) and text of each line that is not blank.

    Raises:
        TrainingError: it cannot be read or is no UTF-8.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"expected UTF-8 text in {path}, found: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{path}:{number}", line


def read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and columns of each row.

    Raises:
        TrainingError: it is no whole Parquet file.
    """
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(1024):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", row
    except (OSError, pyarrow.ArrowException) as error:
        raise TrainingError(f"expected a Parquet file at {path}, found: {error}") from error
