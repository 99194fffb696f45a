"""The make-up of the library and its ledger, as far as the caller may see them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from samovar.library.browse import count_by, count_decisions, list_rows, sum_documents
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.bounds import FURTHEST, Before, Limit, Name, Uri
from samovar.serve.native.shapes import LedgerPage, LibraryShape
from samovar.serve.native.sight import sight_of
from samovar.serve.principal import Principal
from samovar.serve.state import state_of

router = APIRouter()
GROUPS = {
    "by_source": "source", "by_language": "language", "by_licence": "licence", "by_origin": "origin",
    "by_publisher": "publisher", "by_year": "published",
}  # fmt: skip
MOST_GROUPS = 200


@router.get("/library", response_model=LibraryShape, responses=answers.failures())
async def info(request: Request, caller: Annotated[Principal, Depends(Need("read_library"))]) -> dict[str, Any]:
    """Counts by source, language, licence, origin, publisher and year; private collections of others are not in them."""
    engine, sight = state_of(request).engine, sight_of(caller)

    def work() -> dict[str, Any]:
        library = engine.samovar.library
        counts = {name: list(count_by(library, column, sight).items()) for name, column in GROUPS.items()}
        shown = {name: dict(groups[:MOST_GROUPS]) for name, groups in counts.items()}
        more = {name: sum(n for _, n in groups[MOST_GROUPS:]) for name, groups in counts.items()}
        sums = asdict(sum_documents(library, sight))
        decisions = count_decisions(library, sight)
        return {"version": library.version, **sums, **shown, "more": more, "ledger": decisions}

    return await engine.work(work)


@router.get("/ledger", response_model=LedgerPage, responses=answers.failures())
async def ledger(
    request: Request,
    caller: Annotated[Principal, Depends(Need("read_library"))],
    uri: Annotated[Uri, Query(description="Only this file, folder, archive or address, with all in it")] = "",
    source: Annotated[Name, Query(description="Only this collection")] = "",
    decision: Literal["kept", "changed", "dropped"] | None = None,
    reason: Annotated[Name, Query(description="Only this reason (encrypted, too_short …)")] = "",
    stage: Annotated[Name, Query(description="Only this stage (add, extract, library …)")] = "",
    before: Before = FURTHEST,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What happened to every input and why, newest first."""
    engine, sight = state_of(request).engine, sight_of(caller)

    def work() -> dict[str, Any]:
        found = list_rows(
            engine.samovar.library, sight, uri=uri, source=source, decision=decision, reason=reason, stage=stage,
            before=before, limit=limit + 1,
        )  # fmt: skip
        more = found[limit - 1].number if len(found) > limit else None
        return {"rows": [{"number": one.number, **asdict(one.row)} for one in found[:limit]], "next": more}

    return await engine.work(work)
