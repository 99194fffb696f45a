"""The environment in which the command-line tests run the program as a child."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def child_environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a child: nothing of ours but PATH, so that no setting of the developer's leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    return {**kept, "HOME": str(home), "SAMOVAR_HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONPATH": path, **extra}
