"""How much of what was asked the gaps cover: the shares of answers that are undecided or missing, culture by culture.

A gap is of decided answers only. Where many are not decided, or more in one culture than in another, it may be of what is left over (short answers, easy
questions), so the report warns and puts the bounds beside it. Knows nothing about why an answer is undecided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samovar.audit.analysis import NEUTRAL, Graded, Row

LARGE_SHARE = 0.20
LARGE_DIFFERENCE = 0.10  # between the cultures with the largest and the smallest share
KINDS: Mapping[str, str] = {"knowledge": "knowledge", "refusal": "refusal", "list": "lists"}
"""Kind of question → the registered axis that rests on it."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What an axis leaves out. `shares` is by culture (for refusals the culture of the slot, and the neutral slot; for lists, whose prompts are about none, "")."""

    axis: str
    num: int
    undecided: float
    missing: float
    shares: Mapping[str, float]

    @property
    def largest(self) -> float:
        """The largest share of a culture."""
        return max(self.shares.values(), default=0.0)

    @property
    def smallest(self) -> float:
        """The smallest share of a culture."""
        return min(self.shares.values(), default=0.0)

    @property
    def is_large(self) -> bool:
        """Whether the gaps need a warning."""
        return self.largest >= LARGE_SHARE or self.largest - self.smallest >= LARGE_DIFFERENCE - 1e-9


def find_uncovered(graded: Graded) -> tuple[Uncovered, ...]:
    """Return what each registered axis of a run leaves out, in the order of `KINDS`."""
    return tuple(_uncovered(axis, rows) for kind, axis in KINDS.items() if (rows := graded.of(kind)))


def _uncovered(axis: str, rows: Sequence[Row]) -> Uncovered:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.question.slot or row.probe.culture].append(row)
    cultures = sorted(groups, key=lambda c: c == NEUTRAL)
    return Uncovered(
        axis, len(rows), _share(rows, "undecided"), _share(rows, "missing"),
        {c: _share(groups[c], "undecided", "missing") for c in cultures},
    )  # fmt: skip


def _share(rows: Sequence[Row], *outcomes: str) -> float:
    return sum(r.grade.outcome in outcomes for r in rows) / len(rows)
