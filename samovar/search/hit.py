"""A hit: one ranked passage, its document and the named components that add up to its score."""

from __future__ import annotations

from dataclasses import dataclass

from samovar.corpus.document import Document
from samovar.library.passage import Passage


@dataclass(frozen=True, slots=True)
class Component:
    """One named addend of a score, e.g. ``text:мёртвые`` 3.1 or ``diversity`` -0.4."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` equals ``math.fsum(c.value for c in explain)`` exactly; hits are ordered by (-score, passage order).

    `highlights` are (start, end) offsets into the document's text; `snippet` is (start, end) of the stretch worth showing.
    `document.text` may be empty in a hit (it is loaded on demand); every other field is filled.
    """

    rank: int
    score: float
    passage: Passage
    document: Document
    explain: tuple[Component, ...]
    highlights: tuple[tuple[int, int], ...] = ()
    snippet: tuple[int, int] = (0, 0)
