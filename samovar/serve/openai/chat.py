"""``POST /v1/chat/completions``, plain and as a stream.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from samovar.generate.model import StopReason, ToolCall, Usage
from samovar.serve.completion import Asked, DraftText, End, Sources, Text, complete
from samovar.serve.failures import error_body, message_of, status_of
from samovar.serve.grounded import chat_annotations
from samovar.serve.guard import Need
from samovar.serve.links import base_of
from samovar.serve.openai.messages import chat_messages, said
from samovar.serve.openai.options import chat_options, check_chat, check_grounded
from samovar.serve.openai.schemas import ChatBody, Vendor, log_unknown
from samovar.serve.openai.shapes import EITHER, FAILURES
from samovar.serve.principal import Principal
from samovar.serve.sse import DONE, begin, event_bytes, unless_left
from samovar.serve.state import ServerState, state_of

router = APIRouter(tags=["openai"], responses=FAILURES)

FINISH: dict[StopReason, str] = {
    "stop": "stop",
    "length": "length",
    "refused": "content_filter",
    "tool_calls": "tool_calls",
}
"""The other two end in an error."""
SAMPLING = ("stop", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed")
"""Fields that have no effect on grounded answers."""


@router.post("/v1/chat/completions", responses=EITHER, response_model=None)
async def create_chat_completion(
    request: Request, body: ChatBody, caller: Annotated[Principal, Depends(Need("ask"))]
) -> Response:
    """Answer a conversation: from the library with citations (model ``samovar``), or by a bare model."""
    state = state_of(request)
    log_unknown(body, "/v1/chat/completions")
    asked = ask_chat(state, body, base_of(request))
    head = {"id": "chatcmpl-" + secrets.token_hex(12), "created": int(time.time()), "model": asked.card.id}
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return await begin(request, _chunks(state, caller, asked, head, usage), error_event)
    return await unless_left(request, _whole(state, caller, asked, head))


def ask_chat(state: ServerState, body: ChatBody, base: str) -> Asked:
    """Read a request. Raises `ModelNotFoundError` and `UsageError`."""
    card = state.engine.card(body.model)
    check_chat(body)
    messages = chat_messages(body.messages)
    vendor = body.samovar or Vendor()
    ignored: list[str] = []
    if card.grounded:
        check_grounded(body.tool_choice, body.response_format)
        ignored += ["tool"] if body.tools else []
        ignored += ["options"] if any(getattr(body, name) is not None for name in SAMPLING) else []
    return Asked(
        card,
        messages,
        said(body.messages, messages) if card.grounded else (),
        chat_options(body, state.settings.generate, card.context_tokens),
        base,
        ignored,
        filters=vendor.filters.filters(),
        k=vendor.k,
        draft=vendor.draft,
    )


def error_event(error: Exception) -> bytes:
    """Return the event that ends a stream which failed after it had begun; clients raise it."""
    return event_bytes(error_body("openai", status_of(error), message_of(error)))


# -- whole --------------------------------------------------------------------------------------------------------------
async def _whole(state: ServerState, caller: Principal, asked: Asked, head: dict[str, Any]) -> Response:
    text: list[str] = []
    end: End | None = None
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Text):
                text.append(event.text)
            elif isinstance(event, End):
                end = event
    assert end is not None
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text), "refusal": None}
    if end.tool_calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = [_call(call) for call in end.tool_calls]
    message |= _grounded_fields(end, asked)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[end.reason]}
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage_object(end.usage)})


def _grounded_fields(end: End, asked: Asked) -> dict[str, Any]:
    if end.answer is None:
        return {}
    return {"annotations": chat_annotations(end.answer, asked.base), "samovar": end.samovar}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return token counts as chat completions have them."""
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }


# -- stream -------------------------------------------------------------------------------------------------------------
async def _chunks(
    state: ServerState, caller: Principal, asked: Asked, head: dict[str, Any], usage: bool
) -> AsyncGenerator[bytes]:
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event_bytes({**head, "choices": [choice]} | ({"usage": None} if usage else {}))

    first: dict[str, Any] = {"role": "assistant", "content": ""}
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Sources):
                yield chunk(first | {"samovar": {"found": event.found}})
                first = {}
                continue
            if first:
                yield chunk(first)
                first = {}
            if isinstance(event, Text):
                yield chunk({"content": event.text})
            elif isinstance(event, DraftText):
                yield chunk({"samovar": {"draft": event.text}})
            else:
                for delta in _call_deltas(event.tool_calls):
                    yield chunk(delta)
                yield chunk(_grounded_fields(event, asked), FINISH[event.reason])
                if usage:
                    yield event_bytes({**head, "choices": [], "usage": usage_object(event.usage)})
    yield DONE


def _call_deltas(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Two deltas for each call, as clients know them: the name, then the arguments."""
    out: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        function = {"name": call.name, "arguments": ""}
        out.append({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
        out.append({"tool_calls": [{"index": index, "function": {"arguments": call.arguments}}]})
    return out
