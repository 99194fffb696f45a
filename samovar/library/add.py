"""Add files, folders, globs and URLs to a library: what is new or changed is read, all that happens is written down.

Documents are committed every half second or so; what was committed survives `kill -9`, and a second `add` skips the
inputs that were finished. A file counts as unchanged when size and modification time are the same, or else when its
SHA-256 is. Every input leaves at least one ledger row. Reading itself happens in a supervised child
(`samovar.corpus.sandbox`). Prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from samovar.corpus.document import LedgerRow, utc_now
from samovar.corpus.extracted import Extracted
from samovar.errors import FetchError
from samovar.library.fingerprint import Fingerprint, fingerprint_file, same_bytes, same_times
from samovar.library.passages import SPLIT_VERSION
from samovar.library.plan import Job, Walk, is_corpus, plan_jobs, stat_file
from samovar.library.progress import AS_EXTRACTED, Account, AddReport, Progress, Provenance
from samovar.library.reading import UNLUCKY, UNREAD, Reading, make_taken_document, sum_up
from samovar.library.records import Input, Taken
from samovar.library.store import Library

if TYPE_CHECKING:
    from samovar.settings import LibrarySettings

COMMIT_SECONDS = 0.5  # how much work a crash may cost; a commit itself takes 5–20 ms, mostly the sync
COMMIT_CHARS = 2_000_000
COMMIT_DOCUMENTS = 256
REPORT_SECONDS = 0.05


class TextSource(Protocol):
    """What reading needs of `samovar.corpus.sandbox.Extractor`."""

    def extract(self, path: Path, uri: str | None = None) -> Iterator[Extracted | LedgerRow]:
        """Yield the texts of one file, or rows saying why not; never raises for a bad file."""

    def close(self) -> None:
        """End the child."""


def add(
    library: Library,
    targets: Sequence[str | Job],
    *,
    source: str | None = None,
    settings: LibrarySettings | None = None,
    progress: Callable[[Progress], None] | None = None,
    overrides: Provenance = AS_EXTRACTED,
    stop: Callable[[], bool] | None = None,
) -> AddReport:
    """Add files, folders, globs and URLs; return what was done.

    Args:
        library: where to; only its short commits take the write lock, so others may write in between.
        targets: paths, folders (recursive), globs, http(s) addresses, ``corpus:PATH``; or jobs, for files with an address of their own.
        source: the collection; None names it after each target, and leaves addresses known already where they are.
        settings: limits and passage lengths; the defaults when None.
        progress: called about every 50 ms and after the last input.
        overrides: provenance the user knows better.
        stop: asked between documents; True ends the run after a commit (the report says `stopped`).

    Raises:
        LibraryBusyError: another process kept the write lock.
        CorpusError: a ``corpus:PATH`` is no finished corpus, or damaged.
        MissingExtraError: corpora need the extra that builds them.
        KeyboardInterrupt: passed on, after what was finished is committed.
    """
    return Adder(library, settings, overrides=overrides, progress=progress, stop=stop).run(targets, source)


class Adder:
    """One run of `add`. `extractor` and `walk` may be given for other kinds of sources; the defaults are the corpus
    room's.
    """

    def __init__(
        self,
        library: Library,
        settings: LibrarySettings | None = None,
        *,
        overrides: Provenance = AS_EXTRACTED,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], bool] | None = None,
        extractor: TextSource | None = None,
        walk: Walk | None = None,
    ) -> None:
        self._library = library
        self._settings = settings or _default_settings()
        self._overrides = overrides
        self._progress = progress
        self._stop = stop or (lambda: False)
        self._extractor = extractor
        self._walk = walk or _default_walk()
        self._pending: list[Taken] = []
        self._pending_chars = self._pending_documents = 0
        self._run = 0
        self._account = Account()
        self._committed = self._reported = time.monotonic()
        self._stopped = False
        self._version = library.version

    # -- the run ----------------------------------------------------------------------------------------------------
    def run(self, targets: Sequence[str | Job], source: str | None = None) -> AddReport:
        """Read all targets; see `add`."""
        try:
            for job in self._plan(targets, source):
                if self._stopped or self._stop():
                    self._stopped = True
                    break
                self._add(job)
                self._account.count(files=1, bytes=job.size)
                self._report(job.uri)
        except KeyboardInterrupt:
            self._commit()
            raise
        finally:
            if self._extractor is not None:
                self._extractor.close()
        self._commit()
        self._report("", always=True)
        return self._account.report(stopped=self._stopped, version=self._version)

    def _plan(self, targets: Sequence[str | Job], source: str | None) -> list[Job]:
        """List everything first, for the totals; write down what the walk passed over."""
        jobs: list[Job] = []
        rows: list[LedgerRow] = []
        for item in plan_jobs(targets, source, self._walk, self._sources_of):
            if isinstance(item, Job):
                jobs.append(item)
            elif not self._is_told(item):
                rows.append(item)
        if rows:
            with self._library.writer() as writer:
                writer.record(rows)
        self._account.total_files, self._account.total_bytes = len(jobs), sum(job.size for job in jobs)
        return jobs

    def _sources_of(self, uri: str) -> list[str]:
        return [record.source for record in self._library.inputs(uri=uri)]

    def _is_told(self, row: LedgerRow) -> bool:
        """Whether the ledger's newest row of this address says the same already (adding again must not lengthen the
        ledger).
        """
        if row.decision == "dropped":
            self._account.reasons[row.reason] += 1
            self._account.count(dropped=1)
        newest = self._library.newest_row(row.uri)
        return newest is not None and (newest.decision, newest.reason) == (row.decision, row.reason)

    def _add(self, job: Job) -> None:
        """Read one input unless it is unchanged."""
        if job.path is None:
            self._add_url(job)
            return
        if is_corpus(job.uri):
            self._add_corpus(job, job.path)
            return
        known = self._known(job)
        state = stat_file(job.path)
        if state is None:
            self._refuse(job, "not_a_file" if job.path.exists() else "not_found")
        elif known and same_times(known, state):
            self._skip(job)
        else:
            try:
                mark = fingerprint_file(job.path, state)
            except OSError as error:
                self._refuse(job, "unreadable", error.strerror or str(error))
                return
            self._read_unless_same(job, job.path, mark, known)

    def _read_unless_same(self, job: Job, path: Path, mark: Fingerprint, known: Input | None) -> None:
        if known and same_bytes(known, mark):
            self._skip(job)
            if mark.mtime_ns != known.mtime_ns:  # touched only, or its time can be trusted by now
                self._queue(Taken(replace(known, mtime_ns=mark.mtime_ns), (), complete=False))
            return
        self._read(Reading(job, mark), path)

    def _skip(self, job: Job) -> None:
        self._account.count(unchanged=1, skipped_bytes=job.size)

    def _known(self, job: Job) -> Input | None:
        """Return what was noted of this input, if it was read in the way it would be read now."""
        for record in self._library.inputs(uri=job.uri):
            if record.source == job.source and record.recipe == self._recipe(record.outcome == "dropped"):
                return record
        return None

    def _recipe(self, dropped: bool) -> str:
        """Return all that decides the result besides the bytes; the limits count only for what they may have
        refused.
        """
        s = self._settings
        splitting = f"{s.passage_words}/{s.overlap_words}/{SPLIT_VERSION}"
        label = f"{_extractor_version()} {splitting} {self._overrides.label}".rstrip()
        limits = f" {s.max_file_bytes} {s.max_text_chars} {s.extract_seconds} {s.extract_memory_bytes}"
        return label + limits if dropped else label

    # -- one input --------------------------------------------------------------------------------------------------
    def _read(self, reading: Reading, path: Path) -> None:
        if self._extractor is None:
            self._extractor = _default_extractor(self._settings)
        for item in self._extractor.extract(path, reading.job.uri):
            if isinstance(item, LedgerRow):
                self._take_row(reading, item)
            else:
                self._take_text(reading, item)
            if self._due():
                self._queue(self._part(reading))
                self._report(reading.job.uri)
            if self._stop():
                self._stopped = True
                self._queue(self._part(reading))
                return
        self._finish(reading)

    def _take_row(self, reading: Reading, row: LedgerRow) -> None:
        reading.num_rows += 1
        reading.rows.append(replace(row, source=reading.job.source))
        if row.decision == "dropped":
            self._account.reasons[row.reason] += 1
            reading.unlucky = reading.unlucky or row.reason in UNLUCKY
            if row.uri == reading.job.uri:
                reading.refusal = row.reason

    def _take_text(self, reading: Reading, item: Extracted) -> None:
        document = make_taken_document(item, reading.job, self._overrides)
        reading.num_documents += 1
        reading.own_uri = document.uri == reading.job.uri
        reading.documents.append(document)
        self._pending_chars += len(document.text)
        self._pending_documents += 1
        if item.changed and not self._library.document_heads([document.id]):
            rows = [LedgerRow(document.uri, "extract", "changed", reason, value) for reason, value in item.changed]
            reading.rows.extend(replace(row, source=reading.job.source) for row in rows)

    def _part(self, reading: Reading) -> Taken:
        """Take what came so far out of an unfinished reading."""
        taken = Taken(self._input(reading), tuple(reading.documents), tuple(reading.rows), complete=False, note=False)
        reading.documents, reading.rows = [], []
        return taken

    def _finish(self, reading: Reading) -> None:
        """Queue the rest of an input with the row that sums it up."""
        job, count = reading.job, reading.num_documents
        if count and not (count == 1 and reading.own_uri):
            reading.rows.append(sum_up(job, "kept", "container", str(count)))
        if not count and not reading.refusal:
            reading.rows.append(sum_up(job, "dropped", "nothing_kept", str(reading.num_rows)))
            self._account.reasons["nothing_kept"] += 1
        if not reading.complete and self._was_known(job):
            reading.rows.append(sum_up(job, "kept", "earlier_version", reading.refusal or "part"))
        self._account.count(**{"dropped" if not count else "changed" if self._was_known(job) else "kept": 1})
        note = reading.refusal not in UNREAD
        self._queue(replace(self._part(reading), input=self._input(reading), complete=reading.complete, note=note))

    def _was_known(self, job: Job) -> bool:
        return any(
            record.source == job.source and record.outcome == "kept" for record in self._library.inputs(uri=job.uri)
        )

    def _input(self, reading: Reading) -> Input:
        job, mark, kept = reading.job, reading.mark, reading.num_documents > 0
        return Input(
            source=job.source,
            uri=job.uri,
            size=mark.size,
            mtime_ns=mark.mtime_ns,
            sha256=mark.sha256,
            outcome="kept" if kept else "dropped",
            recipe=self._recipe(dropped=not kept),
            num_documents=reading.num_documents,
            at=utc_now(),
        )

    def _refuse(self, job: Job, reason: str, value: str = "") -> None:
        """Write down an input that could not even be opened."""
        self._account.reasons[reason] += 1
        self._account.count(dropped=1)
        record = Input(job.source, job.uri, 0, 0, "", "dropped")
        self._queue(Taken(record, (), (sum_up(job, "dropped", reason, value),), complete=False, note=False))

    def _add_url(self, job: Job) -> None:
        """Fetch a URL and read what came; a failure to fetch is a ledger row, and tried again next time."""
        from samovar.corpus.fetch import fetch_url

        s = self._settings
        try:
            fetched = fetch_url(
                job.uri, allow_private=s.allow_private_urls, max_bytes=s.max_file_bytes, timeout=s.extract_seconds
            )
        except FetchError as error:
            self._refuse(job, error.reason, error.value or str(error))
            return
        with fetched:
            mark = Fingerprint(fetched.size, 0, fetched.sha256)
            self._read_unless_same(job, fetched.path, mark, self._known(job))

    def _add_corpus(self, job: Job, path: Path) -> None:
        """Take over a built corpus: its texts are not read again, only stored."""
        from samovar.corpus.build.extra import check_extra

        check_extra()
        from samovar.library.bulk import CorpusLoad

        bulk = CorpusLoad(job, path, self._overrides, self._recipe(dropped=False))
        self._account.total_bytes += bulk.num_bytes
        if bulk.is_known(self._library.inputs(uri=job.uri)):
            self._account.count(unchanged=1, bytes=bulk.num_bytes, skipped_bytes=bulk.num_bytes)
            return
        for num_bytes, documents in bulk.parts():
            self._account.count(bytes=num_bytes)
            self._pending_documents += len(documents)
            self._pending_chars += sum(len(document.text) for document in documents)
            self._queue(bulk.taken(documents))
            self._report(job.uri)
            if self._stop():
                self._stopped = True
                return
        known = [record.source for record in self._library.inputs(uri=job.uri)]
        for taken in bulk.ends(known):
            self._queue(taken)
        self._account.count(**{"changed" if known else "kept": 1})

    # -- commits and reports ----------------------------------------------------------------------------------------
    def _due(self) -> bool:
        return (
            self._pending_chars >= COMMIT_CHARS
            or self._pending_documents >= COMMIT_DOCUMENTS
            or time.monotonic() - self._committed >= COMMIT_SECONDS
        )

    def _queue(self, taken: Taken) -> None:
        self._pending.append(taken)
        if self._due():
            self._commit()

    def _commit(self) -> None:
        """Make what is pending durable."""
        pending, self._pending = self._pending, []
        self._pending_chars = self._pending_documents = 0
        self._committed = time.monotonic()
        if not pending:
            return
        with self._library.writer(words=self._settings.passage_words, overlap=self._settings.overlap_words) as writer:
            self._run = self._run or writer.next_run()
            result = writer.put_taken(pending, self._run)
        self._version = result.version
        self._account.count(
            documents=result.added + result.replaced,
            replaced=result.replaced,
            removed=result.removed,
            passages=result.passages,
        )

    def _report(self, current: str, *, always: bool = False) -> None:
        """Tell how far it has come, but not more often than anybody can look."""
        now = time.monotonic()
        if self._progress is not None and (always or now - self._reported >= REPORT_SECONDS):
            self._reported = now
            self._progress(self._account.progress(current))


def _default_settings() -> LibrarySettings:
    from samovar.settings import LibrarySettings

    return LibrarySettings.model_validate({})


def _default_walk() -> Walk:
    from samovar.corpus.sources import walk

    return walk


def _default_extractor(settings: LibrarySettings) -> TextSource:
    from samovar.corpus.limits import Limits
    from samovar.corpus.sandbox import Extractor

    return Extractor(
        Limits(
            seconds=settings.extract_seconds,
            memory_bytes=settings.extract_memory_bytes,
            max_file_bytes=settings.max_file_bytes,
            max_text_chars=settings.max_text_chars,
        )
    )


def _extractor_version() -> str:
    from samovar.corpus import extracted

    return str(getattr(extracted, "EXTRACTOR_VERSION", 1))
