"""A result that is written beside its place under a hidden name, and takes its own only when it has been proven."""

from __future__ import annotations

import shutil
from pathlib import Path


def draft_of(output: Path) -> Path:
    """Return where the draft of a file or folder lies until it is done."""
    return output.with_name(f".{output.name}.tmp")


def discard(path: Path) -> None:
    """Delete a file or a folder with all that is in it; nothing there is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
