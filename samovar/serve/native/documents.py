"""Documents: pages of them, their text by offsets, their passages; adding files and addresses, removing.

A document in someone else's private collection answers exactly as one that is not there.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from samovar.errors import LibraryError, NotFoundError, UsageError
from samovar.library.browse import NEWEST, Listed, count_documents, find_listed, list_documents, list_spans
from samovar.search.as_json import document_as_json
from samovar.serve.access import NOT_THERE, authorise, owner_of_source, private_source
from samovar.serve.engine import Engine
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.bounds import FURTHEST, LONGEST_PAGE, LONGEST_SLICE, Before, Id, Limit, Name
from samovar.serve.native.shapes import DocumentPage, DocumentShape, PassagePage, RemovedShape, TextShape
from samovar.serve.native.sight import sight_of
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = APIRouter(prefix="/documents")
Offset = Annotated[int, Query(ge=0, le=FURTHEST)]


@router.get("", response_model=DocumentPage, responses=answers.failures())
async def list_page(
    request: Request,
    caller: Annotated[Principal, Depends(Need("read_library"))],
    source: Annotated[Name, Query(description="Only this collection")] = "",
    language: Annotated[Name, Query(description="Only this language (BCP 47)")] = "",
    title: Annotated[Name, Query(description="Only titles with this in them, whatever the case")] = "",
    before: Before = FURTHEST,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Documents the caller may see, newest first."""
    engine, sight = state_of(request).engine, sight_of(caller)

    def work() -> dict[str, Any]:
        library = engine.samovar.library
        found = list_documents(
            library, sight, source=source, language=language, title=title, before=min(before, NEWEST), limit=limit + 1
        )
        total = None if title else count_documents(library, sight, source=source, language=language)
        more = found[limit - 1].number if len(found) > limit else None
        return {"documents": [listed_as_json(one, caller) for one in found[:limit]], "total": total, "next": more}

    return await engine.work(work)


@router.get("/{document_id}", response_model=DocumentShape, responses=answers.failures(404))
async def head(
    request: Request, document_id: Id, caller: Annotated[Principal, Depends(Need("read_document"))]
) -> dict[str, Any]:
    """One document without its text."""
    engine = state_of(request).engine
    return listed_as_json(await engine.work(lambda: open_listed(engine, caller, document_id)), caller)


@router.get("/{document_id}/text", response_model=TextShape, responses=answers.failures(404))
async def text(
    request: Request,
    document_id: Id,
    caller: Annotated[Principal, Depends(Need("read_document"))],
    start: Offset = 0,
    end: Annotated[
        int | None, Query(ge=0, le=FURTHEST, description="The end of the text, or 100 000 on, without")
    ] = None,
) -> dict[str, Any]:
    """A stretch of the text, at most 100 000 characters. Offsets beyond the end are cut to it."""
    engine = state_of(request).engine
    return await engine.work(lambda: read_text(engine, caller, document_id, start, end))


@router.get("/{document_id}/passages", response_model=PassagePage, responses=answers.failures(404))
async def passages(
    request: Request,
    document_id: Id,
    caller: Annotated[Principal, Depends(Need("read_document"))],
    first: Annotated[int, Query(alias="from", ge=0, le=FURTHEST, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = LONGEST_PAGE,
) -> dict[str, Any]:
    """The passages in text order, as offsets; their text is at `/text?start=&end=`."""
    engine = state_of(request).engine

    def work() -> dict[str, Any]:
        total = open_listed(engine, caller, document_id).num_passages
        found = list_spans(engine.samovar.library, document_id, offset=first, limit=limit)
        page = [{"start": start, "end": end} for start, end in found]
        more = first + limit if first + limit < total else None
        return {"document_id": document_id, "passages": page, "total": total, "next": more}

    return await engine.work(work)


@router.delete("/{document_id}", response_model=RemovedShape, responses=answers.failures(404))
async def remove(
    request: Request, document_id: Id, caller: Annotated[Principal, Depends(Need("read_document"))]
) -> dict[str, Any]:
    """Take a document out of the library: one of the caller's own (its upload goes with it), or, for editors, a shared one."""
    state = state_of(request)
    engine = state.engine
    document = (await engine.work(lambda: open_listed(engine, caller, document_id))).document
    if owner_of_source(document.source):
        return {"id": document_id, "removed": await state.uploads.remove_document(caller, document)}
    authorise(caller, "change_shared_documents")

    def work() -> bool:
        with engine.samovar.library.writer() as writer:
            removed = writer.remove(document_id=document_id) > 0
        engine.samovar.searcher.sync()
        return removed

    return {"id": document_id, "removed": await engine.work(work)}


# -- shared with the MCP server -------------------------------------------------------------------------------------
def open_listed(engine: Engine, caller: Principal, document_id: str) -> Listed:
    """Return a document the caller may see (blocking). Raises `NotFoundError` for none, or another's."""
    found = find_listed(engine.samovar.library, document_id)
    if found is None or not sight_of(caller).sees(found.document.source):
        raise NotFoundError(NOT_THERE)
    return found


def read_text(engine: Engine, caller: Principal, document_id: str, start: int, end: int | None) -> dict[str, Any]:
    """Return a stretch of a document's text (blocking)."""
    total = open_listed(engine, caller, document_id).num_characters
    start = min(start, total)
    stop = min(total if end is None else end, total, start + LONGEST_SLICE)
    if stop < start or (end is not None and end < start):
        raise UsageError(f"expected start <= end, found {start} and {end}.")
    if end is not None and min(end, total) - start > LONGEST_SLICE:
        raise UsageError(f"expected at most {LONGEST_SLICE} characters, found {end - start}: ask for them in parts.")
    try:
        text = engine.samovar.library.texts([(document_id, start, stop)])[0]
    except LibraryError as error:  # removed in this instant
        raise NotFoundError(NOT_THERE) from error
    return {"document_id": document_id, "start": start, "end": stop, "text": text, "total": total}


def listed_as_json(listed: Listed, caller: Principal) -> dict[str, Any]:
    """Return a document's head with its sizes."""
    document = listed.document
    return {
        **document_as_json(document),
        "added_at": document.added_at,
        "metadata": dict(document.metadata),
        "num_characters": listed.num_characters,
        "num_passages": listed.num_passages,
        "own": document.source == private_source(caller.user_id),
    }
