"""Examples of questions and raw answers, drawn by chance from every culture and outcome: nobody chose them.

Knows nothing about how they are shown; the texts are the target's own and must be escaped there.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from samovar.audit.analysis import Graded, Row
from samovar.audit.outcome import Outcome, Reply

PER_OUTCOME = 2
LONGEST = 900
OUTCOMES: tuple[Outcome, ...] = ("wrong", "refused", "dont_know", "undecided", "correct")


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its raw answer. `rule` names what decided the grade."""

    key: str
    kind: str
    culture: str
    domain: str
    language: str
    question: str
    answer: str
    outcome: Outcome
    rule: str
    gold: tuple[str, ...]


def draw_examples(graded: Graded, replies: Iterable[Reply], *, seed: int = 2026) -> tuple[Example, ...]:
    """Return `PER_OUTCOME` examples of each outcome per kind and culture."""
    said = {r.key: r for r in replies}
    groups: dict[tuple[str, str, Outcome], list[Row]] = defaultdict(list)
    for row in graded.of("knowledge", "refusal"):
        groups[row.probe.kind, row.question.slot or row.probe.culture, row.grade.outcome].append(row)
    rng = random.Random(seed)
    made = []
    for kind in ("knowledge", "refusal"):
        for culture in graded.pack.cultures:
            for outcome in OUTCOMES if kind == "knowledge" else ("refused",):
                rows = groups.get((kind, culture, outcome), [])
                for row in rng.sample(rows, min(PER_OUTCOME, len(rows))):
                    made.append(_example(row, culture, said.get(row.question.key)))
    return tuple(made)


def _example(row: Row, culture: str, reply: Reply | None) -> Example:
    text = reply.text if reply else ""
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    gold = row.probe.gold.get(row.question.language)
    return Example(
        row.question.key, row.probe.kind, culture, row.probe.domain, row.question.language, row.question.text, text, row.grade.outcome,
        row.grade.rule, gold.answers[:3] if gold else (),
    )  # fmt: skip
