"""Stage one: an engine that finds candidate passages by weighted terms, filters and exclusions. Its order need only be good enough
for the right passage to be among a few hundred; the final score is made elsewhere.

`SearchEngine` is the interface; `TantivyEngine` the embedded default (`samovar.search.qdrant` has the other). An engine knows terms,
numbers and filter values: no languages, no texts. Source: tantivy 0.27; BM25 as in Robertson & Zaragoza (2009), its k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from samovar.errors import SearchError
from samovar.search.query import NO_FILTERS, Filters

_HEAP_SMALL = 20_000_000
_HEAP_LARGE = 120_000_000
KIN_WEIGHT = 0.3  # of terms that only begin alike: they bring candidates in, they must not outweigh the word itself


@dataclass(frozen=True, slots=True)
class EngineRow:
    """What an engine keeps of a passage: `terms` of body and title, one after another, and the values to filter by."""

    id: int
    terms: str
    document_id: str
    source: str
    language: str
    origin: str
    licence: str
    publisher: str
    published: str


@dataclass(frozen=True, slots=True)
class TermGroup:
    """One query word: any of `terms` matches it, `kin` (terms that begin alike) match weakly. `weight` scales the word."""

    terms: tuple[str, ...]
    kin: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """Which candidates are wanted: any of `groups`, all of `required`, none of `excluded`, within `filters`."""

    groups: tuple[TermGroup, ...]
    required: tuple[TermGroup, ...] = ()
    excluded: tuple[TermGroup, ...] = ()
    filters: Filters = NO_FILTERS


@dataclass(frozen=True, slots=True)
class Candidates:
    """Passage ids, the best first, with the engine's own scores, and how many passages matched in all (-1: not counted)."""

    ids: tuple[int, ...]
    scores: tuple[float, ...]
    total: int = -1


class SearchEngine(Protocol):
    """What every engine of stage one offers. Errors are `SearchError`."""

    @property
    def name(self) -> str:
        """A short name, part of the index's stamp."""

    def find(self, query: EngineQuery, limit: int, *, count: bool = False) -> Candidates:
        """Return up to `limit` candidates of the last commit."""

    def write(
        self, added: Sequence[EngineRow], removed: Sequence[int], *, large: bool = False, commit: bool = True
    ) -> None:
        """Remove, then add, then commit unless told otherwise; an id that is added again replaces the old one. `large` says that much
        more follows."""

    def highest_id(self) -> int:
        """Return the highest passage id of the last commit, 0 when empty."""

    def finish(self) -> None:
        """End writing: let go of buffers and locks."""

    def reload(self) -> None:
        """See the last commit, also one by another process."""

    def close(self) -> None:
        """Free everything; safe to call twice."""


_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")


def date_number(date: str, *, last: bool = False) -> int:
    """Return an ISO date of any precision as ``yyyymmdd``: its first day, or with `last` its last; 0 when it is none.

    >>> date_number("2001"), date_number("2001-05", last=True)
    (20010101, 20010531)
    """
    match = _DATE.match(date)
    if not match:
        return 0
    year, month, day = match.groups()
    fallback = ("12", "31") if last else ("01", "01")
    return int(year + (month or fallback[0]) + (day or fallback[1]))


class TantivyEngine:
    """Tantivy in process, one index folder. Readers see the last commit; one process writes at a time."""

    name = "tantivy"

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._tantivy = tantivy
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._links = None if os.access(folder, os.W_OK) else _link_files(folder)
        try:
            self._index = tantivy.Index(_schema(tantivy), path=self._links.name if self._links else str(folder))
            whitespace = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            self._index.register_tokenizer("slots", whitespace)
            self._index.config_reader("Manual")
            self._index.reload()
            self._searcher = self._index.searcher()
        except (ValueError, OSError) as error:
            raise SearchError(f"expected a Tantivy index in {folder}, found: {error}") from error
        self._schema = self._index.schema
        self._writer: Any = None

    # -- queries --------------------------------------------------------------------------------------------------------
    def find(self, query: EngineQuery, limit: int, *, count: bool = False) -> Candidates:
        searcher = self._searcher
        if searcher.num_docs == 0:
            return Candidates((), (), 0)
        try:
            found: Any = searcher.search(self._make_query(query), limit, count=count)
            hits = found.hits
            ids = searcher.fast_field_values("id", [address for _, address in hits])
        except ValueError as error:
            raise SearchError(f"expected the index to answer, found: {error}") from error
        return Candidates(
            tuple([int(i or 0) for i in ids]), tuple([score for score, _ in hits]), int(found.count) if count else -1
        )

    def _make_query(self, query: EngineQuery) -> Any:
        t, make = self._tantivy, self._tantivy.Query
        # flat, not word by word: only then Tantivy skips blocks that cannot reach the top (half the time at 200,000 passages)
        clauses = [(t.Occur.Should, q) for g in query.groups for q in self._term_queries(g)]
        clauses += [(t.Occur.Must, self._any_of(g)) for g in query.required]
        if not clauses:
            clauses.append((t.Occur.Must, make.all_query()))
        elif query.groups and not query.required and (query.excluded or not query.filters.is_empty()):
            clauses = [(t.Occur.Must, make.boolean_query(clauses))]
        clauses += [(t.Occur.MustNot, self._any_of(g)) for g in query.excluded]
        if hidden := query.filters.hidden_sources:
            clauses.append((t.Occur.MustNot, self._one_of("source", hidden)))
        clauses += [(t.Occur.Must, make.const_score_query(q, 0.0)) for q in self._filter_queries(query.filters)]
        return make.boolean_query(clauses)

    def _term_queries(self, group: TermGroup) -> list[Any]:
        make, schema = self._tantivy.Query, self._schema
        own = [(term, group.weight) for term in group.terms] + [(term, group.weight * KIN_WEIGHT) for term in group.kin]
        queries = [(make.term_query(schema, "terms", term, "freq"), weight) for term, weight in own]
        return [query if weight == 1.0 else make.boost_query(query, weight) for query, weight in queries]

    def _any_of(self, group: TermGroup) -> Any:
        queries = self._term_queries(group)
        return queries[0] if len(queries) == 1 else self._tantivy.Query.disjunction_max_query(queries)

    def _one_of(self, name: str, values: Sequence[str]) -> Any:
        make = self._tantivy.Query
        if len(values) == 1:  # a set is looked for in the whole dictionary: 0.4 against 0.1 ms
            return make.term_query(self._schema, name, values[0], "basic")
        return make.term_set_query(self._schema, name, list(values))

    def _filter_queries(self, filters: Filters) -> list[Any]:
        t, make = self._tantivy, self._tantivy.Query
        fields = {
            "source": filters.sources,
            "language": filters.languages,
            "origin": filters.origins,
            "licence": filters.licences,
            "publisher": filters.publishers,
            "document_id": filters.document_ids,
        }
        queries = [self._one_of(name, values) for name, values in fields.items() if values]
        if filters.published_from or filters.published_to:
            low = date_number(filters.published_from) or 1
            high = date_number(filters.published_to, last=True) or 99999999
            # a document dated "1999" overlaps with every span inside 1999
            queries.append(
                make.range_query(
                    self._schema, "published_last", t.FieldType.Unsigned, lower_bound=low, upper_bound=99999999
                )
            )
            queries.append(
                make.range_query(self._schema, "published_first", t.FieldType.Unsigned, lower_bound=1, upper_bound=high)
            )
        return queries

    # -- writing --------------------------------------------------------------------------------------------------------
    def write(
        self, added: Sequence[EngineRow], removed: Sequence[int], *, large: bool = False, commit: bool = True
    ) -> None:
        try:
            if self._writer is None:
                self._writer = self._index.writer(_HEAP_LARGE if large else _HEAP_SMALL, 1)
            for number in removed:
                # by query: `delete_documents_by_term` takes a Python int for a signed value and finds nothing in an unsigned field
                self._writer.delete_documents_by_query(self._tantivy.Query.term_query(self._schema, "id", number))
            for row in added:
                self._writer.add_document(self._document(row))
            if commit:
                self._writer.commit()
        except (ValueError, OSError) as error:
            self._writer = None
            raise SearchError(
                f"expected to write the search index, found: {error}. Check the free space on the disk."
            ) from error
        if commit:
            self.reload()

    def _document(self, row: EngineRow) -> Any:
        document = self._tantivy.Document()
        document.add_unsigned("id", row.id)
        document.add_text("terms", row.terms)
        document.add_unsigned("published_first", date_number(row.published))
        document.add_unsigned("published_last", date_number(row.published, last=True))
        for name in _FILTER_FIELDS:
            document.add_text(name, getattr(row, name))
        return document

    def highest_id(self) -> int:
        if self._searcher.num_docs == 0:
            return 0
        found = self._searcher.search(self._tantivy.Query.all_query(), 1, count=False, order_by_field="id")
        return int(found.hits[0][0])

    def finish(self) -> None:
        writer, self._writer = self._writer, None
        # all is committed: a merge that fails (a full disk) is made good by a later one
        with suppress(ValueError, OSError):
            if writer is not None:
                writer.wait_merging_threads()
            self.reload()

    def reload(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()

    def close(self) -> None:
        self._writer = None
        if self._links is not None:
            self._links.cleanup()
            self._links = None


def _link_files(folder: Path) -> TemporaryDirectory[str]:
    """A folder of links to the files of an index that cannot be written: Tantivy makes a lock file beside the files even to read them."""
    links = TemporaryDirectory(prefix="samovar-index-")
    for file in folder.iterdir():
        if file.suffix != ".lock":
            (Path(links.name) / file.name).symlink_to(file.absolute())
    return links


_FILTER_FIELDS = ("document_id", "source", "language", "origin", "licence", "publisher")


def _schema(tantivy: Any) -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_text_field("terms", tokenizer_name="slots", index_option="freq")
    for name in _FILTER_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("published_first", indexed=True, fast=True)
    builder.add_unsigned_field("published_last", indexed=True, fast=True)
    return builder.build()
