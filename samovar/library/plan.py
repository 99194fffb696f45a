"""From what the user names to the inputs to read: each with its address, its size and the collection it goes to.

Knows nothing about formats or about the store, except for the question which collection an address already belongs to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from urllib.parse import urlsplit

from samovar.corpus.document import LedgerRow
from samovar.corpus.extracted import drop
from samovar.errors import UsageError

_URL = re.compile(r"https?://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAGIC = re.compile(r"[*?\[]")

Walk = Callable[[list[str]], Iterable[Path | LedgerRow]]
"""Turns paths, folders and globs into files, or rows that say why something was passed over
(`samovar.corpus.sources.walk`).
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One input to read. `path` is None for a URL; `size` and `mtime_ns` are 0 where they are not known.

    A built corpus has an address that begins with `CORPUS`; its `source` is empty when its documents keep those they have.
    `title` is for a file that is stored under another name than people know it by: it stands in for the name of the file.
    """

    uri: str
    source: str
    path: Path | None = None
    size: int = 0
    mtime_ns: int = 0
    title: str = ""


CORPUS = "corpus:"
"""What a target begins with that is not a file to read but a corpus that `samovar corpus build` made."""


def is_corpus(target: str) -> bool:
    """Whether a target, or the address of a job, is a built corpus."""
    return target.startswith(CORPUS)


def is_url(target: str) -> bool:
    """Whether a target is to be fetched."""
    return _URL.match(target) is not None


def plan_jobs(
    targets: Iterable[str | Job], source: str | None, walk: Walk, sources_of: Callable[[str], list[str]]
) -> Iterator[Job | LedgerRow]:
    """Yield the jobs of all targets, each address once, and the rows of what was passed over. A target that is a job
    already (an address of its own for a stored file) is taken as it is.

    Without a `source` an address that is already in exactly one collection stays there; a new one goes to the
    collection named after the target (see `name_source`).
    """
    seen: set[str] = set()
    for target in targets:
        if isinstance(target, Job):
            if target.uri not in seen:
                seen.add(target.uri)
                yield replace(target, source=source or target.source)
            continue
        for item in _plan_target(target, walk):
            if isinstance(item, LedgerRow):
                yield replace(item, source=source or name_source(target))
                continue
            if item.uri in seen:
                continue
            seen.add(item.uri)
            if is_corpus(item.uri):
                yield replace(item, source=source or "")
                continue
            known = sources_of(item.uri) if source is None else []
            name = source or (known[0] if len(known) == 1 else name_source(target))
            yield Job(item.uri, name, item.path, item.size, item.mtime_ns)


def _plan_target(target: str, walk: Walk) -> Iterator[Job | LedgerRow]:
    if is_url(target):
        yield Job(target, "")
        return
    if is_corpus(target):
        path = Path(os.path.abspath(os.path.expanduser(target.removeprefix(CORPUS))))
        yield Job(CORPUS + address_of(path), "", path)
        return
    if _OTHER_SCHEME.match(target) and not os.path.lexists(target):
        yield drop(target.encode("utf-8", "backslashreplace").decode(), "bad_url")
        return
    if not target.strip():  # as a path it would mean the current folder
        raise UsageError("expected a path, a folder, a glob or an address, found an empty word")
    for item in walk([os.path.abspath(os.path.expanduser(target))]):
        if isinstance(item, LedgerRow):
            yield item
            continue
        state = stat_file(item)
        yield Job(address_of(item), "", item, state.st_size if state else 0, state.st_mtime_ns if state else 0)


def stat_file(path: Path) -> os.stat_result | None:
    """Return the state of a regular file, or None for anything else (a pipe must never be opened: reading it may wait
    for ever).
    """
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def address_of(path: Path) -> str:
    """Return the absolute path as storable text: bytes that are not UTF-8 become ``\\xNN``."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")


def name_source(target: str) -> str:
    """Return the default collection name: the host of a URL, the name of a folder, the stem of a file, the folder of a
    glob.

    >>> name_source("https://example.org/a/b.html"), name_source("books/*.pdf"), name_source("notes/war.txt")
    ('example.org', 'books', 'war')
    """
    if is_url(target):
        return urlsplit(target).hostname or target
    path = Path(os.path.abspath(target))
    if not path.exists():
        fixed = takewhile(lambda part: not _MAGIC.search(part), path.parts)
        path = Path(*fixed)
    return address_name(path.name if path.is_dir() else path.stem) or "library"


def address_name(name: str) -> str:
    """Return a file name as storable text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
