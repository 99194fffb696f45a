"""Where runs lie when nobody names a folder: under the state directory, one folder per target and day; an unfinished one goes on.

Knows nothing about what is in a run beyond its description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from samovar.audit.collect import ANSWERS, RUN, hash_questions, read_replies
from samovar.audit.outcome import Question
from samovar.corpus.document import utc_now
from samovar.errors import UsageError

PLACE = "audit"


def runs_under(home: Path) -> list[Path]:
    """Return the folders of runs under a state directory, oldest first."""
    found = [path.parent for path in (home / PLACE).glob(f"*/{RUN}")]
    return sorted(found, key=lambda folder: ((folder / RUN).stat().st_mtime, folder.name))


def latest_run(home: Path) -> Path:
    """Return the folder of the last run begun. Raises `UsageError` when there is none."""
    if not (runs := runs_under(home)):
        raise UsageError(f"expected a run in {home / PLACE}, found none. Make one:  samovar audit run --target NAME")
    return runs[-1]


def find_folder(home: Path, target: str, questions: Sequence[Question]) -> Path:
    """Return the folder of an unfinished run of these questions to this target, else a new one named after target and day."""
    wanted = hash_questions(questions)
    for folder in reversed(runs_under(home)):
        if _is_same(folder, target, wanted) and not _is_complete(folder, len(questions)):
            return folder
    slug = re.sub(r"[^\w.-]+", "-", target).strip("-.") or "target"
    base = home / PLACE / f"{slug[:80]}-{utc_now()[:10]}"
    number, folder = 1, base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder


def _is_same(folder: Path, target: str, questions_sha256: str) -> bool:
    try:
        about = json.loads((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(about.get("target") == target and about.get("questions_sha256") == questions_sha256)


def _is_complete(folder: Path, num: int) -> bool:
    return sum(r.finish != "error" for r in read_replies(folder / ANSWERS)) >= num
