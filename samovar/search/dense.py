"""Dense vectors beside the terms, for whoever has an embedding model: mixed into the score as the component ``dense``.

The best lexical hits, and where vectors of nearly all passages exist also the nearest passages, are compared by the cosine of their vectors
with the query's. Both scores are standardised over these hits and mixed by ``dense_weight``; written as one added component:
``dense = w / (1 - w) · spread(lexical) · z(cosine)``, which orders exactly like the mix. Vectors (f16) are kept in ``usearch`` beside the
index, made when a hit needs one or all at once by `DenseReranker.embed_all`. Extra: ``dense``. Source of the mix: docs/LAB.md, "search".
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from samovar.errors import MissingExtraError
from samovar.search.diversity import Ranked
from samovar.search.hit import Component

if TYPE_CHECKING:
    from samovar.library import Library

MIXED_HITS = 20
NEIGHBOURS = 20
ENOUGH = 0.9  # share of the passages that must have vectors before neighbours are asked for: below it they would be a biased sample
_MOST_WEIGHT = 0.95  # w / (1 - w) must stay finite
_BATCH = 32


class Embedder(Protocol):
    """What an embedding model offers (`samovar.generate.embed` has several): unit vectors as float32 rows."""

    @property
    def name(self) -> str:
        """Identifies the vector space."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def embed_queries(self, texts: Sequence[str]) -> Any:
        """Shape (texts, dimensions)."""

    def embed_passages(self, texts: Sequence[str]) -> Any:
        """Shape (texts, dimensions)."""


class DenseReranker:
    """Vectors of one embedder for one index, and the mixing of scores. Safe to share between threads."""

    def __init__(self, embedder: Embedder, folder: Path, weight: float) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise MissingExtraError("dense", "Search with dense vectors") from error
        self._embedder = embedder
        self._factor = min(weight, _MOST_WEIGHT) / (1 - min(weight, _MOST_WEIGHT))
        self._lock = RLock()
        space = hashlib.sha256(f"{embedder.name} {embedder.dimensions}".encode()).hexdigest()[:12]
        self._path = folder / f"vectors-{space}.usearch"
        self._vectors: Any = Index(ndim=embedder.dimensions, metric="cos", dtype="f16")
        if self._path.is_file():
            self._load()
        self._unsaved = False

    def _load(self) -> None:
        try:
            self._vectors.load(str(self._path))
        except RuntimeError:  # cut off or of another version: vectors are only a cache
            self._vectors.reset()

    @property
    def num_vectors(self) -> int:
        """How many passages have a vector."""
        return len(self._vectors)

    # -- queries ----------------------------------------------------------------------------------------------------------
    def neighbours(self, text: str, num_passages: int) -> list[int]:
        """Return the ids of the nearest passages; none while too few have vectors."""
        if len(self._vectors) < ENOUGH * max(num_passages, 1):
            return []
        with self._lock:
            found = self._vectors.search(self._query_vector(text), NEIGHBOURS)
        return [int(key) for key in found.keys]

    def rerank(self, text: str, ranked: Sequence[Ranked], library: Library) -> list[Ranked]:
        """Return the hits with the component ``dense``: mixed for the best `MIXED_HITS`, the lowest of theirs for all behind them, so that
        no hit rises only because it was not looked at. Not sorted."""
        mixed, rest = list(ranked[:MIXED_HITS]), ranked[MIXED_HITS:]
        if not mixed or not text.strip() or self._factor == 0:
            return list(ranked)
        cosines = self._cosines(text, [hit.id for hit in mixed], library)
        spread, deviation = pstdev(hit.score for hit in mixed), pstdev(cosines)
        if not spread or not deviation:
            return list(ranked)
        middle = fmean(cosines)
        values = [self._factor * spread * (cosine - middle) / deviation for cosine in cosines]
        lowest = min(values)
        return [
            _with_dense(hit, value)
            for hit, value in zip((*mixed, *rest), (*values, *[lowest] * len(rest)), strict=True)
        ]

    def _cosines(self, text: str, ids: Sequence[int], library: Library) -> list[float]:
        import numpy as np

        self.ensure(ids, library)
        query = self._query_vector(text)
        with self._lock:
            vectors = np.asarray(self._vectors.get(np.asarray(ids, dtype=np.uint64)), dtype=np.float32)
        return [float(value) for value in vectors @ query]

    def _query_vector(self, text: str) -> Any:
        return self._embedder.embed_queries([text])[0]

    # -- vectors ----------------------------------------------------------------------------------------------------------
    def ensure(self, ids: Iterable[int], library: Library) -> int:
        """Make the vectors that are missing; return how many were made."""
        import numpy as np

        wanted = [i for i in dict.fromkeys(ids) if i not in self._vectors]
        for at in range(0, len(wanted), _BATCH):
            passages = library.passages(wanted[at : at + _BATCH])
            keys = [i for i in wanted[at : at + _BATCH] if i in passages]
            missing = [i for i in wanted[at : at + _BATCH] if i not in passages]
            made = (
                self._embedder.embed_passages([passages[i].text for i in keys])
                if keys
                else np.empty((0, self._embedder.dimensions))
            )
            made = np.vstack([made, np.zeros((len(missing), self._embedder.dimensions))]) if missing else made
            with self._lock:
                fresh = [n for n, key in enumerate([*keys, *missing]) if key not in self._vectors]
                if fresh:
                    self._vectors.add(
                        np.asarray([[*keys, *missing][n] for n in fresh], dtype=np.uint64),
                        np.asarray(made, dtype=np.float32)[fresh],
                    )
                    self._unsaved = True
        return len(wanted)

    def embed_all(self, library: Library, progress: Callable[[int, int], None] | None = None) -> int:
        """Make the vectors of every passage that has none, saving every few hundred; return how many were made."""
        total, done, made = library.num_passages, 0, 0
        for change in library.changes(0, batch=256):
            made += self.ensure([p.id for p in change.passages], library)
            done += len(change.passages)
            self.save()
            if progress is not None:
                progress(done, total)
        return made

    def save(self) -> None:
        """Write the vectors to a temporary name, then replace."""
        with self._lock:
            if not self._unsaved or not self._path.parent.is_dir():
                return
            partial = self._path.with_suffix(f".{os.getpid()}.part")
            self._vectors.save(str(partial))
            partial.replace(self._path)
            self._unsaved = False

    def close(self) -> None:
        """Save what is not saved; safe to call twice."""
        self.save()


def _with_dense(hit: Ranked, value: float) -> Ranked:
    assert math.isfinite(value)
    return Ranked(hit.id, hit.party, hit.digest, (*hit.components, Component("dense", value)))
