"""What a system misses, entity by entity, with the kind of document that would help: the loop from the audit back to the library.

For our own assistant a miss usually means that no document says it; after adding some, the same run again and `samovar.audit.compare` show
the change. Knows nothing about what the library holds (see `samovar.audit.overlap`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from samovar.audit.analysis import Graded, Row

HELPFUL = {
    "person": "biography",
    "work": "article about the work",
    "place": "gazetteer or guide",
    "event": "chronicle or history",
    "custom": "ethnography",
    "thing": "encyclopaedia article",
}
"""What kind of document would answer questions about an entity of each kind (keys of words in the packs)."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An entity with facets that were not answered rightly every time. `share`: of its questions answered rightly; `outcomes`: of the rest."""

    entity: str
    name: str
    culture: str
    domain: str
    kind: str
    fame: float
    share: float
    facets: tuple[str, ...]
    outcomes: dict[str, int]
    document: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One culture in one domain: entities asked, entities with a miss, share of right answers."""

    culture: str
    domain: str
    entities: int
    missed: int
    share: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """Entities that were missed, best known first, and the domains by the number missed."""

    entities: tuple[Missed, ...]
    domains: tuple[Cell, ...]


def find_gaps(graded: Graded, *, culture: str = "", language: str = "") -> Gaps:
    """Return what a run missed; undecided and missing replies count neither way."""
    asked: dict[str, list[Row]] = defaultdict(list)
    for row in graded.of("knowledge"):
        right_culture = not culture or row.probe.culture == culture
        right_language = not language or row.question.language == language
        if right_culture and right_language and row.grade.outcome not in ("missing", "undecided"):
            asked[row.probe.entity].append(row)
    missed = [_miss(graded, entity, rows, language) for entity, rows in asked.items()]
    found = [m for m in missed if m.share < 1]
    cells: dict[tuple[str, str], list[Missed]] = defaultdict(list)
    for m in missed:
        cells[m.culture, m.domain].append(m)
    domains = [
        Cell(*key, len(group), sum(m.share < 1 for m in group), sum(m.share for m in group) / len(group))
        for key, group in cells.items()
    ]
    return Gaps(
        tuple(sorted(found, key=lambda m: (m.share, -m.fame, m.entity))),
        tuple(sorted(domains, key=lambda c: (c.share, -c.missed, c.culture, c.domain))),
    )


def _miss(graded: Graded, entity: str, rows: list[Row], language: str) -> Missed:
    about = graded.pack.entities.get(entity)
    wrong = [r for r in rows if r.grade.outcome != "correct"]
    home, _ = graded.pack.fame_of(entity)
    names = about.names if about else {}
    shown = names.get(language) or next(iter(names.values()), ()) or (entity,)
    kind = about.kind if about else "thing"
    return Missed(
        entity, shown[0], rows[0].probe.culture, rows[0].probe.domain, kind, home, 1 - len(wrong) / len(rows),
        tuple(dict.fromkeys(r.probe.facet for r in wrong)), dict(Counter(r.grade.outcome for r in wrong)), HELPFUL.get(kind, HELPFUL["thing"]),
    )  # fmt: skip
