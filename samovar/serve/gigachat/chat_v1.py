"""Chat completions, version 1. No ``id``; a function call's arguments are an object; chunks of a stream are ``chat.completion`` objects, too;
usage rides on the last chunk; an error in the middle is a chunk with the reason ``error``, because clients cannot read anything else.

A grounded answer has its citations as markers in the text, and all that v1 has no place for under the message's key ``samovar``.
Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from samovar.generate.model import Usage
from samovar.serve.completion import Asked, DraftText, End, Sources, Text, complete
from samovar.serve.failures import message_of
from samovar.serve.gigachat.asked import Request, read_v1
from samovar.serve.gigachat.bodies import ChatV1
from samovar.serve.gigachat.reasons import FINISH, arguments_of, with_files
from samovar.serve.gigachat.route import EITHER, make_router
from samovar.serve.guard import Need
from samovar.serve.links import base_of
from samovar.serve.principal import Principal
from samovar.serve.sse import DONE, begin, event_bytes, unless_left
from samovar.serve.state import ServerState, state_of

router = make_router()
OBJECT = "chat.completion"


@router.post("/api/v1/chat/completions", response_model=None, responses=EITHER)
async def chat(request: HttpRequest, body: ChatV1, caller: Annotated[Principal, Depends(Need("ask"))]) -> Response:
    """Answer, whole or as a stream."""
    state = state_of(request)
    read = read_v1(body, state.engine, base_of(request))
    asked = await with_files(read.asked, read.attachments, state.uploads, caller)
    if not body.stream:
        return await unless_left(request, _whole(state, caller, asked, read))
    return await begin(request, _stream(state, caller, asked, read), lambda error: _broken(asked, error))


async def _whole(state: ServerState, caller: Principal, asked: Asked, read: Request) -> Response:
    text: list[str] = []
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    reason, usage = "stop", Usage()
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Text):
                text.append(event.text)
            elif isinstance(event, End):
                reason, usage = FINISH[event.reason], event.usage
                message |= _calls(event, read)
                if event.samovar:
                    message["samovar"] = event.samovar
    message["content"] = "".join(text)
    choice = {"message": message, "index": 0, "finish_reason": _reason(reason, read)}
    return JSONResponse(_object(asked, [choice], usage))


async def _stream(state: ServerState, caller: Principal, asked: Asked, read: Request) -> AsyncGenerator[bytes]:
    role = {"role": "assistant"}
    async with aclosing(complete(state, caller, asked)) as events:
        async for event in events:
            if isinstance(event, Sources):
                yield _chunk(asked, role | {"content": "", "samovar": {"found": event.found}})
            elif isinstance(event, DraftText):
                yield _chunk(asked, {"content": "", "samovar": {"draft": event.text}})
            elif isinstance(event, Text):
                yield _chunk(asked, role | {"content": event.text})
            else:
                delta = {"content": ""} | _calls(event, read) | ({"samovar": event.samovar} if event.samovar else {})
                if event.tool_calls:
                    delta = role | delta
                yield _chunk(asked, delta, _reason(FINISH[event.reason], read), event.usage)
            role = {}
    yield DONE


def _broken(asked: Asked, error: Exception) -> bytes:
    """The end of a stream that failed in the middle."""
    delta = {"content": "", "samovar": {"error": message_of(error)}}
    return _chunk(asked, delta, FINISH["error"], Usage()) + DONE


def _chunk(asked: Asked, delta: dict[str, Any], reason: str | None = None, usage: Usage | None = None) -> bytes:
    choice = {"delta": delta, "index": 0} | ({"finish_reason": reason} if reason else {})
    return event_bytes(_object(asked, [choice], usage))


def _object(asked: Asked, choices: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
    out: dict[str, Any] = {"choices": choices, "created": int(time.time()), "model": asked.card.id, "object": OBJECT}
    if usage is not None:
        out["usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "precached_prompt_tokens": 0,
        }
    return out


def _calls(event: End, read: Request) -> dict[str, Any]:
    """The call the model wants: v1 has room for one; in OpenAI's form, when asked for, for all."""
    if not event.tool_calls:
        return {}
    first = event.tool_calls[0]
    calls: dict[str, Any] = {"function_call": {"name": first.name, "arguments": arguments_of(first)}}
    if read.openai_tools:
        calls["tool_calls"] = [
            {
                "index": i,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for i, call in enumerate(event.tool_calls)
        ]
    return calls


def _reason(reason: str, read: Request) -> str:
    return "tool_calls" if read.openai_tools and reason == "function_call" else reason
