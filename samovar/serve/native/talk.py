"""Asking in a conversation: the question is kept before anything is answered, the answer comes as events or whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from samovar.assistant.answer import Delta, Found
from samovar.assistant.as_json import answer_as_json
from samovar.serve.chat import Accepted, ChatEvent, Finished
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.bodies import MessageBody
from samovar.serve.native.bounds import Id
from samovar.serve.native.conversations import conversation_as_json, message_as_json
from samovar.serve.native.search import found_as_json
from samovar.serve.native.shapes import ReplyShape
from samovar.serve.principal import Principal
from samovar.serve.sse import begin, event_bytes, unless_left
from samovar.serve.state import state_of

router = APIRouter(prefix="/conversations")
Caller = Annotated[Principal, Depends(Need("use_conversation"))]
RESPONSES: dict[int | str, dict[str, Any]] = {
    **answers.failures(404, 409, 502),
    200: {"content": answers.event_stream("accepted", "found", "delta", "done")},
}


@router.post("/messages", response_model=ReplyShape, responses=RESPONSES)
async def begin_with(request: Request, body: MessageBody, caller: Caller) -> dict[str, Any] | Response:
    """Begin a conversation with a question."""
    return await _reply(request, caller, "", body)


@router.post("/{conversation_id}/messages", response_model=ReplyShape, responses=RESPONSES)
async def ask(request: Request, conversation_id: Id, body: MessageBody, caller: Caller) -> dict[str, Any] | Response:
    """Ask in a conversation. `accepted` comes when the question is on the disk; leaving stops the answer and keeps what there is."""
    return await _reply(request, caller, conversation_id, body)


async def _reply(
    request: Request, caller: Principal, conversation_id: str, body: MessageBody
) -> dict[str, Any] | Response:
    state = state_of(request)
    ticket = state.engine.admit(caller)
    events = state.chat.reply(
        caller,
        conversation_id,
        body.text,
        model=body.model,
        filters=body.filters.filters(),
        replaces=body.replaces,
        ticket=ticket,
    )
    if body.stream:
        return await begin(request, _as_events(events), answers.error_event)
    try:
        return await unless_left(request, _whole(events))
    finally:
        ticket.leave_if_waiting()  # also when the reader left before anything had begun


async def _as_events(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[bytes]:
    async with aclosing(events) as stream:
        async for event in stream:
            yield _event(event)


def _event(event: ChatEvent) -> bytes:
    if isinstance(event, Accepted):
        return event_bytes(_accepted(event), "accepted")
    if isinstance(event, Found):
        return event_bytes(found_as_json(event), "found")
    if isinstance(event, Delta):
        return event_bytes({"text": event.text}, "delta")
    return event_bytes(_finished(event), "done")


async def _whole(events: AsyncGenerator[ChatEvent]) -> dict[str, Any]:
    reply: dict[str, Any] = {}
    async with aclosing(events) as stream:
        async for event in stream:
            if isinstance(event, Accepted):
                reply |= _accepted(event)
            elif isinstance(event, Finished):
                reply |= _finished(event)
    return reply


def _accepted(event: Accepted) -> dict[str, Any]:
    return {"conversation": conversation_as_json(event.conversation), "question": message_as_json(event.question)}


def _finished(event: Finished) -> dict[str, Any]:
    answer = answer_as_json(event.answer) if event.answer is not None else None
    return {"message": message_as_json(event.message), "answer": answer}
