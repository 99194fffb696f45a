"""Conversations: list, search, read, rename, remove, take elsewhere, opinions about answers. Asking in them is in `talk`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from samovar.errors import NotFoundError
from samovar.serve.exchange import export_markdown as write_markdown
from samovar.serve.exchange import export_text
from samovar.serve.guard import Need
from samovar.serve.native import answers
from samovar.serve.native.bodies import FeedbackBody, NewConversationBody, TitleBody
from samovar.serve.native.bounds import Id, Limit, Name
from samovar.serve.native.shapes import (
    ConversationPage,
    ConversationShape,
    FeedbackShape,
    MessageList,
    RemovedShape,
    StopShape,
)
from samovar.serve.principal import Principal
from samovar.serve.state import state_of
from samovar.serve.store.records import ChatMessage, Conversation

router = APIRouter(prefix="/conversations")
Caller = Annotated[Principal, Depends(Need("use_conversation"))]


@router.get("", response_model=ConversationPage, responses=answers.failures(404))
async def list_page(
    request: Request,
    caller: Caller,
    query: Annotated[Name, Query(description="Only those whose title or messages have all these words")] = "",
    before: Annotated[
        str, Query(max_length=64, pattern="^[0-9A-Za-z_-]*$", description="`next` of the page before")
    ] = "",
    limit: Limit = 50,
) -> dict[str, Any]:
    """The caller's conversations, the last changed first."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        if before:
            state.chat.open(caller, before)
        found = state.store.conversations.list(caller.user_id, query, limit + 1, before)
        more = found[limit - 1].id if len(found) > limit else None
        return {"conversations": [conversation_as_json(one) for one in found[:limit]], "next": more}

    return await state.engine.work(work)


@router.post("", status_code=201, response_model=ConversationShape, responses=answers.failures(404))
async def create(request: Request, body: NewConversationBody, caller: Caller) -> dict[str, Any]:
    """An empty conversation. (One with a question is begun by `POST /conversations/messages`.)"""
    state = state_of(request)

    def work() -> dict[str, Any]:
        state.engine.card(body.model)
        return conversation_as_json(state.store.conversations.create(caller.user_id, body.title, body.model))

    return await state.engine.work(work)


@router.post("/import", status_code=201, response_model=ConversationShape, responses=answers.failures())
async def bring(request: Request, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """A conversation from an export: that of this server, or of `samovar chat`."""
    state = state_of(request)
    made = await state.engine.work(lambda: state.store.conversations.import_json(caller.user_id, body))
    return conversation_as_json(made)


@router.get("/{conversation_id}", response_model=MessageList, responses=answers.failures(404))
async def read(request: Request, conversation_id: Id, caller: Caller) -> dict[str, Any]:
    """A conversation with its messages."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        conversation = state.chat.open(caller, conversation_id)
        messages = state.store.conversations.messages(conversation.id)
        return {
            "conversation": conversation_as_json(conversation),
            "messages": [message_as_json(one) for one in messages],
            "busy": state.chat.is_busy(conversation.id),
        }

    return await state.engine.work(work)


@router.patch("/{conversation_id}", response_model=ConversationShape, responses=answers.failures(404))
async def rename(request: Request, conversation_id: Id, body: TitleBody, caller: Caller) -> dict[str, Any]:
    """Give it another title."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        conversation = state.chat.open(caller, conversation_id)
        state.store.conversations.rename(conversation.id, body.title)
        return conversation_as_json(state.chat.open(caller, conversation_id))

    return await state.engine.work(work)


@router.delete("/{conversation_id}", response_model=RemovedShape, responses=answers.failures(404))
async def remove(request: Request, conversation_id: Id, caller: Caller) -> dict[str, Any]:
    """Remove it with its messages and opinions. An answer that is being written is stopped."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        state.chat.stop(caller, conversation_id)
        state.store.conversations.delete(state.chat.open(caller, conversation_id).id)
        return {"id": conversation_id, "removed": True}

    return await state.engine.work(work)


@router.get(
    "/{conversation_id}/export.md",
    response_class=Response,
    responses={**answers.failures(404), 200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def export_markdown(request: Request, conversation_id: Id, caller: Caller) -> Response:
    """The conversation as Markdown, with its sources."""
    conversation, messages = await _whole(request, caller, conversation_id)
    return _file(write_markdown(conversation, messages), "text/markdown; charset=utf-8", conversation.id, "md")


@router.get(
    "/{conversation_id}/export.json",
    response_class=Response,
    responses={**answers.failures(404), 200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def export_json(request: Request, conversation_id: Id, caller: Caller) -> Response:
    """The conversation as JSON that `POST /conversations/import` takes."""
    conversation, messages = await _whole(request, caller, conversation_id)
    return _file(export_text(conversation, messages), "application/json", conversation.id, "json")


@router.post("/{conversation_id}/stop", response_model=StopShape, responses=answers.failures(404))
async def stop(request: Request, conversation_id: Id, caller: Caller) -> dict[str, bool]:
    """End the answer that is being written; what there is of it is kept."""
    state = state_of(request)
    return {"stopped": await state.engine.work(lambda: state.chat.stop(caller, conversation_id))}


@router.put(
    "/{conversation_id}/messages/{message_id}/feedback", response_model=FeedbackShape, responses=answers.failures(404)
)
async def give_feedback(
    request: Request, conversation_id: Id, message_id: Id, body: FeedbackBody, caller: Caller
) -> dict[str, Any]:
    """Say what the caller thinks of an answer: 1 or -1, and why. The last word counts."""
    state = state_of(request)

    def work() -> dict[str, Any]:
        conversation = state.chat.open(caller, conversation_id)
        message = state.store.conversations.message(message_id)
        if message is None or message.conversation_id != conversation.id or message.role != "assistant":
            raise NotFoundError("there is no such answer in this conversation.")
        state.store.feedback.set(message_id, caller.user_id, body.value, body.comment)
        kept = state.store.feedback.get(message_id, caller.user_id)
        if kept is None:  # taken back in this instant
            raise NotFoundError("there is no such answer in this conversation.")
        return {"message_id": kept.message_id, "value": kept.value, "comment": kept.comment, "at": kept.at}

    return await state.engine.work(work)


# -- helpers --------------------------------------------------------------------------------------------------------
async def _whole(request: Request, caller: Principal, conversation_id: str) -> tuple[Conversation, list[ChatMessage]]:
    state = state_of(request)

    def work() -> tuple[Conversation, list[ChatMessage]]:
        conversation = state.chat.open(caller, conversation_id)
        return conversation, state.store.conversations.messages(conversation.id)

    return await state.engine.work(work)


def _file(text: str, media_type: str, name: str, suffix: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="conversation-{name}.{suffix}"'}
    return Response(text, media_type=media_type, headers=headers)


def conversation_as_json(conversation: Conversation) -> dict[str, Any]:
    """Return the head of a conversation; its owner is the caller."""
    names = ("id", "title", "created_at", "updated_at", "model")
    return {name: getattr(conversation, name) for name in names}


def message_as_json(message: ChatMessage) -> dict[str, Any]:
    """Return a message."""
    names = ("id", "position", "role", "text", "created_at", "status", "model")
    return {**{name: getattr(message, name) for name in names}, "answer": dict(message.answer)}
