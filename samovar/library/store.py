"""The library: one SQLite file that holds the truth about documents, passages and what happened to every input.

    with Library.open(home) as library, library.writer() as writer:
        writer.put([make_document(...)])

Any number of processes may read while one writes. A search index is derived from it by following `Library.changes`.
Knows nothing about ranking.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from samovar.errors import HomeError, LibraryError
from samovar.library.lock import WAIT_SECONDS, WriteLock
from samovar.library.passages import Segmenter
from samovar.library.reader import Reader
from samovar.library.records import Stored
from samovar.library.schema import SCHEMA_VERSION, check_layout, connect, prepare, translated
from samovar.library.splitting import Splitting
from samovar.library.writer import Writer

FOLDER = "library"
FILE = "library.sqlite"
LOCK = "write.lock"


def can_only_read(home: Path) -> bool:
    """Whether there is a library in a state directory whose folder cannot be written: a read-only medium, or another user's."""
    path = Path(home) / FOLDER / FILE
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


class Library(Reader):
    """An open library. Safe to share between threads; after a fork or in another process open it again."""

    home: Path
    read_only: bool

    @classmethod
    def open(cls, home: Path, *, read_only: bool = False) -> Self:
        """Open the library of a state directory; a new one is made on first use (folders 0700).

        Raises:
            HomeError: the directory cannot be made.
            LibraryError: there is none to read, it is damaged, or another version of Samovar wrote it.
        """
        path = Path(home) / FOLDER / FILE
        if read_only and not path.is_file():
            raise LibraryError(f"expected a library in {path}, found none. `samovar add PATH` makes one.")
        if not read_only:
            _make_folder(path.parent)
        connection = connect(path, read_only=read_only)
        try:
            with translated(path):
                layout = check_layout(connection, path)
            if layout < SCHEMA_VERSION and read_only:
                raise LibraryError(
                    f"expected layout {SCHEMA_VERSION} in {path}, found {layout}. Run  samovar library info  once to "
                    "update it."
                )
            if layout < SCHEMA_VERSION:
                with _locked(path):
                    prepare(connection, path)
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        library = cls(connection, path)
        library.home, library.read_only = Path(home), read_only
        return library

    def writer(
        self,
        *,
        words: int = 120,
        overlap: int = 25,
        wait_seconds: float = WAIT_SECONDS,
        profiles: Callable[[str], Segmenter] | None = None,
    ) -> Writer:
        """Return a writer to use in a ``with`` block; it waits for the single-writer lock on entering.

        `words` and `overlap` are the passage lengths (`LibrarySettings`); `profiles` maps a language tag to its
        segmentation and defaults to `samovar.language.profile_for`.

        Raises:
            LibraryError: the library was opened read-only.
            LibraryBusyError: on entering, when another writer does not finish within `wait_seconds`.
        """
        if self.read_only:
            raise LibraryError(
                f"expected a library that can be written, found {self.path} opened read-only. "
                "Check the permissions of its folder or set SAMOVAR_HOME."
            )
        return Writer(
            lambda: connect(self.path),
            self.path,
            WriteLock(self.path.parent / LOCK),
            Splitting(words, overlap, profiles),
            wait_seconds,
        )

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Yield a view in which all reads see one and the same version, whatever is written meanwhile."""
        connection = connect(self.path, read_only=True)
        try:
            with translated(self.path):
                connection.execute("BEGIN")
                connection.execute(
                    "SELECT version FROM state"
                ).fetchone()  # a deferred transaction starts with its first read
            view = type(self)(connection, self.path)
            view.home, view.read_only = self.home, True
            yield view
        finally:
            connection.close()

    def stored(self) -> Iterator[Stored]:
        """Yield every document with text, passage spans and what else the store keeps for it, in the order of
        adding.
        """
        for document in self.documents(with_text=True):
            row = self._rows("SELECT first_passage, input, split FROM documents WHERE id = ?", document.id)[0]
            spans = tuple((p.start, p.end) for p in self.passages_of(document.id))
            yield Stored(document, spans, row[0], row[1], row[2])

    def withheld(self) -> list[tuple[str, str]]:
        """Return what the user took out of the starter library as (source, uri); uri "" means all of it."""
        return [(row[0], row[1]) for row in self._rows("SELECT source, uri FROM withheld ORDER BY source, uri")]

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make_folder(folder: Path) -> None:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"expected to make the folder {folder}, found: {error.strerror or error}. Check the permissions or set "
            "SAMOVAR_HOME."
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = WriteLock(path.parent / LOCK)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
