"""The words of an index: how many passages have each term, how often each form was seen, which pieces of four characters there are, and
the number under which a term or piece is coded (`samovar.search.codes`). One SQLite file, shared with the passages (`samovar.search.rows`).

A number is never given twice and never taken back while the index lives: rows keep their codes when a term has left the last passage.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from samovar.errors import SearchError
from samovar.search.codes import code_of

GRAM_LETTERS = 4
EDGE = "|"  # the beginning of a term, in its first piece; no term has it
PAGE_BYTES = 4096  # 8192: a passage that is not in memory costs 1.7 times as much to read
CACHE_KIB = 16_000
_REGRAM_GROWTH = (
    0.1  # pieces are counted anew when the number of passages has changed by a tenth: their weights are logarithms
)
_LARGEST = "\U0010ffff"
_KNOWN_WORDS = 20_000  # terms and pieces of queries that are remembered, about 3 MB
_MANY_WORDS = 200  # so many are the guesses of the speller, not worth remembering
_MOST_VARIABLES = 900  # of one statement

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE terms (term TEXT PRIMARY KEY, df INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX terms_by_number ON terms (number);
CREATE TABLE grams (term TEXT PRIMARY KEY, df INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE forms (form TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """What is known of a term or piece: in how many passages it stands, and its code; an unknown one has 0 and ""."""

    df: int
    code: str


UNKNOWN = Entry(0, "")


def _read_only_address(path: Path) -> str:
    """The SQLite address of a file that cannot be written. Without a log beside it nothing can be changing it."""
    unchanging = not os.path.exists(f"{path}-wal")
    return f"{path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if unchanging else "")


class Vocabulary:
    """The open file, its words. Threads of one process share it under a lock; other processes open their own."""

    def __init__(self, path: Path, tables: str = "", *, read_only: bool = False) -> None:
        self.path = path
        self._lock = RLock()
        self._terms: dict[str, Entry] = {}
        self._grams: dict[str, Entry] = {}
        self._state = (-1, -1)
        self._own_changes = 0
        try:
            address = _read_only_address(path) if read_only else str(path)
            self._connection = sqlite3.connect(
                address, uri=read_only, isolation_level=None, check_same_thread=False, timeout=15
            )
            self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if not read_only:
                self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
            if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'forms'").fetchone():
                made = (TABLES + tables).replace("TABLE", "TABLE IF NOT EXISTS").replace("INDEX", "INDEX IF NOT EXISTS")
                self._connection.executescript(f"BEGIN IMMEDIATE;{made}COMMIT;")
        except sqlite3.Error as error:
            raise SearchError(f"expected a search index in {path.parent}, found a damaged one ({error}).") from error

    @contextmanager
    def _statements(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise SearchError(
                    f"expected to use the search index {self.path}, found: {error}. Delete the folder {self.path.parent}; it is rebuilt."
                ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is written in this block is committed together."""
        with self._statements() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._own_changes += 1
            self._forget()
            try:
                yield
            except BaseException:
                self._forget()
                connection.execute("ROLLBACK")
                raise
            self._forget()
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    # -- state ----------------------------------------------------------------------------------------------------------
    def state(self) -> tuple[int, int]:
        """Return what is another value after each commit, by whomever; what was remembered of an older state is forgotten."""
        with self._statements() as connection:
            # the first moves when another connection commits
            state = (int(connection.execute("PRAGMA data_version").fetchone()[0]), self._own_changes)
            if state != self._state:
                self._forget()
                self._state = state
        return state

    def _forget(self) -> None:
        self._terms.clear()
        self._grams.clear()

    def meta(self, key: str) -> str:
        """Return a note, or ""."""
        with self._statements() as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def set_meta(self, key: str, value: str) -> None:
        """Write a note."""
        with self._statements() as connection:
            self._own_changes += 1
            connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
            )

    # -- reading --------------------------------------------------------------------------------------------------------
    def terms(self, terms: Iterable[str]) -> dict[str, Entry]:
        """Return what is known of each term."""
        return self._entries("terms", self._terms, terms)

    def grams(self, grams: Iterable[str]) -> dict[str, Entry]:
        """Return what is known of each piece of a word; its frequency is about right: the sum over the terms that hold it."""
        return self._entries("grams", self._grams, grams)

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return in how many passages each term stands (0 for unknown ones)."""
        return {term: entry.df for term, entry in self.terms(terms).items()}

    def form_counts(self, forms: Iterable[str]) -> dict[str, int]:
        """Return how often each form (folded word) was seen when texts were added; 0 for unknown ones."""
        found = dict.fromkeys(forms, 0)
        found.update(self._lookup("form, count FROM forms WHERE form", list(found)))
        return found

    def _entries(self, table: str, known: dict[str, Entry], keys: Iterable[str]) -> dict[str, Entry]:
        asked = list(dict.fromkeys(keys))
        with self._lock:
            if len(known) > _KNOWN_WORDS:
                known.clear()
            if len(asked) > _MANY_WORDS:
                known = {}
            missing = [key for key in asked if key not in known]
            if missing:
                known.update(dict.fromkeys(missing, UNKNOWN))
                rows = self._lookup(f"term, df, number FROM {table} WHERE term", missing)
                known.update((term, Entry(df, code_of(number))) for term, df, number in rows)
            return {key: known[key] for key in asked}

    def _lookup(self, statement: str, keys: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        with self._statements() as connection:
            for at in range(0, len(keys), _MOST_VARIABLES):
                part = keys[at : at + _MOST_VARIABLES]
                marks = ",".join("?" * len(part))
                found += connection.execute(f"SELECT {statement} IN ({marks})", part).fetchall()
        return found

    def terms_with_prefix(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent terms that begin with `prefix`, with their frequencies."""
        return self._with_prefix("terms", "term", "df", prefix, limit)

    def forms_with_prefix(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent forms that begin with `prefix`."""
        return self._with_prefix("forms", "form", "count", prefix, limit)

    def _with_prefix(self, table: str, key: str, value: str, prefix: str, limit: int) -> list[tuple[str, int]]:
        statement = f"SELECT {key}, {value} FROM {table} WHERE {key} >= ? AND {key} < ? AND {value} > 0 ORDER BY {value} DESC, {key} LIMIT ?"
        with self._statements() as connection:
            return connection.execute(statement, (prefix, prefix + _LARGEST, limit)).fetchall()

    # -- writing (inside `transaction`) -----------------------------------------------------------------------------------
    def number(self, table: str, words: Iterable[str]) -> dict[str, int]:
        """Return the numbers of terms (table ``terms``) or pieces (``grams``); new ones get the next numbers."""
        asked = list(words)
        rows = self._lookup(f"term, df, number FROM {table} WHERE term", asked)
        numbers: dict[str, int] = {row[0]: row[2] for row in rows}
        new = [word for word in asked if word not in numbers]
        if new:
            first = int(self.meta(f"{table}_numbered") or 0)
            numbered = dict(zip(new, range(first, first + len(new)), strict=True))
            with self._statements() as connection:
                connection.executemany(f"INSERT INTO {table} VALUES (?, 0, ?)", sorted(numbered.items()))
            self.set_meta(f"{table}_numbered", str(first + len(new)))
            numbers |= numbered
        return numbers

    def count_terms(self, counts: Mapping[int, int]) -> None:
        """Add to the frequencies of terms, given by their numbers."""
        with self._statements() as connection:
            connection.executemany("UPDATE terms SET df = df + ?2 WHERE number = ?1", sorted(counts.items()))

    def count_forms(self, counts: Mapping[str, int]) -> None:
        """Add to the counts of forms (folded words as written)."""
        statement = "INSERT INTO forms VALUES (?, ?) ON CONFLICT (form) DO UPDATE SET count = count + excluded.count"
        with self._statements() as connection:
            connection.executemany(statement, sorted(counts.items()))

    def recount_grams(self) -> bool:
        """Count the pieces of words anew when the number of passages has changed enough; return whether that was done."""
        passages, counted = int(self.meta("passages") or 0), int(self.meta("grams_counted_at") or 0)
        if counted and abs(passages - counted) <= _REGRAM_GROWTH * counted:
            return False
        counts: Counter[str] = Counter()
        with self._statements() as connection:
            for term, df in connection.execute("SELECT term, df FROM terms WHERE df > 0"):
                for gram in set(grams_of(term)):
                    counts[gram] += df
            connection.execute("UPDATE grams SET df = 0")
            connection.executemany("UPDATE grams SET df = ?2 WHERE term = ?1", sorted(counts.items()))
        self.set_meta("grams_counted_at", str(max(passages, 1)))
        return True


def grams_of(term: str) -> list[str]:
    """Return the pieces of four characters of a term with the mark of its beginning (``|стр``, ``стро``, …)."""
    marked = EDGE + term
    return [marked[at : at + GRAM_LETTERS] for at in range(len(marked) - GRAM_LETTERS + 1)]
