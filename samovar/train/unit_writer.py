"""Write the documents of one unit into its two shards: each on its side, as often as its source's weight says, and counted.

The second and later copies of documents come after all the first ones, so that a document does not stand beside itself. Knows no files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from samovar.train.shards import ShardWriter
from samovar.train.texts import Text
from samovar.train.weights import count_copies

Side = Callable[[str], tuple[bool, int]]
"""Tells of a key whether it validates, and its number."""


class UnitWriter:
    """Takes the texts of a unit one by one; `end` writes the repetitions. `skipped` counts by reason, `lowest` is the lowest number of a key."""

    def __init__(
        self, encode: Callable[[str], list[int]], side: Side, trains: ShardWriter, vals: ShardWriter, weights: Mapping[str, float]
    ) -> None:  # fmt: skip
        self._encode, self._side, self._weights = encode, side, weights
        self._trains, self._vals = trains, vals
        self._digest = hashlib.sha256()
        self._again: list[tuple[int, bytes, int]] = []
        self._sources: dict[str, Counter[str]] = {}
        self.skipped: Counter[str] = Counter()
        self.lowest = 2**64

    def add(self, text: Text) -> None:
        """Write a text once, or leave it out."""
        validates, number = self._side(text.key)
        weight = self._weights.get(text.domain, 1.0)
        copies = 1 if validates and weight else count_copies(text.key, weight)
        self.lowest = min(self.lowest, number) if weight else self.lowest
        if not copies:
            self.skipped["weight"] += 1
            return
        times = f" {copies}" if copies > 1 else ""
        self._digest.update(f"{text.key} {validates:d}{times}\n".encode("utf-8", "replace"))
        size = len(text.text.encode("utf-8"))
        before = self._trains.num_tokens
        data = (self._vals if validates else self._trains).add(self._encode(text.text), size)
        if not validates:
            self._count(text.domain, copies, self._trains.num_tokens - before)
        if copies > 1:
            self._again.append((copies, data, size))

    def _count(self, source: str, copies: int, num_tokens: int) -> None:
        about = self._sources.setdefault(source, Counter())
        about.update(different=1, num_documents=copies, num_tokens=copies * num_tokens)

    def end(self) -> None:
        """Write the documents that come again: all the second copies, then all the third ones."""
        for copy in range(1, max((copies for copies, _, _ in self._again), default=1)):
            for copies, data, size in self._again:
                if copies > copy:
                    self._trains.repeat(data, size)

    def summarise(self, *, sources: bool) -> dict[str, Any]:
        """Return the counts as plain data; `sources`: by source too."""
        found = {name: dict(about) for name, about in sorted(self._sources.items())} if sources else {}
        return {"lowest": self.lowest, "sha256": self._digest.hexdigest(), "skipped": dict(self.skipped), "sources": found}  # fmt: skip
