"""What rescoring needs to know of each passage, beside the vocabulary (`samovar.search.vocabulary`) in one SQLite file.

Derived data: it is rebuilt from the library whenever it is lost. It is committed *before* the engine, and a batch may be given again
after a crash: counts are corrected by what stood under the same passage id. Source of the layout: docs/LAB.md, "search".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from samovar.search.analysis import Line
from samovar.search.coder import Coder
from samovar.search.codes import BREAK, ENCODING, PART, distinct_codes, number_of
from samovar.search.vocabulary import Vocabulary

_TABLES = """
CREATE TABLE passages (id INTEGER PRIMARY KEY, length INTEGER NOT NULL, digest INTEGER NOT NULL, party INTEGER NOT NULL, codes BLOB NOT NULL);
CREATE TABLE parties (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE languages (tag TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
"""

# one text for any number of ids, so that it is compiled once
_FETCH = "SELECT id, length, digest, party, codes FROM passages WHERE id IN (SELECT value FROM json_each(?))"

_COUNT_LANGUAGE = (
    "INSERT INTO languages VALUES (?, ?) ON CONFLICT (tag) DO UPDATE SET passages = passages + excluded.passages"
)

KEPT_ROWS = 8_000  # rows kept in memory: about 1 KB each


class Draft(NamedTuple):
    """A passage as it is written: `head` are the slots of the title lines, `body` those of the sentences."""

    id: int
    length: int
    digest: int
    party: int
    head: Sequence[Line]
    body: Sequence[Line]


class Row(NamedTuple):
    """One passage as the index knows it, in codes. `length` is the number of body slots; `digest` a hash of the text, equal for exact
    copies; `party` a number for its publisher (or source); `pieces` those of all its words, in any order, some more than once."""

    id: int
    length: int
    digest: int
    party: int
    head: str
    body: str
    pieces: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """Number of passages, their average length in slots, and the languages of the documents, the most frequent first."""

    num_passages: int
    average_length: float
    languages: tuple[str, ...]


class Rows(Vocabulary):
    """An open rows file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._kept: dict[int, Row] = {}
        super().__init__(path, _TABLES, read_only=read_only)
        self._coder = Coder(self)

    def _forget(self) -> None:
        super()._forget()
        self._kept.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is written in this block is committed together."""
        try:
            with super().transaction():
                yield
        except BaseException:
            self._coder.forget()
            raise

    def finish(self) -> None:
        """End writing: let go of what was kept for it."""
        with self._lock:
            self._coder.forget()

    # -- reading --------------------------------------------------------------------------------------------------------
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
            self.state()
            kept = self._kept
            missing = sorted([i for i in ids if i not in kept])
            if missing:
                for found in connection.execute(_FETCH, (str(missing),)).fetchall():
                    kept[found[0]] = Row._make((*found[:4], *found[4].decode(ENCODING).split(PART)))
            rows = {i: kept[i] for i in ids if i in kept}
            if len(kept) > KEPT_ROWS:  # the older half goes
                self._kept = dict(islice(kept.items(), len(kept) // 2, None))
        return rows

    # -- writing (inside `transaction`) -----------------------------------------------------------------------------------
    def party(self, name: str) -> int:
        """Return the number of a publisher or source, a new one for a new name."""
        with self._statements() as connection:
            connection.execute("INSERT OR IGNORE INTO parties (name) VALUES (?)", (name,))
            return int(connection.execute("SELECT number FROM parties WHERE name = ?", (name,)).fetchone()[0])

    def add(self, drafts: Sequence[Draft], languages: Mapping[str, int]) -> list[int]:
        """Write passages and count their words; return the ids that stood there already (their old counts are taken back)."""
        repeated = self.remove([draft.id for draft in drafts])
        self._coder.learn(slot for draft in drafts for line in chain(draft.head, draft.body) for slot in line)
        counts: Counter[int] = Counter()
        rows = []
        for draft in drafts:
            coded = self._coder.encode(draft.head, draft.body)
            counts.update(coded.terms)
            rows.append((draft.id, draft.length, draft.digest, draft.party, coded.stored))
        with self._statements() as connection:
            connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?)", rows)
        self.count_terms(counts)
        with self._statements() as connection:
            connection.executemany(_COUNT_LANGUAGE, sorted(languages.items()))
        self._add_totals(len(drafts), sum(draft.length for draft in drafts))
        return repeated

    def remove(self, ids: Sequence[int]) -> list[int]:
        """Delete rows and take their terms out of the counts; return the ids that were there. Forms stay: they only propose spellings."""
        if not ids:
            return []
        present = self._present(ids)
        for at in range(0, len(present), 500):
            rows = list(self.fetch(present[at : at + 500]).values())
            counts: Counter[int] = Counter()
            for row in rows:
                counts.update(map(number_of, distinct_codes(row.head + BREAK + row.body)))
            self.count_terms({number: -n for number, n in counts.items()})
            self._add_totals(-len(rows), -sum(row.length for row in rows))
        with self._statements() as connection:
            connection.executemany("DELETE FROM passages WHERE id = ?", [(i,) for i in present])
            self._kept.clear()
        return present

    def _present(self, ids: Sequence[int]) -> list[int]:
        with self._statements() as connection:
            highest = connection.execute("SELECT max(id) FROM passages").fetchone()[0] or 0
            # new ids are higher than all before them: usually nothing is left to ask
            asked = [i for i in ids if i <= highest]
            found: list[int] = []
            for at in range(0, len(asked), 900):
                listed = ",".join(map(str, asked[at : at + 900]))
                found += [row[0] for row in connection.execute(f"SELECT id FROM passages WHERE id IN ({listed})")]
        return found

    def _add_totals(self, passages: int, length: int) -> None:
        self.set_meta("passages", str(int(self.meta("passages") or 0) + passages))
        self.set_meta("total_length", str(int(self.meta("total_length") or 0) + length))
