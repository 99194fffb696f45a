"""Keep one publisher from filling the first page when others are nearly as relevant, and say so in the explanation.

A hit that is held back gets a negative component ``diversity``, just large enough for its score to fall below the hit shown before it:
the order shown is always the order of the scores. Knows nothing about why a hit scored what it scored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from samovar.search.hit import Component

PAGE = 10


class Ranked:
    """A scored passage on its way to becoming a hit; `party` is its publisher or source, `digest` equal for exact copies. Its components
    are given, or made when they are asked for (most passages are ranked and not shown)."""

    __slots__ = ("_made", "_make", "digest", "id", "party", "score")

    def __init__(
        self,
        id: int,
        party: int,
        digest: int,
        components: tuple[Component, ...] | Callable[[], tuple[Component, ...]],
        score: float | None = None,
    ) -> None:
        self.id = id
        self.party = party
        self.digest = digest
        self._made: tuple[Component, ...] | None = None if callable(components) else components
        self._make = components if callable(components) else None
        self.score = math.fsum([c.value for c in self.components]) if score is None else score
        """The exact sum of the components."""

    @property
    def components(self) -> tuple[Component, ...]:
        """The named addends of the score."""
        if self._made is None:
            assert self._make is not None
            self._made = self._make()
        return self._made


def sort_ranked(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Order by score, the highest first; equal scores by passage id."""
    return sorted(ranked, key=lambda r: (-r.score, r.id))


def diversify(ranked: Sequence[Ranked], *, share: float, tolerance: float, page: int = PAGE) -> list[Ranked]:
    """Return the hits reordered so that no party has more than ``share`` of the first `page` places as long as another party's hit
    with at least ``(1 - tolerance)`` of the held-back score is there to take the place. `ranked` is in order of score."""
    waiting = list(ranked)
    limit = max(1, math.floor(share * page))
    shown: list[Ranked] = []
    taken: Counter[int] = Counter()
    while waiting and len(shown) < page:
        pick = 0
        if taken[waiting[0].party] >= limit:
            floor = waiting[0].score - tolerance * abs(waiting[0].score)
            others = (i for i, r in enumerate(waiting) if taken[r.party] < limit and r.score >= floor)
            pick = next(others, 0)
        chosen = waiting.pop(pick)
        taken[chosen.party] += 1
        shown.append(chosen)
    return _lower(shown + waiting)


def _lower(order: Sequence[Ranked]) -> list[Ranked]:
    """Give each hit that now stands behind a lower one the component that brings its score below that one's."""
    out: list[Ranked] = []
    for hit in order:
        if out and (-hit.score, hit.id) < (-out[-1].score, out[-1].id):
            hit = _hold_back(hit, out[-1].score)
        out.append(hit)
    return out


def _hold_back(hit: Ranked, below: float) -> Ranked:
    step = max(abs(below), 1.0) * 1e-12
    while True:
        components = (*hit.components, Component("diversity", below - hit.score - step))
        held = Ranked(hit.id, hit.party, hit.digest, components)
        if held.score < below:
            return held
        step *= 2
