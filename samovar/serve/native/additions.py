"""Adding to the library over HTTP: uploaded files, and web addresses that the server fetches (never private ones, never paths).

Without a `source`, or with the caller's own, documents go to the caller's own collection; editors may name a shared one.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from samovar.errors import TooLargeError, UsageError
from samovar.library.plan import Job
from samovar.library.progress import AddReport
from samovar.serve.access import authorise, owner_of_source, private_source
from samovar.serve.guard import Need
from samovar.serve.model_files import name_model_file
from samovar.serve.native import answers
from samovar.serve.native.bodies import AddressesBody
from samovar.serve.native.bounds import Id
from samovar.serve.native.shapes import AddedShape, AddShape, RemovedShape, UploadShape
from samovar.serve.principal import Principal
from samovar.serve.state import ServerState, state_of
from samovar.serve.store.records import Upload
from samovar.serve.uploads import clean_name

router = APIRouter()
Caller = Annotated[Principal, Depends(Need("use_own_documents"))]
MOST_FILES = 20
CHUNK_BYTES = 2**18
SOURCE_CHARS = 256
STAGING = Path("serve") / "staging"
STALE_SECONDS = 86_400.0  # a staged file older than this belongs to no running addition

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MOST_FILES,
                            "items": {"type": "string", "format": "binary"},
                        },
                        "source": {"type": "string", "maxLength": SOURCE_CHARS, "description": "A shared collection"},
                    },
                }
            },
            "application/json": {"schema": AddressesBody.model_json_schema()},
        },
    }
}


@router.post(
    "/documents",
    status_code=201,
    response_model=AddedShape,
    responses=answers.failures(404, 415),
    openapi_extra=REQUEST_BODY,
)
async def add(request: Request, caller: Caller) -> dict[str, Any]:
    """Add files (multipart, field `file`) or web addresses (JSON, `urls`). Answers when all have been read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _add_files(request, caller)
    if kind == "application/json":
        return await _add_addresses(request, caller)
    raise HTTPException(415, f"expected multipart/form-data or application/json, found {kind or 'no content type'}")


@router.get("/uploads", response_model=list[UploadShape], responses=answers.failures())
async def list_uploads(request: Request, caller: Caller) -> list[dict[str, Any]]:
    """The caller's uploads, newest first."""
    return [upload_as_json(one) for one in await state_of(request).uploads.list(caller)]


@router.get("/uploads/{upload_id}", response_model=UploadShape, responses=answers.failures(404))
async def read_upload(request: Request, upload_id: Id, caller: Caller) -> dict[str, Any]:
    """One of the caller's uploads."""
    return upload_as_json(await state_of(request).uploads.open(caller, upload_id))


@router.delete("/uploads/{upload_id}", response_model=RemovedShape, responses=answers.failures(404))
async def remove_upload(request: Request, upload_id: Id, caller: Caller) -> dict[str, Any]:
    """Remove an upload with its documents."""
    await state_of(request).uploads.delete(caller, upload_id)
    return {"id": upload_id, "removed": True}


# -- addresses ------------------------------------------------------------------------------------------------------
async def _add_addresses(request: Request, caller: Principal) -> dict[str, Any]:
    try:
        body = AddressesBody.model_validate(json.loads(await request.body()))
    except ValidationError as error:
        raise RequestValidationError(
            error.errors(include_url=False, include_context=False, include_input=False)
        ) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "expected a JSON object, found something else") from error
    source = body.source or private_source(caller.user_id)
    report = await _add_to(state_of(request), caller, body.urls, source)
    return {"uploads": [], "report": report_as_json(report, source)}


async def _add_to(state: ServerState, caller: Principal, targets: Sequence[str | Job], source: str) -> AddReport:
    """Add; if the caller leaves, stop after the document that is being read (what was finished stays)."""
    stop = threading.Event()
    try:
        return await state.engine.add(caller, targets, source, stop=stop.is_set)
    finally:
        stop.set()


# -- files ----------------------------------------------------------------------------------------------------------
async def _add_files(request: Request, caller: Principal) -> dict[str, Any]:
    state = state_of(request)
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FILES) as form:
        files, source = _fields_of(form)
        if source and source != private_source(caller.user_id):
            report = await _add_shared(state, caller, files, source)
            return {"uploads": [], "report": report_as_json(report, source)}
        uploads = [await state.uploads.save(caller, file.filename or "", _chunks(file)) for file in files]
    return {"uploads": [upload_as_json(one) for one in uploads], "report": None}


def _fields_of(form: FormData) -> tuple[list[UploadFile], str]:
    files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
    source = form.get("source") or ""
    if not files or len(files) != len(form.getlist("file")):
        raise UsageError("expected at least one file in the field `file`, found none.")
    if not isinstance(source, str) or len(source) > SOURCE_CHARS or "\0" in source:
        raise UsageError(
            f"expected the name of a collection, at most {SOURCE_CHARS} characters, in the field `source`."
        )
    return files, source


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK_BYTES):
        yield chunk


async def _add_shared(state: ServerState, caller: Principal, files: list[UploadFile], source: str) -> AddReport:
    """Read files into a shared collection. Their bytes are not kept; a file of the same name replaces the earlier one."""
    owner = owner_of_source(source)
    authorise(caller, "use_own_documents" if owner else "change_shared_documents", owner)
    staged: list[Job] = []
    try:
        for file in files:
            staged.append(await _stage(state, file, source))
        return await _add_to(state, caller, staged, source)
    finally:
        for job in staged:
            if job.path is not None:
                job.path.unlink(missing_ok=True)


async def _stage(state: ServerState, file: UploadFile, source: str) -> Job:
    """Write a file to the disk under a name of ours."""
    name = clean_name(file.filename or "")
    limit = state.settings.serve.max_upload_bytes
    folder = state.settings.home / STAGING
    suffix = PurePosixPath(name).suffix.lower()
    path = folder / (secrets.token_hex(16) + (suffix if suffix.isascii() and suffix[1:].isalnum() else ""))
    await state.engine.work(lambda: _make_staging(folder))
    size = 0
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as target:
            async for chunk in _chunks(file):
                size += len(chunk)
                if size > limit:
                    raise TooLargeError(f"expected a file of at most {limit} bytes, found more in {name!r}.")
                await state.engine.work(lambda chunk=chunk: target.write(chunk))  # type: ignore[misc]
        if kind := await state.engine.work(lambda: name_model_file(name, path)):
            raise UsageError(f"expected a document, found a model file ({kind}): the server takes none.")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Job(f"shared:{name.replace('/', '_')}", source, path, size, title=PurePosixPath(name).stem)


def _make_staging(folder: Path) -> None:
    """Make the folder, and remove what a crash left in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.iterdir():
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()


# -- shapes ---------------------------------------------------------------------------------------------------------
def report_as_json(report: AddReport, source: str) -> dict[str, Any]:
    """Return what an addition did."""
    names = set(AddShape.model_fields) - {"source", "reasons"}
    return {"source": source, **{name: getattr(report, name) for name in names}, "reasons": dict(report.reasons)}


def upload_as_json(upload: Upload) -> dict[str, Any]:
    """Return an upload without its place on the disk."""
    names = set(UploadShape.model_fields) - {"document_ids"}
    return {**{name: getattr(upload, name) for name in names}, "document_ids": list(upload.document_ids)}
