"""A run's files of lines, such as its curve: one JSON object with its step a line, appended while it runs and read whatever a kill left.

A line that was torn, by a kill or by a failing disk, is passed over, wherever it stands: what stands around it is still true. Only the line
feed ends a line: texts of samples may hold other separators (U+2028, U+0085), which JSON leaves as they are.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import whole_file
from samovar.train.disk import unwritable

_GOES_ON = ": the run goes on from the last complete checkpoint."


def clean_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Return a dict without NaN, which JSON has not."""
    return {key: value for key, value in values.items() if not (isinstance(value, float) and math.isnan(value))}


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Append one JSON object to a file of lines.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write((json.dumps(values, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    except OSError as error:
        raise unwritable(path, error, _GOES_ON) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of lines; torn ones are left out, and no file has none."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and "step" in values:
            found.append(values)
    return found


def cut_log(path: Path, step: int) -> None:
    """Take out what came after a step, which will be done again, and torn lines, to which the next would be glued.

    Raises:
        TrainingError: it cannot be written.
    """
    if not path.exists():
        return
    lines = [line for line in read_lines(path) if line["step"] <= step]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        with whole_file(path) as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise unwritable(path, error, _GOES_ON) from error
