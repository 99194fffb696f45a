"""Which sources a system shows: how concentrated they are, and how far the same need in two languages meets the same sources.

Descriptive: a difference here is a finding to look at, not a verdict. The query pair is the unit. Knows nothing about what a source is worth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from samovar.audit.analysis import Graded, Row
from samovar.audit.stats.estimate import Estimate
from samovar.audit.stats.intervals import mean_interval
from samovar.audit.stats.sources import effective_number, hhi, jaccard, rarefied_effective_number, rbo

TOP = 12


@dataclass(frozen=True, slots=True)
class LanguageSources:
    """Sources shown to queries in one language: every result counts, a source five times on a page counts five times. `rarefied`: effective number at the number of citations that the language with fewest has."""

    language: str
    queries: int
    without: int
    citations: int
    distinct: int
    hhi: float
    effective: float
    rarefied: float
    top: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How alike the lists for the same need are in two languages: mean over query pairs. `culture` "" pools all."""

    culture: str
    languages: tuple[str, str]
    rbo: Estimate
    jaccard: Estimate


@dataclass(frozen=True, slots=True)
class Citing:
    """Everything about sources in one run."""

    languages: tuple[LanguageSources, ...]
    overlaps: tuple[Overlap, ...]


def source_name(address: str) -> str:
    """Return the name sources are counted by: the host of an address without ``www.``, else the text itself."""
    host = urlsplit(address).hostname if "://" in address else ""
    return (host or address).removeprefix("www.").strip()


def describe_sources(graded: Graded) -> Citing | None:
    """Return the sources of a run, None where no question about sources was answered."""
    rows = [r for r in graded.of("sources") if r.grade.outcome != "missing"]
    if not rows:
        return None
    by_language: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_language[row.question.language].append(row)
    counts = {tag: Counter(source_name(s) for r in group for s in r.grade.found) for tag, group in by_language.items()}
    fewest = min((sum(c.values()) for c in counts.values()), default=0)
    tables = tuple(_table(tag, group, counts[tag], fewest) for tag, group in by_language.items())
    tags = list(by_language)
    pairs = [(a, b) for i, a in enumerate(tags) for b in tags[i + 1 :]]
    return Citing(tables, tuple(o for pair in pairs for o in _overlaps(graded, rows, pair)))


def _names(row: Row) -> list[str]:
    """A reply's sources in order, each once: likeness compares lists without repeats."""
    return list(dict.fromkeys(map(source_name, row.grade.found)))


def _table(tag: str, rows: Sequence[Row], counts: Counter[str], fewest: int) -> LanguageSources:
    values = list(counts.values())
    return LanguageSources(
        tag, len(rows), sum(not r.grade.found for r in rows), sum(values), len(values), hhi(values), effective_number(values),
        rarefied_effective_number(values, fewest), tuple(counts.most_common(TOP)),
    )  # fmt: skip


def _overlaps(graded: Graded, rows: Sequence[Row], pair: tuple[str, str]) -> list[Overlap]:
    lists: dict[str, dict[str, list[str]]] = defaultdict(dict)
    culture: dict[str, str] = {}
    for row in rows:
        if row.question.paraphrase == 0:
            lists[row.probe.id][row.question.language] = _names(row)
            culture[row.probe.id] = row.probe.culture
    both = {p: (found[pair[0]], found[pair[1]]) for p, found in lists.items() if found.keys() >= set(pair)}
    both = {p: (a, b) for p, (a, b) in both.items() if a or b}
    made = []
    for chosen in ("", *graded.pack.cultures):
        picked: Mapping[str, tuple[list[str], list[str]]] = {
            p: ab for p, ab in both.items() if not chosen or culture[p] == chosen
        }
        if len(picked) >= 2:
            made.append(
                Overlap(
                    chosen,
                    pair,
                    mean_interval([rbo(a, b) for a, b in picked.values()]),
                    mean_interval([jaccard(a, b) for a, b in picked.values()]),
                )
            )
    return made
