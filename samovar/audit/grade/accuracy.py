"""How often the grader is right: its agreement with a labelled set, and its errors by language for the correction of shares.

The labelled set is ``grader.jsonl`` of a pack: one reply a line with question, gold, verdict, trap and split. Verdicts were written before the grader
was run; only the split ``dev`` was used to improve it, so errors are estimated on ``test``. Knows nothing about systems.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samovar.audit.grade.decision import grade_reply
from samovar.audit.outcome import OUTCOMES, Outcome, Reply
from samovar.audit.pack import make_probe
from samovar.audit.probe import Probe
from samovar.errors import UsageError

LABELLED = "grader.jsonl"
ERRORS = "grader_errors.json"


@dataclass(frozen=True, slots=True)
class LabelledReply:
    """A reply with the verdict a person gave it. `length` is ``short`` or ``verbose``; `trap` says what makes it hard."""

    probe: Probe
    language: str
    reply: Reply
    verdict: Outcome
    trap: str
    length: str
    split: str


def read_labelled(path: Path) -> list[LabelledReply]:
    """Read a labelled set.

    Raises:
        UsageError: a line of another shape; the message names it.
    """
    made = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            made.append(_labelled(row, f"{path.name}:{number}"))
        except (ValueError, LookupError, TypeError) as error:
            raise UsageError(f"{path.name}:{number}: expected a labelled reply, found {error!r}") from error
    return made


def _labelled(row: dict[str, Any], place: str) -> LabelledReply:
    language = row["language"]
    if row["verdict"] not in OUTCOMES:
        raise ValueError(f"a verdict {row['verdict']!r}")
    probe = make_probe(
        {
            "id": row["id"],
            "kind": "refusal",
            "culture": "",
            "domain": "",
            "facet": "",
            "questions": {language: [row["question"]]},
            "gold": row["gold"],
        },
        place,
    )
    reply = Reply(row["id"], row["question"], row["answer"], "stop", "labelled", "", "", 0.0)
    return LabelledReply(probe, language, reply, row["verdict"], row["trap"], row["length"], row["split"])


def grade_labelled(labelled: Iterable[LabelledReply]) -> list[tuple[LabelledReply, Outcome, str]]:
    """Return each labelled reply with the grader's outcome and rule."""
    return [(x, g.outcome, g.rule) for x in labelled for g in [grade_reply(x.probe, x.language, x.reply)]]


def agreement(graded: Iterable[tuple[LabelledReply, Outcome, str]]) -> tuple[int, int]:
    """Return (agreed, of how many): the very same outcome; an undecided one agrees only with undecided."""
    pairs = [(x.verdict, outcome) for x, outcome, _ in graded]
    return sum(a == b for a, b in pairs), len(pairs)


def estimate_errors(graded: Iterable[tuple[LabelledReply, Outcome, str]]) -> dict[str, dict[str, tuple[int, int]]]:
    """Return by language (right, of how many): sensitivity (right answers graded correct) and specificity (others not graded correct).

    Undecided and missing replies are left out, as shares leave them out. For `samovar.audit.stats.adjust.rogan_gladen`.
    """
    counts: dict[str, Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for x, outcome, _ in graded:
        if not {x.verdict, outcome} & {"undecided", "missing"}:
            counts[x.language][x.verdict == "correct", outcome == "correct"] += 1
    return {
        language: {
            "sensitivity": (c[True, True], c[True, True] + c[True, False]),
            "specificity": (c[False, False], c[False, False] + c[False, True]),
        }
        for language, c in sorted(counts.items())
    }


def write_errors(folder: Path) -> Path:
    """Estimate the errors on the test split of a pack's labelled set and write them beside it as ``grader_errors.json``."""
    graded = grade_labelled(x for x in read_labelled(folder / LABELLED) if x.split == "test")
    path = folder / ERRORS
    note = {
        "about": "errors of the grader on the test split of grader.jsonl, undecided left out: [right, of how many]",
        "num": len(graded),
        "languages": estimate_errors(graded),
    }
    path.write_text(json.dumps(note, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return path
