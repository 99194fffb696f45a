"""What a data card counts over the documents: sizes by name, lengths, the biggest clusters, the entities mentioned.

Counted by a build's workers while they write the documents, each its own part, or afterwards in one pass over the corpus: the same numbers.
Knows no card and no page.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from samovar.corpus.card.coverage import Coverage
from samovar.corpus.stages.extract import find_host

TOP_CLUSTERS = 20
COLUMNS = ("source", "uri", "title", "text", "language", "published", "licence", "metadata")
"""The columns of a document that `Survey.add` looks at, in its order."""


class Sizes:
    """Documents, characters and bytes by name."""

    def __init__(self) -> None:
        self._of: dict[str, list[int]] = {}

    def add(self, name: str, chars: int, num_bytes: int) -> None:
        """Count one document."""
        if (entry := self._of.get(name)) is None:
            entry = self._of[name] = [0, 0, 0]
        entry[0] += 1
        entry[1] += chars
        entry[2] += num_bytes

    def __len__(self) -> int:
        return len(self._of)

    def as_json(self) -> dict[str, list[int]]:
        """Return plain data."""
        return self._of

    def merge(self, data: Mapping[str, Iterable[int]]) -> None:
        """Add what another one has counted."""
        for name, amounts in data.items():
            entry = self._of.setdefault(name, [0, 0, 0])
            for i, amount in enumerate(amounts):
                entry[i] += amount

    def rows(self, *, top: int | None = None, by_name: bool = False) -> list[dict[str, Any]]:
        """Return the entries, the largest first or by name."""
        pairs = sorted(self._of.items(), key=lambda p: p[0] if by_name else (-p[1][1], p[0]))
        return [{"name": name, "documents": n, "characters": c, "bytes": b} for name, (n, c, b) in pairs[:top]]


class Survey:
    """The counts over some documents of a corpus."""

    def __init__(self, *, coverage: Coverage | None = None) -> None:
        self.total = Sizes()
        self.by = {kind: Sizes() for kind in ("source", "language", "licence", "century", "decade", "host")}
        self.lengths = array("q")
        self.clusters: list[tuple[int, str, str, list[str]]] = []
        self.coverage = coverage

    def add(
        self,
        source: str,
        uri: str,
        title: str,
        text: str,
        language: str,
        published: str,
        licence: str,
        metadata: str,
        num_bytes: int | None = None,
    ) -> None:
        """Count one document; the fields are `COLUMNS`, and the text's bytes in UTF-8 where they are known."""
        size = (len(text), len(text.encode("utf-8", "replace")) if num_bytes is None else num_bytes)
        self.total.add("", *size)
        self.lengths.append(size[0])
        year = published[:4] if published[:4].isdigit() else ""
        names = {
            "source": source,
            "language": language,
            "licence": licence,
            "century": century_of(year),
            "decade": f"{year[:3]}0" if year else "",
            "host": find_host(uri),
        }
        for kind, name in names.items():
            self.by[kind].add(name, *size)
        if '"cluster_size"' in metadata:
            about = json.loads(metadata)
            self._add_cluster(int(about["cluster_size"]), uri, title, json.loads(about.get("duplicates", "[]")))
        if self.coverage is not None:
            self.coverage.add(language, text)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, for `merge`."""
        return {
            "total": self.total.as_json(),
            "by": {kind: sizes.as_json() for kind, sizes in self.by.items()},
            "lengths": self.lengths.tolist(),
            "clusters": self.biggest(),
            "mentions": self.coverage.mentions() if self.coverage is not None else {},
        }

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what the survey of other documents has counted."""
        self.total.merge(data["total"])
        for kind, sizes in self.by.items():
            sizes.merge(data["by"][kind])
        self.lengths.extend(data["lengths"])
        self.clusters += [(size, uri, title, others) for size, uri, title, others in data["clusters"]]
        if self.coverage is not None:
            self.coverage.merge(data["mentions"])

    @property
    def num_hosts(self) -> int:
        """How many hosts there are; texts without a web address have none."""
        return sum(bool(row["name"]) for row in self.by["host"].rows())

    def _add_cluster(self, size: int, uri: str, title: str, others: list[str]) -> None:
        self.clusters.append((size, uri, title, others[:5]))
        if len(self.clusters) > 50 * TOP_CLUSTERS:
            self.clusters = self.biggest()

    def biggest(self) -> list[tuple[int, str, str, list[str]]]:
        """Return the biggest clusters."""
        return sorted(self.clusters, key=lambda c: (-c[0], c[1]))[:TOP_CLUSTERS]


def century_of(year: str) -> str:
    """Return the number of the century of a year, "" when it is not known.

    >>> century_of("1900"), century_of("1901")
    ('19', '20')
    """
    return str((int(year) + 99) // 100) if year else ""
