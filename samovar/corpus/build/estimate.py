"""What a build would take, before anything is read: sizes, time, room on the disk.

The rates are of one core, in bytes of input as it lies there, with all stages on: warc (gzip, Russian manuals), jsonl, parquet and folder were
measured; mediawiki (bzip2) and zim (xz) as their share of warc in `benchmarks/corpus_kinds.py kinds`. They say "minutes or hours", not more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from samovar.corpus.build.plan import make_plan
from samovar.corpus.build.recipe import Recipe
from samovar.corpus.build.runner import count_cores

BYTES_PER_SECOND = {"warc": 1.2e6, "mediawiki": 0.6e6, "zim": 1.0e6, "parquet": 2e6, "jsonl": 2.6e6, "folder": 3e6}
DISK_SHARE = {"warc": 1.4, "mediawiki": 2.0, "zim": 1.5, "parquet": 1.5, "jsonl": 1.5, "folder": 1.0}
"""Bytes on the disk while building, work and output together, for a byte of input."""


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """One source: how many files and splits, bytes of input, seconds on the workers asked for."""

    name: str
    kind: str
    files: int
    splits: int
    num_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole build."""

    sources: tuple[SourceEstimate, ...]
    workers: int
    disk_bytes: int

    @property
    def seconds(self) -> float:
        """Time on the workers asked for."""
        return sum(source.seconds for source in self.sources)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "sources": [asdict(s) for s in self.sources],
            "workers": self.workers,
            "seconds": self.seconds,
            "disk_bytes": self.disk_bytes,
        }


def estimate_build(recipe: Recipe, workers: int = 0) -> Estimate:
    """Plan a build and estimate what it takes; no input is opened beyond what planning needs."""
    workers = workers or count_cores()
    splits = make_plan(recipe).splits
    sources, disk = [], 0.0
    for source in recipe.source:
        own = [split for split in splits if split.source == source.name]
        num_bytes = sum(split.num_bytes for split in own)
        busy = max(1, min(workers, len(own)))
        seconds = num_bytes / BYTES_PER_SECOND[source.kind] / busy
        disk += num_bytes * DISK_SHARE[source.kind]
        sources.append(
            SourceEstimate(source.name, source.kind, len({s.place for s in own}), len(own), num_bytes, seconds)
        )
    return Estimate(tuple(sources), workers, int(disk))
