"""Three numbers, one verdict: the raw gap, the gap at equal fame, and the gap relative to a panel of reference systems.

Each alone can be fooled (AUDIT: a culture whose items are .35 logit harder makes a phantom gap in 40 % of raw comparisons, 8 % with fame, 5 %
against a panel), so a claim needs all that are available to agree in sign and to be beyond chance. (AUDIT asks for two of the three; items
that are harder for a reason that fame does not show fool raw and fame together: 42 % false alarms in the self-test, 5 % when the panel must
agree too, at no loss of power.) Two claims are made, the weaker first: *differs* (the intervals exclude 0) and *selective* (they exclude
±margin as well).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from samovar.audit.stats.equivalence import MARGIN, Verdict, exceeds_p, tost_p
from samovar.audit.stats.estimate import Estimate

FEWEST_UNITS = 20  # entities, pairs or prompts; fewer are described, never judged


@dataclass(frozen=True, slots=True)
class Judgement:
    """`differs`: the gap is not chance (`p_differs`, the p-value of that claim). `verdict` is about the margin. `reason` says in a word what decided."""

    verdict: Verdict
    differs: bool
    p_differs: float
    reason: str


def judge(
    raw: Estimate,
    controls: Sequence[Estimate] = (),
    *,
    margin: float = MARGIN,
    alpha: float = 0.05,
    fewest: int = FEWEST_UNITS,
    smallest_group: int | None = None,
) -> Judgement:
    """Judge a gap (target minus comparators, negative: the target fares worse) by itself and its difficulty controls.

    `smallest_group` is the number of units in the smaller group where that is not `raw.n`.
    """
    if (raw.n if smallest_group is None else smallest_group) < fewest:
        return Judgement("inconclusive", False, math.nan, "too few")
    if not math.isfinite(raw.p):
        return Judgement("inconclusive", False, math.nan, "no variation")
    known = [raw, *(c for c in controls if math.isfinite(c.p))]
    p = max(e.p for e in known)
    agree = len({e.value > 0 for e in known}) == 1
    differs = agree and p <= alpha
    if agree and all(exceeds_p(e, margin) <= alpha for e in known):
        return Judgement("selective against" if raw.value < 0 else "selective for", True, p, "beyond the margin")
    if all(tost_p(e, margin) <= alpha for e in known):
        return Judgement("equivalent", differs, p if agree else 1.0, "within the margin")
    reason = "controls disagree" if not agree else "differs, margin not excluded" if differs else "too uncertain"
    return Judgement("inconclusive", differs, p if agree else 1.0, reason)
