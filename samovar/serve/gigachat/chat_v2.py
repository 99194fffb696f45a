"""Chat completions, version 2: content in parts, named events in a stream, and a place for sources beside the text.

The markers in a grounded answer's text are the keys of ``inline_data.sources``; what has no place is under the message's key ``samovar``.
An error in the middle of a stream is a ``response.message.done`` with the reason ``error``.
Source: the models and stream readers of the official client, https://github.com/ai-forever/gigachat
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from samovar.assistant.answer import Answer
from samovar.generate.model import Usage
from samovar.serve.completion import Asked, DraftText, End, Sources, Text, complete
from samovar.serve.failures import message_of
from samovar.serve.gigachat.asked import read_v2
from samovar.serve.gigachat.bodies import ChatV2
from samovar.serve.gigachat.reasons import FINISH, arguments_of, with_files
from samovar.serve.gigachat.route import EITHER, make_router
from samovar.serve.guard import Need
from samovar.serve.links import base_of, document_url
from samovar.serve.principal import Principal
from samovar.serve.sse import begin, event_bytes, unless_left
from samovar.serve.state import ServerState, state_of

router = make_router()
DELTA, DONE = "response.message.delta", "response.message.done"


@router.post("/api/v2/chat/completions", response_model=None, responses=EITHER)
async def chat(request: HttpRequest, body: ChatV2, caller: Annotated[Principal, Depends(Need("ask"))]) -> Response:
    """Answer, whole or as a stream."""
    state = state_of(request)
    read = read_v2(body, state.engine, base_of(request))
    asked = await with_files(read.asked, read.attachments, state.uploads, caller)
    if not body.stream:
        return await unless_left(request, _whole(state, caller, asked))
    return await begin(request, _stream(state, caller, asked), lambda error: _broken(asked, error))


async def _whole(state: ServerState, caller: Principal, asked: Asked) -> Response:
    text: list[str] = []
    out = _object(asked)
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Text):
                text.append(event.text)
            elif isinstance(event, End):
                message = _message(_parts("".join(text), event, asked.base))
                if event.samovar:
                    message["samovar"] = event.samovar
                out |= {"messages": [message], "finish_reason": FINISH[event.reason], "usage": _usage(event.usage)}
    return JSONResponse(out)


async def _stream(state: ServerState, caller: Principal, asked: Asked) -> AsyncGenerator[bytes]:
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Sources):
                yield _event(asked, DELTA, _message([]) | {"samovar": {"found": event.found}})
            elif isinstance(event, DraftText):
                yield _event(asked, DELTA, _message([]) | {"samovar": {"draft": event.text}})
            elif isinstance(event, Text):
                yield _event(asked, DELTA, _message([{"text": event.text}]))
            else:
                message = _message(_parts("", event, asked.base)) | (
                    {"samovar": event.samovar} if event.samovar else {}
                )
                yield _event(asked, DONE, message, finish_reason=FINISH[event.reason], usage=_usage(event.usage))


def _broken(asked: Asked, error: Exception) -> bytes:
    """The end of a stream that failed in the middle."""
    message = _message([]) | {"samovar": {"error": message_of(error)}}
    return _event(asked, DONE, message, finish_reason=FINISH["error"], usage=_usage(Usage()))


def _event(asked: Asked, name: str, message: dict[str, Any], **more: Any) -> bytes:
    return event_bytes(_object(asked) | {"messages": [message]} | more, name)


def _object(asked: Asked) -> dict[str, Any]:
    return {"model": asked.card.id, "created_at": int(time.time())}


def _message(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "assistant", "content": parts}


def _parts(text: str, event: End, base: str) -> list[dict[str, Any]]:
    """The content of the message that ends an answer: the text with its sources, or the calls."""
    part: dict[str, Any] = {"text": text} if text else {}
    if event.answer is not None and event.answer.citations:
        part["inline_data"] = {"sources": sources_of(event.answer, base)}
    calls = [{"function_call": {"name": call.name, "arguments": arguments_of(call)}} for call in event.tool_calls]
    return [part, *calls] if part else calls


def sources_of(answer: Answer, base: str) -> dict[str, dict[str, str]]:
    """Return the citations by their number in the text: our page with the quotation highlighted, and the document's title."""
    return {
        str(c.number): {"url": document_url(base, c.document_id, c.start, c.end), "title": c.title or c.uri}
        for c in answer.citations
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"prompt_tokens": usage.prompt_tokens, "cached_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
