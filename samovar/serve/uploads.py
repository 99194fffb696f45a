"""Files that users give us: kept under a name of ours, read into the user's own collection, listed, handed back, removed.

The web page, the native API and the GigaChat dialect all upload through `UploadService`. What the sender calls the file is a title and the
end of its address (``upload:<id>/<name>``), never a path. An upload whose reading was cut short by a crash is taken up again when its owner
next looks. Knows nothing about HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from samovar.errors import HomeError, NotFoundError, SamovarError, TooLargeError, UsageError
from samovar.library.plan import Job
from samovar.serve.access import authorise, owner_of_source, private_source
from samovar.serve.engine import Engine
from samovar.serve.model_files import name_model_file
from samovar.serve.principal import Principal
from samovar.serve.store.records import Upload
from samovar.serve.store.secrets import new_id
from samovar.serve.upload_names import LONGEST_NAME, clean_name, is_part_of, suffix_of, upload_id_of, uri_of
from samovar.settings import Settings

if TYPE_CHECKING:
    from samovar.corpus.document import Document
    from samovar.library.progress import Progress
    from samovar.serve.store.store import Store

log = logging.getLogger("samovar.serve")

__all__ = ["LONGEST_NAME", "UploadService", "clean_name", "uri_of"]

FOLDER = Path("serve") / "uploads"
BUFFER_BYTES = 2**20  # written at once, in a thread
STALE_SECONDS = 3600.0  # a part older than this belongs to no running upload
INTERRUPTED = "interrupted"
"""The `reason` of an upload whose bytes were lost in a crash before they were acknowledged."""

ProgressCall = Callable[["Progress"], None]


@dataclass(slots=True)
class _Reading:
    """An upload that is being read into the library."""

    task: asyncio.Task[Upload]
    stop: threading.Event


_READING: dict[str, _Reading] = {}
"""By upload id, for the whole process: ids are random, and two services over one store must not both take an upload up."""
_ENTERING: set[str] = set()
"""Ids of uploads that are being written down, likewise."""


class UploadService:
    """The uploads of all users; all methods are for the event loop. Every call is authorised here."""

    def __init__(self, engine: Engine, store: Store, settings: Settings) -> None:
        self._engine = engine
        self._store = store
        self._limits = settings.serve
        self._folder = settings.home / FOLDER
        self._turn = asyncio.Lock()  # reading takes a core and a lock of the library: one at a time, in order
        self._entering = threading.Lock()
        self._keeping: set[asyncio.Task[Upload]] = set()
        self._swept = False

    # -- in -----------------------------------------------------------------------------------------------------------
    async def save(
        self,
        principal: Principal,
        filename: str,
        chunks: AsyncIterator[bytes],
        purpose: str = "general",
        progress: ProgressCall | None = None,
    ) -> Upload:
        """Keep a file and read it into the caller's own collection; return it `ready`, or `refused` with the ledger's reason.

        Once the bytes are kept the reading goes on even if the caller leaves. `progress` is called in a working thread.

        Raises:
            TooLargeError: the file is larger than ``serve.max_upload_bytes``, or the caller's uploads than ``serve.max_user_bytes``.
            UsageError: it is empty, or a model file.
        """
        authorise(principal, "use_own_documents", principal.user_id)
        name = clean_name(filename)
        _refuse_model(name)
        part = await self._engine.work(self._new_part)
        try:
            size = await self._receive(principal, part, chunks)
        except BaseException:
            await asyncio.shield(self._engine.work(lambda: part.unlink(missing_ok=True)))
            raise
        keeping = asyncio.create_task(self._keep(principal, name, purpose, part, size, progress))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return await asyncio.shield(keeping)

    async def _keep(
        self, principal: Principal, name: str, purpose: str, part: Path, size: int, progress: ProgressCall | None
    ) -> Upload:
        """From received bytes to a settled upload; runs to its end whether or not somebody waits for it."""
        upload_id = new_id()
        _ENTERING.add(upload_id)  # its record is there before its bytes have their place: nobody may take it up yet
        try:
            upload = await self._engine.work(lambda: self._enter(principal, upload_id, name, purpose, part, size))
            reading = self._begin(principal, upload, progress)
        finally:
            _ENTERING.discard(upload_id)
            await self._engine.work(lambda: part.unlink(missing_ok=True))
        return await reading.task

    async def _receive(self, principal: Principal, part: Path, chunks: AsyncIterator[bytes]) -> int:
        """Write the stream to disk within the limits; return its size in bytes."""
        used = await self._engine.work(lambda: self._store.uploads.used_bytes(principal.user_id))
        size, waiting = 0, bytearray()
        async for chunk in chunks:
            size += len(chunk)
            self._check_size(used, size)
            waiting += chunk
            if len(waiting) >= BUFFER_BYTES:
                data, waiting = waiting, bytearray()
                await self._engine.work(lambda data=data: _append(part, data))  # type: ignore[misc]
        if not size:
            raise UsageError("expected a file with something in it, found an empty one.")
        await self._engine.work(lambda: _append(part, waiting, last=True))
        return size

    def _check_size(self, used: int, size: int) -> None:
        if size > self._limits.max_upload_bytes:
            raise TooLargeError(
                f"expected a file of at most {self._limits.max_upload_bytes} bytes, found a larger one. Split it, or let the operator raise "
                "serve.max_upload_bytes."
            )
        if used + size > self._limits.max_user_bytes:
            raise TooLargeError(
                f"expected at most {self._limits.max_user_bytes} bytes of uploads per user, found {used} kept already. Delete some first."
            )

    def _new_part(self) -> Path:
        """Make an empty file to write to (blocking)."""
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._sweep()
            part = self._folder / f"{secrets.token_hex(16)}.part"
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise HomeError(
                f"expected to write to {FOLDER}, found: {error.strerror}. Check space and permissions."
            ) from error
        return part

    def _sweep(self) -> None:
        """Remove what a crash left of unfinished uploads, once."""
        if self._swept:
            return
        self._swept = True
        for part in self._folder.glob("*.part"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > STALE_SECONDS:
                    part.unlink()

    def _enter(self, principal: Principal, upload_id: str, name: str, purpose: str, part: Path, size: int) -> Upload:
        """Check the content and write the upload down (blocking): from here on it survives a crash."""
        _refuse_model(name, part)
        final = part.with_suffix(suffix_of(name))
        with self._entering:  # two uploads at once must not both fit into the same room
            self._check_size(self._store.uploads.used_bytes(principal.user_id), size)
            upload = self._store.uploads.create(
                owner_id=principal.user_id,
                name=name,
                mime=mimetypes.guess_type(name)[0] or "application/octet-stream",
                size_bytes=size,
                purpose=purpose[:64],
                path=final.name,
                source=private_source(principal.user_id),
                id=upload_id,
            )
        os.replace(part, final)
        _sync_folder(self._folder)
        return upload

    # -- reading ------------------------------------------------------------------------------------------------------
    def _begin(self, principal: Principal, upload: Upload, progress: ProgressCall | None = None) -> _Reading:
        """Start reading an upload into the library, or find the reading that is going on."""
        if upload.id in _READING:
            return _READING[upload.id]
        stop = threading.Event()
        task = asyncio.create_task(self._read(principal, upload, stop, progress))
        _READING[upload.id] = reading = _Reading(task, stop)
        task.add_done_callback(lambda done: _forget(upload.id, done))
        return reading

    async def _read(
        self, principal: Principal, upload: Upload, stop: threading.Event, progress: ProgressCall | None
    ) -> Upload:
        path = self._path_of(upload)
        try:
            if not await self._engine.work(path.is_file):
                return await self._settle(upload, "refused", INTERRUPTED)
            job = Job(uri_of(upload), upload.source, path, upload.size_bytes, title=PurePosixPath(upload.name).stem)
            async with self._turn:
                await self._engine.add(principal, [job], upload.source, progress=progress, stop=stop.is_set)
            ids, reason = await self._engine.work(lambda: self._outcome(upload))
            return await self._settle(upload, "ready" if ids else "refused", "" if ids else reason, ids)
        except asyncio.CancelledError:
            stop.set()
            raise
        except SamovarError as error:
            await self._settle(upload, "refused", str(error)[:500])
            raise

    async def _settle(self, upload: Upload, status: str, reason: str, ids: tuple[str, ...] = ()) -> Upload:
        """Write down what became of it; the bytes of a refused one are not kept."""
        try:
            settled = await self._engine.work(lambda: self._store.uploads.update(upload.id, status, reason, ids))
        except NotFoundError:  # its owner was deleted meanwhile: nothing may stay behind
            await self._engine.work(lambda: self._remove(upload))
            raise
        if status == "refused":
            await self._engine.work(lambda: self._path_of(upload).unlink(missing_ok=True))
        return settled

    def _outcome(self, upload: Upload) -> tuple[tuple[str, ...], str]:
        """The documents that came of an upload, or the ledger's reason why there are none (blocking)."""
        uri, library = uri_of(upload), self._engine.samovar.library
        ids = tuple(d.id for d in library.documents(source=upload.source) if is_part_of(d.uri, uri))
        if ids:
            return ids, ""
        rows = list(library.ledger(uri=uri, source=upload.source, decision="dropped", newest_first=True, limit=50))
        row = next((row for row in rows if row.reason != "nothing_kept"), rows[0] if rows else None)
        return (), row.reason if row else "nothing_kept"

    # -- out ----------------------------------------------------------------------------------------------------------
    async def list(self, principal: Principal) -> Sequence[Upload]:
        """Return the caller's uploads, the newest first."""
        authorise(principal, "use_own_documents", principal.user_id)
        uploads = await self._engine.work(lambda: self._store.uploads.list(principal.user_id))
        for upload in uploads:
            self._take_up(principal, upload)
        return uploads

    async def open(self, principal: Principal, upload_id: str) -> Upload:
        """Return one of the caller's uploads. Raises `NotFoundError` for none, or another's."""
        plain = upload_id.isascii() and upload_id.isalnum() and len(upload_id) <= LONGEST_NAME
        upload = await self._engine.work(lambda: self._store.uploads.get(upload_id)) if plain else None
        if upload is None:
            authorise(principal, "use_own_documents")
            raise NotFoundError("there is no such object, or it is not yours.")
        authorise(principal, "use_own_documents", upload.owner_id)
        self._take_up(principal, upload)
        return upload

    async def settled(self, principal: Principal, upload_id: str) -> Upload:
        """Return one of the caller's uploads when it is no longer being read. Raises like `open`."""
        upload = await self.open(principal, upload_id)
        reading = _READING.get(upload.id)
        return upload if reading is None else await asyncio.shield(reading.task)

    def _take_up(self, principal: Principal, upload: Upload) -> None:
        """Go on with a reading that a crash interrupted."""
        if upload.status == "processing" and upload.id not in _READING and upload.id not in _ENTERING:
            self._begin(principal, upload)

    async def content(self, principal: Principal, upload_id: str) -> Path:
        """Return where the bytes of one of the caller's uploads are. Raises like `open`."""
        path = self._path_of(await self.open(principal, upload_id))
        if not await self._engine.work(path.is_file):
            raise NotFoundError("the content of this upload is gone; its documents may still be in the library.")
        return path

    async def delete(self, principal: Principal, upload_id: str) -> Upload:
        """Remove an upload: its documents, its bytes and its record, in this order, so that it can be tried again. Raises like `open`."""
        upload = await self.open(principal, upload_id)
        if (reading := _READING.get(upload.id)) is not None:
            reading.stop.set()
            await asyncio.wait({reading.task})
        await self._engine.work(lambda: self._remove(upload))
        return upload

    async def remove_document(self, principal: Principal, document: Document) -> bool:
        """Remove a document of the caller's own collection; the upload it came from goes with the last of its documents.

        False when it was gone already. Raises like `open`.
        """
        authorise(principal, "use_own_documents", owner_of_source(document.source))
        upload = await self._upload_of(principal, document)
        rest = tuple(one for one in upload.document_ids if one != document.id) if upload else ()
        if upload is not None and not rest:
            await self.delete(principal, upload.id)
            return True

        def work() -> bool:
            with self._engine.samovar.library.writer() as writer:
                removed = writer.remove(document_id=document.id) > 0
            self._engine.samovar.searcher.sync()
            if upload is not None:
                self._store.uploads.update(upload.id, document_ids=rest)
            return removed

        return await self._engine.work(work)

    async def _upload_of(self, principal: Principal, document: Document) -> Upload | None:
        """The upload that a document came from, when it is done; None for a page that was fetched, or when its record is gone."""
        if upload_id := upload_id_of(document.uri):
            with suppress(NotFoundError):
                return await self.settled(principal, upload_id)
        return None

    def _remove(self, upload: Upload) -> None:
        library = self._engine.samovar.library
        with library.writer() as writer:
            writer.remove(source=upload.source, path=uri_of(upload))
        self._engine.samovar.searcher.sync()
        self._path_of(upload).unlink(missing_ok=True)
        self._store.uploads.delete(upload.id)

    def _path_of(self, upload: Upload) -> Path:
        return self._folder / PurePosixPath(upload.path).name


def _refuse_model(name: str, path: Path | None = None) -> None:
    kind = name_model_file(name, path)
    if kind:
        raise UsageError(
            f"expected a document, found a model file ({kind}): these are never taken by upload. Put it on the server's disk and name it in "
            "generate.model."
        )


def _append(path: Path, data: bytes | bytearray, *, last: bool = False) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) or 0 :]
            if last:
                os.fsync(file.fileno())
    except OSError as error:
        raise HomeError(
            f"expected room for an upload in {FOLDER}, found: {error.strerror}. Free some space."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _forget(upload_id: str, task: asyncio.Task[Upload]) -> None:
    _READING.pop(upload_id, None)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("an upload could not be read: %s", error)
