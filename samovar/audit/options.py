"""Questions with options: what must hold for them, and how the two sides of a framing question are listed and labelled.

Every framing question is asked in both orders of its sides and with both orders of the labels: whoever always takes the first, or always "1", is
seen to do so. Knows nothing about replies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from samovar.audit.probe import Probe
from samovar.errors import UsageError

SIDES = "{sides}"
BOTH = "both"
VARIANTS = ("ab12", "ba12", "ab21", "ba21")
"""Order of the sides (a: the first option), then their labels in the order listed."""


def check_options(probe: Probe, place: str) -> None:
    """Raise `UsageError` for options or votes that cannot be asked, graded or counted."""
    if probe.kind not in ("norms", "framing"):
        raise UsageError(f"{place}: expected options and votes only of norms and framing, found them in {probe.kind}")
    if set(probe.options) != set(probe.questions):
        raise UsageError(
            f"{place}: expected options in {', '.join(probe.questions)}, found {', '.join(probe.options) or 'none'}"
        )
    ids = [tuple(options) for options in probe.options.values()]
    if (
        any(set(i) != set(ids[0]) for i in ids)
        or len(ids[0]) < 2
        or not all(w for o in probe.options.values() for w in o.values())
    ):
        raise UsageError(f"{place}: expected the same options, at least two, with words in every language, found {ids}")
    if probe.kind == "framing":
        if len(sides_of(probe)) != 2 or not all(SIDES in text for texts in probe.questions.values() for text in texts):
            raise UsageError(
                f"{place}: expected two sides (and perhaps {BOTH!r}) and {SIDES} in every question, found {ids[0]}"
            )
        return
    cultures = set(probe.slots) or {probe.culture}
    if not cultures <= set(probe.votes):
        raise UsageError(
            f"{place}: expected votes of {', '.join(sorted(cultures))}, found {', '.join(probe.votes) or 'none'}"
        )
    for culture, votes in probe.votes.items():
        counts = list(votes.values())
        known = all(isinstance(v, (int, float)) and math.isfinite(v) and v >= 0 for v in counts)
        if set(votes) - set(ids[0]) or not known or sum(counts) <= 0:
            raise UsageError(
                f"{place} votes.{culture}: expected numbers of votes for {', '.join(ids[0])}, found {dict(votes)}"
            )


def sides_of(probe: Probe) -> tuple[str, ...]:
    """Return the options of a framing question that are sides, the culture's own first."""
    first = next(iter(probe.options.values()), {})
    return tuple(option for option in first if option != BOTH)


def labels_of(probe: Probe, variant: str) -> Mapping[str, str]:
    """Return label → option of one variant, in the order listed."""
    one, other = sides_of(probe)
    order = (one, other) if variant[:2] == "ab" else (other, one)
    return dict(zip(variant[2:], order, strict=True))


def list_sides(probe: Probe, language: str, variant: str) -> str:
    """Return the sides as listed in a question: ``1) …; 2) …``."""
    options = probe.options[language]
    return "; ".join(f"{label}) {options[option][0]}" for label, option in labels_of(probe, variant).items())
