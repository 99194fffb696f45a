"""What rescoring needs to know of each passage, and the vocabulary: one SQLite file beside the engine's index.

Derived data: it is rebuilt from the library whenever it is lost. It is committed *before* the engine, and a batch may be given again
after a crash: counts are corrected by what stood under the same passage id. Source of the layout: docs/LAB.md, "search".
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import NamedTuple

from samovar.errors import SearchError
from samovar.search.analysis import BREAK, GAP, TITLE_END

GRAM_LETTERS = 4
_REGRAM_GROWTH = (
    0.1  # pieces are counted anew when the number of passages has changed by a tenth: their weights are logarithms
)
_LARGEST = "\U0010ffff"

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE passages (id INTEGER PRIMARY KEY, length INTEGER NOT NULL, digest INTEGER NOT NULL, party INTEGER NOT NULL, slots TEXT NOT NULL);
CREATE TABLE parties (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE terms (term TEXT PRIMARY KEY, df INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE forms (form TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE grams (gram TEXT PRIMARY KEY, df INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE languages (tag TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
"""


KEPT_ROWS = 8_000  # rows kept in memory: about 2 KB each


class Row(NamedTuple):
    """One passage as the index knows it. `slots` is title lines, `TITLE_END`, body; `length` the number of body slots;
    `digest` a hash of the text, equal for exact copies; `party` a number for its publisher (or source)."""

    id: int
    length: int
    digest: int
    party: int
    slots: str

    @property
    def body(self) -> str:
        """The slots of the passage's own text."""
        return self.slots[self.slots.index(TITLE_END) + 1 :]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Number of passages, their average length in slots, and the languages of the documents, the most frequent first."""

    num_passages: int
    average_length: float
    languages: tuple[str, ...]


def terms_of(slots: str) -> set[str]:
    """Return the distinct terms in slots, those of title lines included."""
    found = set(slots.replace(BREAK, GAP).replace(TITLE_END, GAP).split(GAP))
    found.discard("")
    return found


class Rows:
    """An open rows file. Threads of one process share it under a lock; other processes open their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._kept: dict[int, Row] = {}
        self._written = -1
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=15)
            self._connection.execute("PRAGMA page_size = 8192")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA cache_size = -16000")
            if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'languages'").fetchone():
                self._connection.executescript(
                    "BEGIN IMMEDIATE;" + _TABLES.replace("TABLE", "TABLE IF NOT EXISTS") + "COMMIT;"
                )
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
            self._kept.clear()
            try:
                yield
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    # -- reading --------------------------------------------------------------------------------------------------------
    def meta(self, key: str) -> str:
        """Return a note, or ""."""
        with self._statements() as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def statistics(self) -> Statistics:
        """Return the counts that scores rest on."""
        with self._statements() as connection:
            languages = connection.execute(
                "SELECT tag FROM languages WHERE passages > 0 ORDER BY passages DESC, tag"
            ).fetchall()
        passages = int(self.meta("passages") or 0)
        total = int(self.meta("total_length") or 0)
        return Statistics(passages, total / passages if passages else 1.0, tuple(row[0] for row in languages))

    def fetch(self, ids: Sequence[int]) -> dict[int, Row]:
        """Return the rows of these passages; unknown ids are left out. The rows last read are kept in memory."""
        with self._statements() as connection:
            written = connection.execute("PRAGMA data_version").fetchone()[0]  # moves when another connection commits
            if written != self._written:
                self._kept.clear()
                self._written = written
            kept = self._kept
            missing = ",".join([str(int(i)) for i in ids if i not in kept])
            if missing:
                rows = connection.execute(
                    f"SELECT id, length, digest, party, slots FROM passages WHERE id IN ({missing})"
                ).fetchall()
                kept.update((row[0], Row._make(row)) for row in rows)
            found = {i: kept[i] for i in ids if i in kept}
            if len(kept) > KEPT_ROWS:  # the older half goes
                self._kept = dict(islice(kept.items(), len(kept) // 2, None))
        return found

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return in how many passages each term stands (0 for unknown ones)."""
        return self._lookup("terms", "term", "df", terms)

    def form_counts(self, forms: Iterable[str]) -> dict[str, int]:
        """Return how often each form (folded word) was seen when texts were added; 0 for unknown ones."""
        return self._lookup("forms", "form", "count", forms)

    def gram_frequencies(self, grams: Iterable[str]) -> dict[str, int]:
        """Return in about how many passages each piece of a word stands: the sum over the terms that hold it."""
        return self._lookup("grams", "gram", "df", grams)

    def _lookup(self, table: str, key: str, value: str, keys: Iterable[str]) -> dict[str, int]:
        found = dict.fromkeys(keys, 0)
        asked = list(found)
        with self._statements() as connection:
            for at in range(0, len(asked), 900):
                part = asked[at : at + 900]
                marks = ",".join("?" * len(part))
                found.update(
                    connection.execute(f"SELECT {key}, {value} FROM {table} WHERE {key} IN ({marks})", part).fetchall()
                )
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
    def set_meta(self, key: str, value: str) -> None:
        """Write a note."""
        with self._statements() as connection:
            connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
            )

    def party(self, name: str) -> int:
        """Return the number of a publisher or source, a new one for a new name."""
        with self._statements() as connection:
            connection.execute("INSERT OR IGNORE INTO parties (name) VALUES (?)", (name,))
            return int(connection.execute("SELECT number FROM parties WHERE name = ?", (name,)).fetchone()[0])

    def add(self, rows: Sequence[Row], languages: Mapping[str, int], forms: Mapping[str, int]) -> list[int]:
        """Write rows and count their words; return the ids that stood there already (their old counts are taken back)."""
        repeated = self.remove([row.id for row in rows])
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(terms_of(row.slots))
        with self._statements() as connection:
            connection.executemany(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
                [(r.id, r.length, r.digest, r.party, r.slots) for r in rows],
            )
        self._count("terms", "term", "df", counts)
        self._count("forms", "form", "count", forms)
        self._count("languages", "tag", "passages", languages)
        self._add_totals(len(rows), sum(row.length for row in rows))
        return repeated

    def remove(self, ids: Sequence[int]) -> list[int]:
        """Delete rows and take their terms out of the counts; return the ids that were there. Forms stay: they only propose spellings."""
        if not ids:
            return []
        present = self._present(ids)
        for at in range(0, len(present), 500):
            rows = list(self.fetch(present[at : at + 500]).values())
            counts: Counter[str] = Counter()
            for row in rows:
                counts.update(terms_of(row.slots))
            self._count("terms", "term", "df", {term: -n for term, n in counts.items()})
            self._add_totals(-len(rows), -sum(row.length for row in rows))
        with self._statements() as connection:
            connection.executemany("DELETE FROM passages WHERE id = ?", [(i,) for i in present])
        return present

    def _present(self, ids: Sequence[int]) -> list[int]:
        with self._statements() as connection:
            highest = connection.execute("SELECT max(id) FROM passages").fetchone()[0] or 0
            asked = [
                i for i in ids if i <= highest
            ]  # new ids are higher than all before them: usually nothing is left to ask
            found: list[int] = []
            for at in range(0, len(asked), 900):
                listed = ",".join(map(str, asked[at : at + 900]))
                found += [row[0] for row in connection.execute(f"SELECT id FROM passages WHERE id IN ({listed})")]
        return found

    def _count(self, table: str, key: str, value: str, counts: Mapping[str, int]) -> None:
        statement = (
            f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT ({key}) DO UPDATE SET {value} = {value} + excluded.{value}"
        )
        with self._statements() as connection:
            connection.executemany(statement, sorted(counts.items()))

    def _add_totals(self, passages: int, length: int) -> None:
        self.set_meta("passages", str(int(self.meta("passages") or 0) + passages))
        self.set_meta("total_length", str(int(self.meta("total_length") or 0) + length))

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
            connection.execute("DELETE FROM grams")
            connection.executemany("INSERT INTO grams VALUES (?, ?)", sorted(counts.items()))
        self.set_meta("grams_counted_at", str(max(passages, 1)))
        return True


def grams_of(term: str) -> list[str]:
    """Return the pieces of four characters of a term as it stands in a slot, from the mark before it on (``|стр``, ``стро``, …)."""
    marked = GAP + term
    return [marked[at : at + GRAM_LETTERS] for at in range(len(marked) - GRAM_LETTERS + 1)]
