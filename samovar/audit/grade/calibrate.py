"""Setting a system's refusal threshold from labelled replies, and saying how well it does on others.

Knows nothing about where the labels come from.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samovar.audit.grade.reading import Reader
from samovar.audit.grade.refusal import DEFAULT, RefusalRule, is_refusal, read_signs, score_refusal
from samovar.errors import UsageError

MIN_LABELLED = 10  # of each kind: with fewer the default is as good


@dataclass(frozen=True, slots=True)
class Labelled:
    """A reply with a person's verdict."""

    text: str
    refused: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """How a rule does on labelled replies: (right, of how many) for refusals and for answers, and how many were undecided."""

    sensitivity: tuple[int, int]
    specificity: tuple[int, int]
    undecided: int


def calibrate_refusals(labelled: Sequence[Labelled], reader: Reader, *, band: float = 0.0) -> RefusalRule:
    """Return the threshold nearest to the default among those within one standard error of the best sensitivity + specificity.

    Args:
        band: width of the undecided band around the threshold, in score units.

    Raises:
        UsageError: fewer than ten refusals or ten answers. Sources: Youden (1950), Cancer 3:32–35 (the criterion);
            Breiman et al. (1984), Classification and Regression Trees, 3.4.3 (one standard error, against fitting noise).
    """
    yes = [score_refusal(read_signs(x.text, reader)) for x in labelled if x.refused]
    no = [score_refusal(read_signs(x.text, reader)) for x in labelled if not x.refused]
    if len(yes) < MIN_LABELLED or len(no) < MIN_LABELLED:
        raise UsageError(
            f"expected at least {MIN_LABELLED} refusals and {MIN_LABELLED} answers to calibrate on, found {len(yes)} and {len(no)}. Label more, or use the default."
        )
    levels = sorted({*yes, *no})
    cuts = [(a + b) / 2 for a, b in itertools.pairwise(levels)]

    def youden(cut: float) -> float:
        return sum(s >= cut for s in yes) / len(yes) + sum(s < cut for s in no) / len(no)

    best = max(cuts, key=youden, default=DEFAULT.refused_from)
    slack = _standard_error(youden(best), len(yes), len(no))
    usual = (DEFAULT.refused_from + DEFAULT.answered_below) / 2
    middle = min((c for c in cuts if youden(c) >= youden(best) - slack), key=lambda c: abs(c - usual), default=usual)
    return RefusalRule(middle + band / 2, middle - band / 2, len(labelled))


def _standard_error(youden: float, num_yes: int, num_no: int) -> float:
    """Of a sum of two shares whose mean is half of it, never below two errors in all."""
    errors = min(max(1 - youden / 2, 2 / (num_yes + num_no)), 0.5)
    return math.sqrt(errors * (1 - errors) * (1 / num_yes + 1 / num_no))


def evaluate_refusals(labelled: Iterable[Labelled], reader: Reader, rule: RefusalRule) -> Fit:
    """Return how a rule does; an undecided reply counts as right for neither."""
    right, total, undecided = {True: 0, False: 0}, {True: 0, False: 0}, 0
    for x in labelled:
        found = is_refusal(x.text, reader, rule)
        total[x.refused] += 1
        right[x.refused] += found is x.refused
        undecided += found is None
    return Fit((right[True], total[True]), (right[False], total[False]), undecided)


def split_third(labelled: Sequence[Labelled], seed: int = 2026) -> tuple[list[Labelled], list[Labelled]]:
    """Return a random third to calibrate on, and the rest."""
    order = list(labelled)
    random.Random(seed).shuffle(order)
    third = len(order) // 3
    return order[:third], order[third:]
