"""Where a build keeps its files. The layout of the output folder and of the work in it; reads and writes nothing.

documents/part-00000.parquet   ledger/part-00000.parquet   samples.json   manifest.json (written last)
work/plan.json                 what is to be done, and for which recipe and inputs
work/<pass>/00000.json         the commit of one task: written after all its files, so its presence means "complete"
work/<pass>/00000.<what>       its files
work/poison/<pass>-00000.json  the records that killed a worker, to be passed over
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BuildFolder:
    """The paths of one build."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The description of the finished corpus."""
        return self.root / "manifest.json"

    @property
    def samples(self) -> Path:
        """Beginnings of a few dropped texts for each reason."""
        return self.root / "samples.json"

    @property
    def documents(self) -> Path:
        """The folder of the corpus's texts."""
        return self.root / "documents"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger."""
        return self.root / "ledger"

    @property
    def lock(self) -> Path:
        """The file that the builder holds locked."""
        return self.root / ".lock"

    @property
    def work(self) -> Path:
        """What is needed until the build is finished."""
        return self.root / "work"

    @property
    def plan(self) -> Path:
        """The plan of the build."""
        return self.work / "plan.json"

    def commit(self, stage: str, number: int) -> Path:
        """The commit of one task."""
        return self.work / stage / f"{number:05d}.json"

    def file(self, stage: str, number: int, what: str) -> Path:
        """One file of a task, e.g. ``work/read/00003.items.parquet``."""
        return self.work / stage / f"{number:05d}.{what}"

    def poison(self, stage: str, number: int) -> Path:
        """The list of the records that a task must pass over."""
        return self.work / "poison" / f"{stage}-{number:05d}.json"

    def part(self, kind: str, number: int) -> Path:
        """A file of the output: ``documents`` or ``ledger``."""
        return self.root / kind / f"part-{number:05d}.parquet"
