"""What the two kinds of child processes have in common: their limits, and a wire that nothing but messages goes over.

A child takes messages (`samovar.corpus.frames`) on standard input and answers on what was standard output; whatever libraries read there is
empty, whatever they print goes to standard error. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from samovar.corpus.frames import LENGTH_BYTES, read_exactly, unpack


def limit_resources(limits: Mapping[str, int]) -> None:
    """Bound what this process may use, by the names of `resource` (``RLIMIT_DATA``), where the system can; never above what it may already."""
    try:
        import resource
    except ImportError:  # not a Unix: the supervisor's clock remains
        return
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


def read_messages(requests: int) -> Iterator[dict[str, Any]]:
    """Yield the messages that come over a descriptor until the other side closes it."""
    while (header := read_exactly(requests, LENGTH_BYTES)) is not None:
        body = read_exactly(requests, int.from_bytes(header, "big"))
        if body is None:
            return
        yield unpack(body)


def serve_pipes(serve: Callable[[int, int], None]) -> None:
    """Separate the wire from what libraries read and print, serve, and end the process."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        serve(requests, answers)
    except BrokenPipeError:
        os._exit(1)
    os._exit(0)  # no destructors: nothing here is worth a crash at the end, everything is on the disk
