"""The search index of one library: an engine and its rows file, kept up to date by following the library's changes.

It lies in ``home/index/<stamp>``, where the stamp is a hash of the analyser's version, the engine and the library's identity. When any of
these changes, the folder of the new stamp is built beside the old one, which is deleted only when the new one is complete. Readers never
wait for a build: they see the last commit. Order of commits within a batch: rows, engine, version; each step may be repeated. A small
sync returns when its documents can be found; what the engine then merges is waited for by a thread, which keeps the writer and the lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread, current_thread

from samovar.corpus.document import Document
from samovar.errors import HomeError, SearchError
from samovar.language import profile_for
from samovar.language.token import tokenize
from samovar.library import Change, Library
from samovar.search.analysis import Line, PassageAnalyser, analyser_version
from samovar.search.engine import EngineRow, SearchEngine, TantivyEngine
from samovar.search.rows import Draft, Rows
from samovar.search.sync_lock import SyncLock

FOLDER = "index"
ROWS = "rows.sqlite"
LAYOUT = 2  # of the rows file and the engine's fields
BATCH_PASSAGES = 2_000
COMMIT_PASSAGES = (
    20_000  # of a build: each commit of the engine makes a segment, and ten times as many cost a search 0.3 ms
)
LARGE_PASSAGES = 4_000  # more than this is a build, worth a large buffer
QUIET_SECONDS = 0.1  # after a small sync, then the writer is given up: the next document often comes at once, and others wait for the lock
WAIT_SECONDS = 30.0  # for another process's first batch, when there is nothing to search yet

EngineFactory = Callable[[Path], SearchEngine]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did. `complete` is False when another process is syncing: the last commit is searched meanwhile."""

    version: int
    added: int = 0
    removed: int = 0
    seconds: float = 0.0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a sync is, in passages."""

    done: int
    total: int


class SearchIndex:
    """An open index. Safe to share between threads."""

    def __init__(self, library: Library, home: Path, make_engine: EngineFactory = TantivyEngine) -> None:
        self.library = library
        self.root = home / FOLDER
        self._make_engine = make_engine
        self._analyser = PassageAnalyser()
        self._forms: Counter[str] = Counter()
        self._lock = RLock()
        self._closing = Event()
        self._tidier: Thread | None = None
        self._quiet_until = 0.0
        name = getattr(make_engine, "name", "engine")
        stamp = f"{LAYOUT} {analyser_version()} {name} {library.identity}"
        self._prefix = f"{name.lower()}-"
        self.folder = self.root / (self._prefix + hashlib.sha256(stamp.encode()).hexdigest()[:16])
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"expected to make the folder {self.root}, found: {error.strerror}. Set SAMOVAR_HOME."
            ) from error
        self.read_only = not os.access(self.root, os.W_OK)
        self._writing = SyncLock(self.root / "sync.lock")
        self._open()

    # -- files ------------------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        if self.read_only and not (self.folder / ROWS).is_file():
            raise HomeError(
                f"expected a search index of this version of Samovar in {self.root}, found none, and the folder cannot be written. "
                "Set SAMOVAR_HOME to a copy of it that can."
            )
        try:
            self._open_parts()
        except SearchError:
            if self.read_only:
                raise
            with self._exclusive(WAIT_SECONDS) as held:
                if not held:
                    raise
                self._wipe()
                self._open_parts()

    def _open_parts(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.rows = Rows(self.folder / ROWS, read_only=self.read_only)
        try:
            self.engine = self._make_engine(self.folder / "engine")
        except SearchError:
            self.rows.close()
            raise
        if self.rows.statistics().num_passages and self.engine.highest_id() == 0:
            self.engine.close()
            self.rows.close()
            raise SearchError(f"expected the passages of {self.folder} in its engine, found none.")
        self._state = self.rows.state()
        self.seen = self.version

    def _wipe(self) -> None:
        trash = self.root / f"trash.{os.getpid()}.{time.monotonic_ns()}"
        if self.folder.exists():
            self.folder.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)

    @contextmanager
    def _exclusive(self, wait_seconds: float = 0.0) -> Iterator[bool]:
        """Hold the lock of the index's writer, or yield False when another process keeps it."""
        with self._lock:
            held = self._writing.acquire(wait_seconds)
            try:
                yield held
            finally:
                if self._tidier is None:
                    self._writing.release()
                else:
                    self._writing.say_tidying()

    def close(self) -> None:
        """Close everything, after what the engine is merging; safe to call twice."""
        self._closing.set()
        tidier = self._tidier
        if tidier is not None and tidier is not current_thread():
            tidier.join()
        with self._lock:
            self.engine.close()
            self.rows.close()

    # -- tidying ----------------------------------------------------------------------------------------------------------
    def _tidy_later(self) -> None:
        """Let a thread end the writing when nothing more comes for a moment: a merge takes longer than all the rest of a small sync."""
        self._quiet_until = time.monotonic() + QUIET_SECONDS
        if self._tidier is None:
            # no daemon: the process must not cut a merge off
            self._tidier = Thread(target=self._tidy, name="samovar-index")
            self._tidier.start()

    def _tidy(self) -> None:
        while True:
            while (left := self._quiet_until - time.monotonic()) > 0 and not self._closing.wait(left):
                pass
            with self._lock:
                if time.monotonic() < self._quiet_until and not self._closing.is_set():
                    continue  # a sync came in between
                try:
                    self._finish()
                finally:
                    self._tidier = None
                    self._writing.release()
                return

    def _finish(self) -> None:
        self.engine.finish()
        self.rows.finish()
        self._analyser.forget()

    # -- state ------------------------------------------------------------------------------------------------------------
    @property
    def version(self) -> int:
        """The library's version up to which everything is searchable."""
        return int(self.rows.meta("version") or 0)

    @property
    def state(self) -> tuple[int, tuple[int, int]]:
        """Another value whenever what is searched, or what is counted about it, has changed (as `refresh` saw it last)."""
        return self.seen, self._state

    def refresh(self) -> int:
        """See what another process has committed; return the version now searched."""
        state = self.rows.state()
        if state == self._state:
            return self.seen
        version = self.version
        if version != self.seen:
            self.engine.reload()
            self.seen = version
        self._state = state
        return version

    # -- sync -------------------------------------------------------------------------------------------------------------
    def sync(self, progress: Callable[[SyncProgress], None] | None = None) -> SyncReport:
        """Bring the index up to the library's version; return at once when another process is already doing so."""
        if self.read_only:
            return SyncReport(self.refresh(), complete=False)
        with self._lock:
            wait = WAIT_SECONDS if self.version == 0 and self.library.num_passages else 0.0
            with self._exclusive(wait) as held:
                if not held:
                    return SyncReport(self.refresh(), complete=False)
                return self._follow(progress)

    def rebuild(self, progress: Callable[[SyncProgress], None] | None = None) -> SyncReport:
        """Throw the index away and build it from the library."""
        if self.read_only:
            raise SearchError(f"expected to rebuild the search index, found that {self.root} cannot be written.")
        with self._exclusive(WAIT_SECONDS) as held:
            if not held:
                raise SearchError(
                    "expected to rebuild the search index, found another process at it. Try again when it has finished."
                )
            self._empty()
            return self._follow(progress)

    def _empty(self) -> None:
        self.engine.close()
        self.rows.close()
        self._wipe()
        self._open_parts()

    def _follow(self, progress: Callable[[SyncProgress], None] | None) -> SyncReport:
        began = time.monotonic()
        version = self.version
        if version > self.library.version or (version == 0 and self._holds_anything()):
            self._empty()  # the library was put back to an older copy, or a first build was cut off before its first stamp
            version = 0
        if version == self.library.version:
            return SyncReport(self.refresh())
        self._forms.clear()  # of a sync that failed
        total = max(self.library.num_passages - self.rows.statistics().num_passages, 0)
        large = total > LARGE_PASSAGES
        added = removed = waiting = 0
        for change in self.library.changes(version, batch=BATCH_PASSAGES):
            if change.kind == "removed":
                removed += self._remove([p.id for p in change.passages])
            elif change.passages:
                waiting += len(change.passages)
                # the first ones soon: they can be searched
                commit = not large or not added or waiting >= COMMIT_PASSAGES
                self._add(change, large=large, commit=commit)
                added += len(change.passages)
                waiting = 0 if commit else waiting
            version = change.version
            if not waiting:
                self.rows.set_meta("version", str(version))
            if progress is not None:
                progress(SyncProgress(added, max(total, added)))
        if waiting:
            with self.rows.transaction():
                self._write_forms()
            self.engine.write([], [], large=large)
            self.rows.set_meta("version", str(version))
        with self.rows.transaction():
            self.rows.recount_grams()
        if large:
            self._finish()
        else:
            self._tidy_later()
        self.seen = version
        self._drop_others()
        return SyncReport(version, added, removed, time.monotonic() - began)

    def _write_forms(self) -> None:
        self.rows.count_forms(self._forms)
        self._forms.clear()

    def _holds_anything(self) -> bool:
        return self.rows.statistics().num_passages > 0 or self.engine.highest_id() > 0

    def _remove(self, ids: Sequence[int]) -> int:
        with self.rows.transaction():
            present = self.rows.remove(ids)
        self.engine.write([], ids)
        return len(present)

    def _add(self, change: Change, *, large: bool, commit: bool) -> None:
        highest = self.engine.highest_id()
        languages: Counter[str] = Counter()
        drafts: list[Draft] = []
        for_engine: list[EngineRow] = []
        titles: dict[str, tuple[Line, ...]] = {}
        parties: dict[str, int] = {}
        words: dict[str, Counter[str]] = {}
        with self.rows.transaction():
            for passage in change.passages:
                document = change.documents[passage.document_id]
                head = titles.get(document.id)
                if head is None:
                    head = titles[document.id] = self._analyser.analyse_titles(titles_of(document), document.language)
                    named = (token.text for title in titles_of(document) for token in tokenize(title))
                    words.setdefault(document.language, Counter()).update(named)
                name = document.publisher or document.source
                if name not in parties:
                    parties[name] = self.rows.party(name)
                made = self._analyser.analyse(passage.text, document.language)
                words.setdefault(document.language, Counter()).update(made.words)
                languages[profile_for(document.language).tag] += 1
                draft = Draft(passage.id, made.length, digest_of(passage.text), parties[name], head, made.lines)
                drafts.append(draft)
                for_engine.append(_engine_row(draft, document))
            for language, counts in words.items():
                self._forms.update(_fold_forms(counts, language))
            repeated = self.rows.add(drafts, languages)
            if commit:
                self._write_forms()
        replaced = set(repeated) | {draft.id for draft in drafts if draft.id <= highest}
        self.engine.write(for_engine, sorted(replaced), large=large, commit=commit)

    def _drop_others(self) -> None:
        """Delete indexes of other stamps and what a killed wipe left behind; other engines' indexes stay."""
        for folder in self.root.iterdir():
            stale = folder.name.startswith((self._prefix, "trash.")) and folder != self.folder
            if stale and folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)


def titles_of(document: Document) -> list[str]:
    """Return the title and the aliases (``metadata["aliases"]``, joined by "; ") of a document."""
    return [t for t in (document.title, *document.metadata.get("aliases", "").split(";")) if t.strip()]


def _fold_forms(counts: Counter[str], language: str) -> Counter[str]:
    profile = profile_for(language)
    folded: Counter[str] = Counter()
    for word, count in counts.items():
        if word.isalpha() or "-" in word:
            folded[profile.fold(word)] += count
    return folded


def digest_of(text: str) -> int:
    """Return a hash of a passage's text in 64 signed bits."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def _engine_row(draft: Draft, document: Document) -> EngineRow:
    return EngineRow(
        id=draft.id,
        terms=" ".join([" ".join(line) for line in (*draft.head, *draft.body)]),
        document_id=document.id,
        source=document.source,
        language=document.language,
        origin=document.origin,
        licence=document.licence,
        publisher=document.publisher,
        published=document.published,
    )
