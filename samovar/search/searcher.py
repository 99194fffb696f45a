"""Search: query in, ranked hits with explanations out.

    with Library.open(home) as library:
        searcher = Searcher.open(library, SearchSettings(), home=home)
        for hit in searcher.search("Кто написал роман «Мёртвые души»?").hits:
            print(hit.score, hit.document.title, hit.explain)

Two stages: an engine brings a few hundred candidates by their terms, `Scorer` gives them the score that is shown. The search works on the
last commit of the index and brings it up to date first when the library has moved on. Knows nothing about answers or models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from samovar.errors import SearchError
from samovar.search.diversity import Ranked, diversify, sort_ranked
from samovar.search.engine import Candidates, EngineQuery, TantivyEngine, TermGroup
from samovar.search.highlight import QueryMarker
from samovar.search.hit import Hit
from samovar.search.index import EngineFactory, SearchIndex, SyncProgress, SyncReport
from samovar.search.plan import Plan, Planner
from samovar.search.query import Filters
from samovar.search.rows import Row, Statistics
from samovar.settings import SearchSettings

if TYPE_CHECKING:
    from samovar.library import Library
    from samovar.search.dense import DenseReranker, Embedder

SYNC_AT_ONCE = 2_000  # passages behind the library that a search makes up for itself; more is left to `sync`, and said
SPARE_HITS = 10  # scored beyond those asked for: copies are folded away, diversity needs others to promote
CANDIDATE_FLOOR = (
    0.5  # of the best candidate's first-stage score; .25 rescores twice as many for the same nDCG@10 (docs/LAB.md)
)
FEWEST_CANDIDATES = 30
PHRASE_CANDIDATES = 1_000  # when phrases must occur: the engine knows words, not their order


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`corrections` are (what was typed, what was searched); `notes` say in words what else was done to the query or the list.

    `total_candidates` is the number of passages rescored; `seconds` the whole time inside `search`.
    """

    query: str
    hits: tuple[Hit, ...]
    corrections: tuple[tuple[str, str], ...] = ()
    total_candidates: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


class Searcher:
    """An open index with its library. Safe to share between threads; after a fork open it again."""

    def __init__(self, index: SearchIndex, settings: SearchSettings, dense: DenseReranker | None = None) -> None:
        self.index = index
        self.library = index.library
        self.settings = settings
        self._dense = dense
        self._planner: tuple[object, Planner] | None = None

    @classmethod
    def open(
        cls,
        library: Library,
        settings: SearchSettings,
        *,
        home: Path | None = None,
        embedder: Embedder | None = None,
        make_engine: EngineFactory = TantivyEngine,
    ) -> Self:
        """Open the index under ``home/index`` (the library's home unless told otherwise) and bring it up to date.

        Raises:
            SearchError: the index can neither be opened nor rebuilt.
            MissingExtraError: an engine or embedder needs an optional package.
        """
        index = SearchIndex(library, home or library.home, make_engine)
        dense = None
        if embedder is not None:
            from samovar.search.dense import DenseReranker

            dense = DenseReranker(embedder, index.folder, settings.dense_weight)
        searcher = cls(index, settings, dense)
        if index.version != library.version:
            searcher.sync()
        return searcher

    def sync(self, progress: Callable[[SyncProgress], None] | None = None) -> SyncReport:
        """Bring the index up to the library's version; searches go on meanwhile, on the last commit."""
        return self.index.sync(progress)

    def close(self) -> None:
        """Close the index (not the library); safe to call twice."""
        if self._dense is not None:
            self._dense.close()
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- search -----------------------------------------------------------------------------------------------------------
    def search(
        self, text: str, *, k: int | None = None, filters: Filters = Filters(), diversity: bool | None = None
    ) -> SearchResult:
        """Return the `k` best passages (settings' ``top_k`` unless given) for any text; an empty list means there is no hit.

        Raises:
            SearchError: the index fails and cannot be rebuilt.
        """
        began = time.perf_counter()
        notes = self._catch_up()
        try:
            found = self._search(text, k or self.settings.top_k, filters, diversity)
        except SearchError:
            self.index.rebuild()
            self._planner = None
            found = self._search(text, k or self.settings.top_k, filters, diversity)
        return replace(found, notes=(*notes, *found.notes), seconds=time.perf_counter() - began)

    def _catch_up(self) -> list[str]:
        version = self.library.version
        if self.index.refresh() == version:
            return []
        behind = abs(self.library.num_passages - self._statistics().num_passages)
        if behind <= SYNC_AT_ONCE and self.sync().complete:
            return []
        return [f"The index is {behind} passages behind the library and being brought up to date."]

    def _statistics(self) -> Statistics:
        return self._plan_maker().statistics

    def _plan_maker(self) -> Planner:
        state, rows = self.index.state, self.index.rows
        if self._planner is None or self._planner[0] != state or self._planner[1].rows is not rows:
            self._planner = (state, Planner(rows))  # codes hold for one rows file: a rebuilt one has others
        return self._planner[1]

    def _search(self, text: str, k: int, filters: Filters, diversity: bool | None) -> SearchResult:
        plan = self._plan_maker().make(text, filters, self._seen_with(filters) if filters.hidden_sources else None)
        rows = self._candidates(plan, k)
        rows, notes = _apply_phrases(plan, rows)
        depth = k + SPARE_HITS
        best = plan.scorer.best(rows, depth)
        ranked = sort_ranked([Ranked(s.row.id, s.row.party, s.row.digest, s.components, s.score) for s in best])
        by_id = {scored.row.id: scored.row for scored in best}
        if self._dense is not None and ranked:
            ranked = sort_ranked(self._dense.rerank(text, ranked, self.library))
        ranked, copies = _fold_copies(ranked)
        if self.settings.diversity if diversity is None else diversity:
            ranked = diversify(ranked, share=self.settings.diversity_share, tolerance=self.settings.diversity_tolerance)
        hits = self._make_hits(ranked[:k], by_id, plan)
        notes = [*plan.notes, *notes, *_copy_notes(copies, hits)]
        return SearchResult(plan.query.text, hits, plan.corrections, len(rows), tuple(notes))

    def _seen_with(self, filters: Filters) -> Callable[[tuple[str, ...]], bool]:
        """Whether terms occur in a passage outside the hidden sources."""
        only = Filters(hidden_sources=filters.hidden_sources)
        return lambda terms: bool(self.index.engine.find(EngineQuery((TermGroup(terms),), filters=only), 1).ids)

    def _candidates(self, plan: Plan, k: int) -> list[Row]:
        if not plan.engine_query.groups and not plan.engine_query.required:
            return []
        limit = max(self.settings.candidates, 2 * k, PHRASE_CANDIDATES if plan.query.phrases else 0)
        found: Candidates = self.index.engine.find(plan.engine_query, limit)
        ids = list(found.ids if plan.query.strict else _promising(found, max(FEWEST_CANDIDATES, k + SPARE_HITS)))
        if self._dense is not None and not plan.is_restricted:
            near = self._dense.neighbours(plan.query.text, self._statistics().num_passages)
            ids += [i for i in near if i not in ids]
        rows = self.index.rows.fetch(ids)
        return [rows[i] for i in ids if i in rows]

    # -- hits -------------------------------------------------------------------------------------------------------------
    def _make_hits(self, ranked: Sequence[Ranked], rows: dict[int, Row], plan: Plan) -> tuple[Hit, ...]:
        found = self.library.passages_with_heads([r.id for r in ranked])
        codes = plan.scorer.codes
        hits: list[Hit] = []
        for one in ranked:
            if one.id not in found:
                continue  # removed from the library since the last commit of the index
            passage, document = found[one.id]
            marker = QueryMarker(rows[one.id].body, codes)
            hits.append(Hit.to_be_marked(len(hits) + 1, one.score, passage, document, one.components, marker))
        return tuple(hits)


def _promising(found: Candidates, fewest: int) -> Sequence[int]:
    """The candidates whose first-stage score is not far below the best one's (measured: a quarter of the work, the same quality)."""
    floor = CANDIDATE_FLOOR * found.scores[0] if found.scores else 0.0
    many = sum(1 for score in found.scores if score >= floor)
    return found.ids[: max(many, fewest)]


def _apply_phrases(plan: Plan, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Keep the passages with the phrases where they must occur; say so when a preferred phrase occurs nowhere."""
    notes = []
    for phrase in plan.scorer.phrases:
        having = [row for row in rows if plan.scorer.has_phrase(row, phrase)]
        if plan.query.strict:
            rows = having
        elif not having:
            notes.append(f"No passage has the words «{phrase.text}» in this order; they were searched one by one.")
    return rows, notes


def _fold_copies(ranked: Sequence[Ranked]) -> tuple[list[Ranked], dict[int, int]]:
    """Leave out passages whose text equals that of a better one; return for each of those how many copies it stands for."""
    first: dict[int, Ranked] = {}
    copies: dict[int, int] = {}
    for hit in ranked:
        if hit.digest in first:
            original = first[hit.digest].id
            copies[original] = copies.get(original, 0) + 1
        else:
            first[hit.digest] = hit
    return list(first.values()), copies


def _copy_notes(copies: dict[int, int], hits: Sequence[Hit]) -> list[str]:
    shown = [(hit.rank, copies[hit.passage.id]) for hit in hits if hit.passage.id in copies]
    return [f"Hit {rank} stands for {count} more passage(s) with exactly the same text." for rank, count in shown]
