"""What an `add` is told and what it tells: overrides of provenance, progress while it runs, the report at its end.

Plain numbers; nothing here prints.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_ETA_SECONDS = 100 * 3600.0  # a longer estimate is the mark of a rate that does not mean anything yet


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the user knows better than the files say; empty means "as extracted"."""

    licence: str = ""
    publisher: str = ""
    origin: str = ""
    language: str = ""
    published: str = ""

    @property
    def label(self) -> str:
        """The overrides as one string: part of what decides whether an unchanged file must be read again."""
        return ";".join(f"{name}={value}" for name in self.__slots__ if (value := getattr(self, name)))


AS_EXTRACTED = Provenance()
"""No overrides."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an `add` has come. `skipped_bytes` belong to files found unchanged: they cost no time and say nothing
    about the rate.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    skipped_bytes: int
    documents: int
    passages: int
    unchanged: int
    dropped: int
    elapsed_seconds: float
    current: str = ""

    @property
    def bytes_per_second(self) -> float:
        """Bytes of input worked through per second; 0.0 before the first."""
        return (self.bytes_done - self.skipped_bytes) / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def documents_per_second(self) -> float:
        """Documents stored per second."""
        return self.documents / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the rate so far; None while it is unknown: inside a large archive nothing has been counted."""
        rate = self.bytes_per_second
        seconds = max(0, self.bytes_total - self.bytes_done) / rate if rate > 0 else MAX_ETA_SECONDS
        return seconds if seconds < MAX_ETA_SECONDS else None


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did. Files: `kept` new, `changed` read again, `unchanged` skipped, `dropped` gave no document (what the walk passed
    over is among these, but not among `files`: those were to be read).

    Documents: `documents` stored (of which `replaced` took an older one's place), `removed` vanished from their input.
    `reasons` counts the ledger reasons of what was dropped. `stopped`: asked to stop before the end; running it again
    goes on.
    """

    files: int = 0
    kept: int = 0
    changed: int = 0
    unchanged: int = 0
    dropped: int = 0
    documents: int = 0
    replaced: int = 0
    removed: int = 0
    passages: int = 0
    bytes: int = 0
    seconds: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    stopped: bool = False
    version: int = 0


class Account:
    """The running counts of one `add`, by the names of `AddReport` and `Progress`."""

    def __init__(self) -> None:
        self.total_files = self.total_bytes = 0
        self.reasons: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._started = time.monotonic()

    def count(self, **amounts: int) -> None:
        """Add to the counts."""
        self._counts.update(amounts)

    def progress(self, current: str) -> Progress:
        """Return where the run stands."""
        c = self._counts
        return Progress(
            files_done=c["files"],
            files_total=self.total_files,
            bytes_done=c["bytes"],
            bytes_total=self.total_bytes,
            skipped_bytes=c["skipped_bytes"],
            documents=c["documents"],
            passages=c["passages"],
            unchanged=c["unchanged"],
            dropped=c["dropped"],
            elapsed_seconds=time.monotonic() - self._started,
            current=current,
        )

    def report(self, *, stopped: bool, version: int) -> AddReport:
        """Return the final report."""
        c = self._counts
        return AddReport(
            files=c["files"],
            kept=c["kept"],
            changed=c["changed"],
            unchanged=c["unchanged"],
            dropped=c["dropped"],
            documents=c["documents"],
            replaced=c["replaced"],
            removed=c["removed"],
            passages=c["passages"],
            bytes=c["bytes"],
            seconds=time.monotonic() - self._started,
            reasons={reason: number for reason, number in self.reasons.most_common() if number},
            stopped=stopped,
            version=version,
        )
