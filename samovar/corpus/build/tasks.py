"""One task of a build, and what its failures are called. The passes, in order:

read    a split of an input → items, their hashes                    (each split alone)
exact   hashes of all texts → which are duplicates of which          (each range of hashes alone)
lines   hashes of all lines → those repeated on their host           (each range of hashes alone)
clean   the items of a split that are left → documents, their bands  (each split alone)
pairs   bands of all documents → which are alike                     (each range of keys of some bands alone)
clusters  all that are alike → clusters                              (one task: numbers of those in clusters)
near    clusters → near duplicates                                   (each range of clusters alone)
caps    numbers of all documents → shares and caps                   (one task, where the recipe has some)
write   the documents that are left → the corpus and its ledger      (each part alone)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASSES = ("read", "exact", "lines", "clean", "pairs", "clusters", "near", "caps", "write")
ROW_BITS = 32
"""A document's key within a build is its split's number, shifted by this, and its row."""


@dataclass(frozen=True, slots=True)
class Task:
    """`stage` is one of `PASSES`; `size` is what it costs, in bytes of input; `payload` is plain JSON."""

    stage: str
    number: int
    size: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the task is called in messages."""
        return f"{self.stage} {self.number:05d}"


@dataclass(frozen=True, slots=True)
class Poison:
    """Records to be passed over, with reason and value of their ledger rows, the stage and, where it is known, the address; `careful`: one record at a time, to find the next."""

    records: Mapping[int, tuple[str, str, int, str]] = field(default_factory=dict)
    careful: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "careful": self.careful,
            "records": [[number, *about] for number, about in sorted(self.records.items())],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Poison:
        """Read plain data."""
        records = {
            int(n): (str(reason), str(value), int(stage), str(uri)) for n, reason, value, stage, uri in data["records"]
        }
        return cls(records, bool(data["careful"]))
