"""``POST /v1/responses``, stateless: nothing is kept, so nothing can be fetched or continued by id.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from samovar.errors import NotFoundError
from samovar.serve.completion import Asked, DraftText, End, Sources, Text, complete
from samovar.serve.dialogue import Said
from samovar.serve.failures import message_of
from samovar.serve.guard import Need
from samovar.serve.links import base_of
from samovar.serve.openai.messages import response_messages
from samovar.serve.openai.options import check_grounded, check_responses, response_options
from samovar.serve.openai.response_events import Writer
from samovar.serve.openai.response_object import ResponseObject
from samovar.serve.openai.schemas import ResponsesBody, Vendor, log_unknown
from samovar.serve.openai.shapes import EITHER, FAILURES
from samovar.serve.principal import Principal
from samovar.serve.sse import begin, unless_left
from samovar.serve.state import ServerState, state_of

router = APIRouter(tags=["openai"], responses=FAILURES)


@router.post("/v1/responses", responses=EITHER, response_model=None)
async def create_response(
    request: Request, body: ResponsesBody, caller: Annotated[Principal, Depends(Need("ask"))]
) -> Response:
    """Answer an input: from the library with citations (model ``samovar``), or by a bare model."""
    state = state_of(request)
    log_unknown(body, "/v1/responses")
    asked = ask_response(state, body, base_of(request))
    made = ResponseObject(body, asked)
    if body.stream:
        writer = Writer(made)
        return await begin(
            request, _stream(state, caller, asked, writer), lambda error: writer.failed(message_of(error))
        )
    return await unless_left(request, _whole(state, caller, asked, made))


@router.get("/v1/responses/{response_id}", response_model=None)
async def get_response(response_id: str, caller: Annotated[Principal, Depends(Need("ask"))]) -> Response:
    """Always 404: responses are not kept."""
    raise NotFoundError("there is no such response: responses are not kept here.")


def ask_response(state: ServerState, body: ResponsesBody, base: str) -> Asked:
    """Read a request. Raises `ModelNotFoundError` and `UsageError`."""
    card = state.engine.card(body.model)
    check_responses(body)
    messages = response_messages(body.input, body.instructions)
    ignored: list[str] = []
    if card.grounded:
        check_grounded(body.tool_choice, body.text.format if body.text else None)
        ignored += ["tool"] if body.tools else []
        ignored += ["options"] if (body.max_output_tokens, body.temperature, body.top_p) != (None, None, None) else []
    vendor = body.samovar or Vendor()
    return Asked(
        card,
        messages,
        [Said(message.role, message.content) for message in messages],
        response_options(body, state.settings.generate, card.context_tokens),
        base,
        ignored,
        filters=vendor.filters.filters(),
        k=vendor.k,
        draft=vendor.draft,
    )


async def _whole(state: ServerState, caller: Principal, asked: Asked, made: ResponseObject) -> Response:
    text: list[str] = []
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Text):
                text.append(event.text)
            elif isinstance(event, End):
                made.finish("".join(text), event)
    return JSONResponse(made.as_json())


async def _stream(state: ServerState, caller: Principal, asked: Asked, writer: Writer) -> AsyncGenerator[bytes]:
    text: list[str] = []
    begun = False
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if not begun:  # only now: before the first event a failure is an HTTP status
                begun = True
                yield writer.begin(event.found if isinstance(event, Sources) else None)
            if isinstance(event, Text):
                text.append(event.text)
                yield writer.text(event.text)
            elif isinstance(event, DraftText):
                yield writer.draft(event.text)
            elif isinstance(event, End):
                yield writer.end("".join(text), event)
