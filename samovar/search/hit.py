"""A hit: one ranked passage, its document and the named components that add up to its score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from samovar.corpus.document import Document
from samovar.library.passage import Passage

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Component:
    """One named addend of a score, e.g. ``text:мёртвые`` 3.1 or ``diversity`` -0.4."""

    name: str
    value: float


class Marker(Protocol):
    """Finds the places of a passage that are worth showing."""

    def __call__(self, passage: Passage) -> tuple[tuple[Span, ...], Span]:
        """Return `Hit.highlights` and `Hit.snippet`."""


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
    highlights: tuple[Span, ...] = ()
    snippet: Span = (0, 0)
    marker: Marker | None = field(default=None, repr=False, compare=False)

    @classmethod
    def to_be_marked(
        cls,
        rank: int,
        score: float,
        passage: Passage,
        document: Document,
        explain: tuple[Component, ...],
        marker: Marker,
    ) -> Self:
        """Return a hit whose `highlights` and `snippet` are found when one of them is first asked for: the words of a passage have to
        be found again for them, a third of the time of a search, and whoever answers from the passage never looks at them."""
        hit = object.__new__(cls)
        fill = object.__setattr__
        fill(hit, "rank", rank)
        fill(hit, "score", score)
        fill(hit, "passage", passage)
        fill(hit, "document", document)
        fill(hit, "explain", explain)
        fill(hit, "marker", marker)
        return hit

    if not TYPE_CHECKING:  # else every name would be an attribute

        def __getattr__(self, name: str) -> Any:
            """Called for the slots that are still empty, then never again."""
            if name not in ("highlights", "snippet"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            highlights, snippet = self.marker(self.passage)
            object.__setattr__(self, "highlights", highlights)
            object.__setattr__(self, "snippet", snippet)
            return highlights if name == "highlights" else snippet
