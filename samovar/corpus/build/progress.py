"""How far a build has come: amounts, rates and the time left. Knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """One pass. `tasks_kept` and `bytes_kept` were done before this run and do not count into rates; `counts` are rows of the ledger by
    "stage decision reason" so far, over all passes."""

    stage: str
    tasks: int
    num_bytes: int
    tasks_done: int = 0
    tasks_kept: int = 0
    bytes_done: int = 0
    bytes_kept: int = 0
    records_done: int = 0
    records_now: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long the pass has been going on in this run."""
        return max(1e-6, time.monotonic() - self.began)

    @property
    def records_per_second(self) -> float:
        """The rate of this run."""
        return (self.records_done + self.records_now) / self.seconds

    @property
    def bytes_per_second(self) -> float:
        """The rate of this run, in bytes of input of finished tasks."""
        return (self.bytes_done - self.bytes_kept) / self.seconds

    @property
    def eta_seconds(self) -> float | None:
        """The time left for this pass; None before the first task is done."""
        done = self.bytes_done - self.bytes_kept
        return None if not done else (self.num_bytes - self.bytes_done) / done * self.seconds


Watch = Callable[[Progress], None]
