"""A result that is written beside its place under a hidden name, and takes its own only when it has been proven, or is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samovar.corpus.build.commit import whole_file


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object for people, in the order of its keys, whole or not at all."""
    with whole_file(path) as file:
        file.write((json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode("utf-8"))


def draft_of(output: Path) -> Path:
    """Return where the draft of a file or folder lies until it is done."""
    return output.with_name(f".{output.name}.tmp")


def discard(path: Path) -> None:
    """Delete a file or a folder with all that is in it; nothing there is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
