"""Check and print explanations. A score *is* the exact sum of its components, so a hit can be checked by anyone with its JSON in hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from samovar.search.hit import Hit


def verify(hit: Hit) -> bool:
    """Return whether the shown components add up to the shown score exactly (`math.fsum`, no tolerance)."""
    return math.fsum(component.value for component in hit.explain) == hit.score


def verify_order(hits: Sequence[Hit]) -> bool:
    """Return whether the hits stand in the order of their scores, equal scores by passage id, ranks from 1 on."""
    keys = [(-hit.score, hit.passage.id) for hit in hits]
    return keys == sorted(keys) and [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def explain_lines(hit: Hit) -> list[str]:
    """Return the explanation as lines for a terminal, the largest component first, the sum last."""
    ordered = sorted(hit.explain, key=lambda c: (-abs(c.value), c.name))
    width = max([len(component.name) for component in ordered] + [5])
    lines = [f"{component.name:<{width}} {component.value:>10.4f}" for component in ordered]
    return [*lines, f"{'score':<{width}} {hit.score:>10.4f}"]
