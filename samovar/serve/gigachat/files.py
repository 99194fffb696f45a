"""Files: uploaded into the caller's own collection, and named by their ids in the attachments of a chat message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse

from samovar.errors import ExtractionError, UsageError
from samovar.serve.gigachat.route import make_router
from samovar.serve.guard import Need
from samovar.serve.principal import Principal
from samovar.serve.state import state_of
from samovar.serve.store.records import Upload

router = make_router()

CHUNK_BYTES = 256 * 1024
Owner = Annotated[Principal, Depends(Need("use_own_documents"))]
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}, "purpose": {"type": "string"}},
                }
            }
        },
    }
}
_BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


class FileState(BaseModel):
    """What became of a file: its status, the ledger's reason when it was refused, its documents."""

    status: Literal["processing", "ready", "refused"]
    reason: str
    document_ids: tuple[str, ...]


class FileOut(BaseModel):
    """An uploaded file; `samovar` says what became of it."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    access_policy: Literal["private"] = "private"
    modalities: tuple[str, ...] = ("text",)
    samovar: FileState


class FilesOut(BaseModel):
    """All files of the caller."""

    object: Literal["list"] = "list"
    data: list[FileOut]


class DeletedOut(BaseModel):
    """A file that is no more."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True
    access_policy: Literal["private"] = "private"


@router.post("/api/v1/files", openapi_extra=_FORM)
async def upload(request: Request, caller: Owner) -> FileOut:
    """Take a file into the caller's own collection; one that cannot be read is refused with the ledger's reason and not kept."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise UsageError("expected multipart/form-data with the fields file and purpose, found something else.")
    uploads = state_of(request).uploads
    async with request.form(max_files=1, max_fields=10, max_part_size=64 * 1024) as form:
        file, purpose = form.get("file"), form.get("purpose", "general")
        if not isinstance(file, UploadFile):
            raise UsageError("expected a file in the field file, found none.")
        kept = await uploads.save(
            caller, file.filename or "", _chunks(file), purpose if isinstance(purpose, str) else ""
        )
    if kept.status == "refused":
        await uploads.delete(caller, kept.id)
        raise ExtractionError(kept.reason, f"the file was not taken, for the reason: {kept.reason}")
    return _out(kept)


@router.get("/api/v1/files")
async def files(request: Request, caller: Owner) -> FilesOut:
    """List the caller's files."""
    return FilesOut(data=[_out(upload) for upload in await state_of(request).uploads.list(caller)])


@router.get("/api/v1/files/{file_id}")
async def file(request: Request, file_id: str, caller: Owner) -> FileOut:
    """Describe one of them."""
    return _out(await state_of(request).uploads.open(caller, file_id))


@router.get("/api/v1/files/{file_id}/content", response_class=FileResponse, responses=_BYTES)
async def content(request: Request, file_id: str, caller: Owner) -> FileResponse:
    """Give the bytes back: always as something to save, never to show."""
    uploads = state_of(request).uploads
    kept = await uploads.open(caller, file_id)
    path = await uploads.content(caller, file_id)
    return FileResponse(path, media_type="application/octet-stream", filename=kept.name)


@router.post("/api/v1/files/{file_id}/delete")
@router.delete("/api/v1/files/{file_id}")
async def delete(request: Request, file_id: str, caller: Owner) -> DeletedOut:
    """Remove a file with its documents."""
    return DeletedOut(id=(await state_of(request).uploads.delete(caller, file_id)).id)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK_BYTES):
        yield chunk


def _out(upload: Upload) -> FileOut:
    return FileOut(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=int(datetime.fromisoformat(upload.created_at).timestamp()),
        filename=upload.name,
        purpose=upload.purpose,
        samovar=FileState(status=upload.status, reason=upload.reason, document_ids=upload.document_ids),
    )
