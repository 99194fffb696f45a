"""The child that reads hostile files: limited memory, no file writing, a clock of its own. Started by
`samovar.corpus.sandbox`.

Takes requests on standard input and answers on what was standard output; whatever libraries print goes to standard
error.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_path
from samovar.corpus.extracted import Extracted, to_json
from samovar.corpus.frames import pack, write_all
from samovar.corpus.job import Job
from samovar.corpus.limits import Limits
from samovar.corpus.pipes import limit_resources, read_messages, serve_pipes

_BATCH_ITEMS = 64
_BATCH_CHARS = 500_000
_BATCH_SECONDS = 0.05
_GRACE_SECONDS = 10.0  # after which the child ends itself, should its supervisor be gone


def limit_process(limits: Limits) -> None:
    """Bound memory, file writing and core dumps, where the system can."""
    limit_resources(
        {
            "RLIMIT_DATA": limits.memory_bytes,  # not RLIMIT_AS: a mapped ZIM of 100 GB is address space, not memory
            "RLIMIT_FSIZE": 0,  # reading needs no file to be written
            "RLIMIT_CORE": 0,
        }
    )


class Sender:
    """Sends results in batches: at once when a unit begins or ends, otherwise every 50 ms."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._descriptor = descriptor
        self._seconds = 1.5 * seconds + _GRACE_SECONDS
        self._items: list[dict[str, Any]] = []
        self._num_chars = 0
        self._sent = time.monotonic()

    def add(self, item: Extracted | LedgerRow) -> None:
        """Queue one result."""
        self._items.append(to_json(item))
        self._num_chars += len(item.text) if isinstance(item, Extracted) else 100
        full = len(self._items) >= _BATCH_ITEMS or self._num_chars >= _BATCH_CHARS
        if full or time.monotonic() - self._sent > _BATCH_SECONDS:
            self.send({})

    def announce(self, unit: int, uri: str | None) -> None:
        """Say which unit begins, or (without `uri`) has ended."""
        self.send({"unit": unit, "uri": uri})

    def send(self, message: dict[str, Any]) -> None:
        """Send the queued results and this message in one frame. A supervisor that is slow to read does not cost
        our time."""
        self.stop_clock()
        items, self._items, self._num_chars = self._items, [], 0
        write_all(self._descriptor, pack({"items": items, **message}))
        self._sent = time.monotonic()
        self.start_clock()

    def start_clock(self) -> None:
        """End the process when nothing is sent for too long."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def stop_clock(self) -> None:
        """Let the process wait."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def serve(requests: int, answers: int) -> None:
    """Answer requests until the other side closes."""
    limits: Limits | None = None
    for request in read_messages(requests):
        if limits is None:
            limits = Limits(**request["limits"])
            limit_process(limits)
        sender = Sender(answers, limits.seconds)
        sender.start_clock()
        job = Job(limits, skip=request["skip"], announce=sender.announce)
        for item in extract_path(Path(request["path"]), uri=request["uri"], job=job):
            sender.add(item)
        sender.send({"done": True})
        sender.stop_clock()


def main() -> None:
    """Read files until the supervisor closes the wire."""
    serve_pipes(serve)
