"""Tools in GigaChat's words: functions, one call at a time, arguments and results as JSON objects.

Knows nothing about connections. Source: https://developers.sber.ru/docs/ru/gigachat/guides/functions/overview
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any
from uuid import UUID

from samovar.errors import ModelRequestError
from samovar.generate.model import GenerationOptions, Message, ToolCall
from samovar.generate.tools import ANY_ARGUMENTS, new_call_id


def messages_for_gigachat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages as dictionaries; several calls of one turn become as many turns, each with its result behind it."""
    out: list[dict[str, Any]] = []
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if not message.tool_calls:
            out.append(_function_result(message) if message.role == "tool" else _plain(message))
            continue
        results = list(takewhile(lambda m: m.role == "tool", messages[position:]))
        position += len(results)
        for i, call in enumerate(message.tool_calls):
            out.append(_call(call, message.content if i == 0 else ""))
            out += [_function_result(m, call.name) for m in results if m.tool_call_id == call.id]
    return out


def function_fields(options: GenerationOptions, name: str) -> dict[str, Any]:
    """Return the fields of a request that functions need. Raises `ModelRequestError` for a free choice among several required ones."""
    if not options.tools:
        return {}
    choice: Any = options.tool_choice
    if choice == "required":
        if len(options.tools) > 1:
            raise ModelRequestError(
                f"{name} can be told to call one certain function or to choose freely, not 'required'"
            )
        choice = {"name": options.tools[0].name}
    functions = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters or ANY_ARGUMENTS)}
        for tool in options.tools
    ]
    return {"functions": functions, "function_call": choice}


def read_call(name: str, arguments: Any, state_id: str | None) -> ToolCall:
    """Return the call of a finished answer; the service's state id is kept as the id, so that it comes back with the conversation."""
    return ToolCall(state_id or new_call_id(), name, json.dumps(arguments or {}, ensure_ascii=False))


def _plain(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}


def _call(call: ToolCall, content: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "function_call": {"name": call.name, "arguments": _arguments(call)},
    }
    if _is_state_id(call.id):
        out["functions_state_id"] = call.id
    return out


def _is_state_id(text: str) -> bool:
    """Whether this is the service's own id of a call, a UUID, which goes back to it; other models' ids and ours do not."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise ModelRequestError(
            f"expected a JSON object as arguments of the call of {call.name}, found {call.arguments[:80]!r}"
        )
    return arguments


def _function_result(message: Message, name: str = "") -> dict[str, Any]:
    """A result; the service takes JSON only, so any other text is put into an object."""
    content = message.content
    try:
        json.loads(content)
    except ValueError:
        content = json.dumps({"result": content}, ensure_ascii=False)
    out = {"role": "function", "content": content}
    if name or message.name:
        out["name"] = name or message.name
    return out
