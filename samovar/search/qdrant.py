"""Stage one on Qdrant, for libraries that outgrow one machine: the same terms as sparse vectors, the same rescoring afterwards.

A passage is a sparse vector: term → its BM25 saturation (k1 = 1.2, b = 0.75 against a fixed typical length, so that a passage's vector never
changes when others come); a query is term → weight, and Qdrant multiplies by the inverse frequency (its ``idf`` modifier). Two ways to run:
`EdgeBackend`, in process with ``qdrant-edge-py``, and `ClientBackend` with ``qdrant-client`` against a server or cluster (≥ 1.20).
Source: qdrant.tech, "Sparse vectors" and "Modifiers"; parity with Tantivy is tested and benchmarked. Extra: ``qdrant``.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from samovar.errors import MissingExtraError, SearchError
from samovar.search.engine import KIN_WEIGHT, Candidates, EngineQuery, EngineRow, TermGroup, date_number
from samovar.search.query import Filters

VECTOR = "terms"
TYPICAL_LENGTH = 120.0  # slots: the target length of a passage
_K1, _B = 1.2, 0.75
_UPSERT = 500
_FILTER_FIELDS = ("document_id", "source", "language", "origin", "licence", "publisher")
_INTEGERS = ("number", "terms", "published_first", "published_last")


@lru_cache(maxsize=400_000)
def term_number(term: str) -> int:
    """Return the sparse dimension of a term: 32 bits of a hash. Two of a million terms share one about a hundred times; stage two counts
    the terms themselves, so a clash costs a candidate at most."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=4).digest())


@dataclass(frozen=True, slots=True)
class SparsePoint:
    """A passage as Qdrant keeps it."""

    id: int
    indices: list[int]
    values: list[float]
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the payload: the field is one of `values`, or lies between `low` and `high`."""

    field: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None


class Backend(Protocol):
    """The few operations that both ways of running Qdrant offer."""

    def upsert(self, points: Sequence[SparsePoint]) -> None:
        """Write points; an id that is there already is replaced."""

    def delete(self, ids: Sequence[int]) -> None:
        """Delete points; unknown ids are no error."""

    def query(
        self, weights: Mapping[int, float], must: Sequence[Condition], must_not: Sequence[Condition], limit: int
    ) -> list[tuple[int, float]]:
        """Return (id, score) of the best points; without weights any points that fulfil the conditions, by id."""

    def count(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> int:
        """Return how many points fulfil the conditions."""

    def highest_id(self) -> int:
        """Return the highest id, 0 when empty."""

    def flush(self) -> None:
        """Make what was written durable."""

    def close(self) -> None:
        """Free everything."""


class QdrantEngine:
    """`SearchEngine` over a backend."""

    name = "qdrant"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(self, query: EngineQuery, limit: int, *, count: bool = False) -> Candidates:
        weights: dict[int, float] = {}
        for group in (*query.groups, *query.required):
            _add_weights(weights, group)
        must = [Condition("terms", tuple(map(term_number, g.terms))) for g in query.required]
        must += filter_conditions(query.filters)
        must_not = [Condition("terms", tuple(map(term_number, g.terms))) for g in query.excluded]
        if hidden := query.filters.hidden_sources:
            must_not.append(Condition("source", hidden))
        found = self._backend.query(weights, must, must_not, limit)
        total = -1
        if count:
            any_term = [Condition("terms", tuple(sorted(weights)))] if weights and not query.required else []
            total = self._backend.count([*must, *any_term], must_not)
        return Candidates(tuple(i for i, _ in found), tuple(score for _, score in found), total)

    def write(
        self, added: Sequence[EngineRow], removed: Sequence[int], *, large: bool = False, commit: bool = True
    ) -> None:
        fresh = {row.id for row in added}
        gone = [i for i in removed if i not in fresh]
        if gone:
            self._backend.delete(gone)
        for at in range(0, len(added), _UPSERT):
            self._backend.upsert([make_point(row) for row in added[at : at + _UPSERT]])
        self._backend.flush()

    def highest_id(self) -> int:
        return self._backend.highest_id()

    def finish(self) -> None:
        self._backend.flush()

    def reload(self) -> None:
        """Nothing to do: Qdrant shows what is written."""

    def close(self) -> None:
        self._backend.close()


def make_point(row: EngineRow) -> SparsePoint:
    """Return the sparse vector and payload of a passage."""
    counts = Counter(map(term_number, row.terms.split()))
    norm = _K1 * (1 - _B + _B * sum(counts.values()) / TYPICAL_LENGTH)
    payload: dict[str, Any] = {name: getattr(row, name) for name in _FILTER_FIELDS}
    payload |= {
        "number": row.id,
        "terms": sorted(counts),
        "published_first": date_number(row.published),
        "published_last": date_number(row.published, last=True),
    }
    indices = sorted(counts)
    return SparsePoint(row.id, indices, [counts[i] * (_K1 + 1) / (counts[i] + norm) for i in indices], payload)


def _add_weights(weights: dict[int, float], group: TermGroup) -> None:
    """Readings of one word share its weight: a sparse product adds where Tantivy takes the maximum."""
    for term in group.terms:
        weights[term_number(term)] = max(weights.get(term_number(term), 0.0), group.weight)
    for term in group.kin:
        weights.setdefault(term_number(term), group.weight * KIN_WEIGHT)


def filter_conditions(filters: Filters) -> list[Condition]:
    """Return the payload conditions of the filters."""
    fields = {
        "source": filters.sources,
        "language": filters.languages,
        "origin": filters.origins,
        "licence": filters.licences,
        "publisher": filters.publishers,
        "document_id": filters.document_ids,
    }
    conditions = [Condition(name, values) for name, values in fields.items() if values]
    if filters.published_from or filters.published_to:
        low = date_number(filters.published_from) or 1
        high = date_number(filters.published_to, last=True) or 99999999
        conditions += [Condition("published_last", low=low), Condition("published_first", low=1, high=high)]
    return conditions


class EdgeBackend:
    """Qdrant in process: one shard in a folder."""

    def __init__(self, folder: Path) -> None:
        try:
            import qdrant_edge
        except ImportError as error:
            raise MissingExtraError("qdrant", "The Qdrant engine in process") from error
        self._q = qdrant_edge
        path = str(folder / "shard")
        try:
            if (folder / "shard").exists():
                self._shard = qdrant_edge.EdgeShard.load(path)
            else:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sparse = qdrant_edge.EdgeSparseVectorParams(modifier=qdrant_edge.Modifier.Idf)
                self._shard = qdrant_edge.EdgeShard.create(
                    path, qdrant_edge.EdgeConfig(sparse_vectors={VECTOR: sparse})
                )
                self._index_payload()
        except Exception as error:  # the binding raises plain exceptions of several kinds
            raise SearchError(f"expected a Qdrant shard in {folder}, found: {error}") from error

    def _index_payload(self) -> None:
        q = self._q
        for name in _FILTER_FIELDS:
            self._shard.update(q.UpdateOperation.create_field_index(name, q.PayloadSchemaType.Keyword))
        for name in _INTEGERS:
            self._shard.update(q.UpdateOperation.create_field_index(name, q.PayloadSchemaType.Integer))

    def upsert(self, points: Sequence[SparsePoint]) -> None:
        q = self._q
        made = [q.Point(p.id, {VECTOR: q.SparseVector(p.indices, p.values)}, p.payload) for p in points]
        self._shard.update(q.UpdateOperation.upsert_points(made))

    def delete(self, ids: Sequence[int]) -> None:
        self._shard.update(self._q.UpdateOperation.delete_points(list(ids)))

    def query(
        self, weights: Mapping[int, float], must: Sequence[Condition], must_not: Sequence[Condition], limit: int
    ) -> list[tuple[int, float]]:
        q = self._q
        chosen = self._filter(must, must_not)
        if not weights:
            records, _ = self._shard.scroll(q.ScrollRequest(limit=limit, filter=chosen))
            return [(int(record.id), 0.0) for record in records]
        indices = sorted(weights)
        vector = q.SparseVector(indices, [weights[i] for i in indices])
        found = self._shard.query(q.QueryRequest(limit, query=q.Query.Nearest(vector, using=VECTOR), filter=chosen))
        return [(int(point.id), float(point.score)) for point in found]

    def count(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> int:
        return int(self._shard.count(self._q.CountRequest(exact=True, filter=self._filter(must, must_not))))

    def _filter(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> Any:
        if not must and not must_not:
            return None
        return self._q.Filter(must=[self._condition(c) for c in must], must_not=[self._condition(c) for c in must_not])

    def _condition(self, condition: Condition) -> Any:
        q = self._q
        if condition.values:
            return q.FieldCondition(condition.field, match=q.MatchAny(list(condition.values)))
        return q.FieldCondition(condition.field, range=q.RangeFloat(gte=condition.low, lte=condition.high))

    def highest_id(self) -> int:
        q = self._q
        order = q.OrderBy("number", q.Direction.Desc)
        records, _ = self._shard.scroll(q.ScrollRequest(limit=1, order_by=order))
        return int(records[0].id) if records else 0

    def flush(self) -> None:
        self._shard.flush()

    def close(self) -> None:
        self._shard.close()


class ClientBackend:
    """Qdrant through its official client: a server, a cluster, or the client's own ``:memory:`` mode (for tests)."""

    def __init__(
        self,
        collection: str,
        *,
        url: str = "",
        api_key: str | None = None,
        client: Any = None,
        shards: int | None = None,
    ) -> None:
        try:
            import qdrant_client
            from qdrant_client import models
        except ImportError as error:
            raise MissingExtraError("qdrant", "The Qdrant engine") from error
        self._m = models
        self._name = collection
        self._client = client if client is not None else qdrant_client.QdrantClient(url=url, api_key=api_key)
        try:
            if not self._client.collection_exists(collection):
                self._create(shards)
        except Exception as error:
            raise SearchError(f"expected a Qdrant server at {url or 'the given client'}, found: {error}") from error

    def _create(self, shards: int | None) -> None:
        m = self._m
        sparse = {VECTOR: m.SparseVectorParams(modifier=m.Modifier.IDF)}
        self._client.create_collection(self._name, vectors_config={}, sparse_vectors_config=sparse, shard_number=shards)
        for name in _FILTER_FIELDS:
            self._client.create_payload_index(self._name, name, m.PayloadSchemaType.KEYWORD)
        for name in _INTEGERS:
            self._client.create_payload_index(self._name, name, m.PayloadSchemaType.INTEGER)

    def upsert(self, points: Sequence[SparsePoint]) -> None:
        m = self._m
        made = [
            m.PointStruct(
                id=p.id, vector={VECTOR: m.SparseVector(indices=p.indices, values=p.values)}, payload=p.payload
            )
            for p in points
        ]
        self._client.upsert(self._name, made, wait=True)

    def delete(self, ids: Sequence[int]) -> None:
        self._client.delete(self._name, self._m.PointIdsList(points=list(ids)), wait=True)

    def query(
        self, weights: Mapping[int, float], must: Sequence[Condition], must_not: Sequence[Condition], limit: int
    ) -> list[tuple[int, float]]:
        m = self._m
        chosen = self._filter(must, must_not)
        if not weights:
            records, _ = self._client.scroll(self._name, scroll_filter=chosen, limit=limit, with_payload=False)
            return [(int(record.id), 0.0) for record in records]
        indices = sorted(weights)
        vector = m.SparseVector(indices=indices, values=[weights[i] for i in indices])
        found = self._client.query_points(
            self._name, query=vector, using=VECTOR, query_filter=chosen, limit=limit, with_payload=False
        )
        return [(int(point.id), float(point.score)) for point in found.points]

    def count(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> int:
        return int(self._client.count(self._name, count_filter=self._filter(must, must_not), exact=True).count)

    def _filter(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> Any:
        if not must and not must_not:
            return None
        return self._m.Filter(must=[self._condition(c) for c in must], must_not=[self._condition(c) for c in must_not])

    def _condition(self, condition: Condition) -> Any:
        m = self._m
        if condition.values:
            return m.FieldCondition(key=condition.field, match=m.MatchAny(any=list(condition.values)))
        return m.FieldCondition(key=condition.field, range=m.Range(gte=condition.low, lte=condition.high))

    def highest_id(self) -> int:
        order = self._m.OrderBy(key="number", direction=self._m.Direction.DESC)
        records, _ = self._client.scroll(self._name, limit=1, order_by=order, with_payload=False)
        return int(records[0].id) if records else 0

    def delete_all(self) -> None:
        """Empty the collection."""
        self._client.delete(self._name, self._m.FilterSelector(filter=self._m.Filter()), wait=True)

    def flush(self) -> None:
        """Writes were waited for."""

    def close(self) -> None:
        self._client.close()


class QdrantFactory:
    """Makes `QdrantEngine`s for `Searcher.open(make_engine=…)`: in process, or on a server when `url` or `client` is given.

    On a server each index stamp gets its own collection, so an upgraded analyser never mixes with an old one; the old collection is left
    for the operator to drop.
    """

    name = "qdrant"

    def __init__(
        self,
        *,
        url: str = "",
        api_key: str | None = None,
        client: Any = None,
        prefix: str = "samovar",
        shards: int | None = None,
    ) -> None:
        self._url, self._api_key, self._client, self._prefix, self._shards = url, api_key, client, prefix, shards

    def __call__(self, folder: Path) -> QdrantEngine:
        if not self._url and self._client is None:
            return QdrantEngine(EdgeBackend(folder))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        collection = f"{self._prefix}-{folder.parent.name}"
        note = folder / "collection.json"
        made = ClientBackend(collection, url=self._url, api_key=self._api_key, client=self._client, shards=self._shards)
        if not note.exists():
            made.delete_all()  # left behind by an index that was thrown away here
            note.write_text(json.dumps({"collection": collection, "url": self._url}), "utf-8")
        return QdrantEngine(made)
