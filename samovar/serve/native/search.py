"""Search with explanation, and questions that are not kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from samovar.assistant.answer import Answer, Delta, Done, Event, Found
from samovar.assistant.as_json import answer_as_json
from samovar.errors import UsageError
from samovar.search.as_json import hit_as_json, result_as_json
from samovar.search.query import Filters
from samovar.serve.engine import Engine
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.bodies import AskBody, SearchBody
from samovar.serve.native.bounds import MOST_VALUES, Date, QueryText, Wanted
from samovar.serve.native.shapes import AnswerShape, SearchShape
from samovar.serve.principal import Principal
from samovar.serve.queue import Ticket
from samovar.serve.sse import begin, event_bytes, unless_left
from samovar.serve.state import state_of

router = APIRouter()
Values = Annotated[list[Wanted], Query(max_length=MOST_VALUES)]


@router.get("/search", response_model=SearchShape, responses=answers.failures())
async def search(
    request: Request,
    caller: Annotated[Principal, Depends(Need("search"))],
    query: Annotated[QueryText, Query(description='Words, "phrases", +wanted, -unwanted')],
    k: Annotated[int | None, Query(ge=1, le=200)] = None,
    source: Values = [],  # noqa: B006 (FastAPI copies it)
    language: Values = [],  # noqa: B006
    origin: Values = [],  # noqa: B006
    licence: Values = [],  # noqa: B006
    publisher: Values = [],  # noqa: B006
    document: Annotated[list[Wanted], Query(max_length=MOST_VALUES, description="Document ids")] = [],  # noqa: B006
    published_from: Annotated[Date, Query()] = "",
    published_to: Annotated[Date, Query()] = "",
    diversity: bool | None = None,
) -> dict[str, Any]:
    """Ranked passages; the components of each score add up to it."""
    filters = Filters(
        tuple(source), tuple(language), tuple(origin), tuple(licence), tuple(publisher),
        published_from, published_to, tuple(document),
    )  # fmt: skip
    return await _search(request, caller, query, k, filters, diversity)


@router.post("/search", response_model=SearchShape, responses=answers.failures())
async def search_by_body(
    request: Request, body: SearchBody, caller: Annotated[Principal, Depends(Need("search"))]
) -> dict[str, Any]:
    """The same, with the query in the body: it then stands in no log and no history."""
    return await _search(request, caller, body.query, body.k, body.filters.filters(), body.diversity)


async def _search(
    request: Request, caller: Principal, query: str, k: int | None, filters: Filters, diversity: bool | None
) -> dict[str, Any]:
    result = await state_of(request).engine.search(caller, query, k=k, filters=filters, diversity=diversity)
    return result_as_json(result)


@router.post(
    "/ask",
    response_model=AnswerShape,
    responses={
        **answers.failures(404, 502),
        200: {"content": answers.event_stream("found", "delta", "done")},
    },
)
async def ask(
    request: Request, body: AskBody, caller: Annotated[Principal, Depends(Need("ask"))]
) -> dict[str, Any] | Response:
    """Answer a question from the library, with exact quotations, or say that the library does not support an answer."""
    engine = state_of(request).engine
    if not engine.card(body.model).grounded:
        raise UsageError(
            f"expected a model that answers from the library, found {body.model!r}: see /v1/chat/completions"
        )
    ticket = engine.admit(caller)
    events = engine.answer(caller, body.question, model=body.model, filters=body.filters.filters(), ticket=ticket)
    if body.stream:
        return await begin(request, _as_events(events, ticket), answers.error_event)
    try:
        return answer_as_json(await unless_left(request, _answer(events)))
    finally:
        ticket.leave_if_waiting()  # also when the reader left before anything had begun


async def _answer(events: Any) -> Answer:
    last: Event | None = None
    async with aclosing(events) as stream:
        async for event in stream:
            last = event
    assert isinstance(last, Done)
    return last.answer


async def _as_events(events: Any, ticket: Ticket) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                yield _event(event)
    finally:
        ticket.leave_if_waiting()


def _event(event: Event) -> bytes:
    if isinstance(event, Found):
        return event_bytes(found_as_json(event), "found")
    if isinstance(event, Delta):
        return event_bytes({"text": event.text}, "delta")
    return event_bytes(answer_as_json(event.answer), "done")


def found_as_json(event: Found) -> dict[str, Any]:
    """Return the first event: what the search found."""
    hits: Sequence[dict[str, Any]] = [hit_as_json(hit) for hit in event.hits]
    return {"query": event.query, "hits": hits}


def engine_of(request: Request) -> Engine:
    """Return the engine of the server that handles this request."""
    return state_of(request).engine
