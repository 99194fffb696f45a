"""The child that reads hostile files: limited memory, no file writing, a clock of its own. Started by
`samovar.corpus.sandbox`.

Takes requests on standard input and answers on what was standard output; whatever libraries print goes to standard
error.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from samovar.corpus.document import LedgerRow
from samovar.corpus.extract import extract_path
from samovar.corpus.extracted import Extracted, to_json
from samovar.corpus.frames import LENGTH_BYTES, pack, read_exactly, unpack, write_all
from samovar.corpus.job import Job
from samovar.corpus.limits import Limits

_BATCH_ITEMS = 64
_BATCH_CHARS = 500_000
_BATCH_SECONDS = 0.05
_GRACE_SECONDS = 10.0  # after which the child ends itself, should its supervisor be gone


def limit_process(limits: Limits) -> None:
    """Bound memory, file writing and core dumps, where the system can."""
    try:
        import resource
    except ImportError:  # not a Unix: the supervisor's clock remains
        return
    for name, value in (
        ("RLIMIT_DATA", limits.memory_bytes),  # not RLIMIT_AS: a mapped ZIM of 100 GB is address space, not memory
        ("RLIMIT_FSIZE", 0),  # reading needs no file to be written
        ("RLIMIT_CORE", 0),
    ):
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


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
    while (header := read_exactly(requests, LENGTH_BYTES)) is not None:
        body = read_exactly(requests, int.from_bytes(header, "big"))
        if body is None:
            return
        request = unpack(body)
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
    """Separate the wire from what libraries read and print, then serve."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        serve(requests, answers)
    except BrokenPipeError:
        os._exit(1)
    os._exit(0)  # no destructors: nothing here is worth a crash at the end
