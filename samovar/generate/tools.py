"""Tools in the words of OpenAI's chat completions, which llama.cpp and most services understand: requests out, deltas in.

Knows no service and calls no function: what a model asks for is handed to the caller.
Source: https://platform.openai.com/docs/guides/function-calling
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from samovar.errors import ModelError
from samovar.generate.model import GenerationOptions, Message, Tool, ToolCall

ANY_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}

Clean = Callable[[str], str]


def messages_as_openai(messages: Sequence[Message], clean: Clean = str) -> list[dict[str, Any]]:
    """Return the messages as dictionaries; `clean` is applied to every text in them."""
    return [_message_as_openai(message, clean) for message in messages]


def _message_as_openai(message: Message, clean: Clean) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": clean(message.content)}
    if message.tool_calls:
        out["content"] = out["content"] or None
        out["tool_calls"] = [
            {
                "id": clean(call.id),
                "type": "function",
                "function": {"name": clean(call.name), "arguments": clean(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.role == "tool":
        out["tool_call_id"] = clean(message.tool_call_id)
    if message.name:
        out["name"] = clean(message.name)
    return out


def tools_as_openai(tools: Sequence[Tool], clean: Clean = str) -> list[dict[str, Any]]:
    """Return the tools as dictionaries; `clean` is applied to every text in them."""
    return [
        {
            "type": "function",
            "function": {
                "name": clean(tool.name),
                "description": clean(tool.description),
                "parameters": clean_texts(dict(tool.parameters or ANY_ARGUMENTS), clean),
            },
        }
        for tool in tools
    ]


def tool_fields(options: GenerationOptions) -> dict[str, Any]:
    """Return the fields of a request that tools need; none without tools."""
    if not options.tools:
        return {}
    fields: dict[str, Any] = {"tools": tools_as_openai(options.tools), "tool_choice": options.tool_choice}
    if options.tool_choice == "required" and len(options.tools) == 1:  # understood by more services than "required"
        fields["tool_choice"] = {"type": "function", "function": {"name": options.tools[0].name}}
    if options.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = options.parallel_tool_calls
    return fields


def clean_texts(value: Any, clean: Clean) -> Any:
    """Apply `clean` to every text in a JSON value, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean_texts(item, clean) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_texts(item, clean) for item in value]
    return value


class ToolCallCollector:
    """Puts calls together that arrive in parts: the name once, the arguments bit by bit, told apart by their index."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, str]] = {}

    def take(self, deltas: Iterable[Mapping[str, Any]] | None) -> None:
        """Add the ``tool_calls`` of one delta; endpoints that send no index send whole calls."""
        for delta in deltas or ():
            given = delta.get("index")
            index = given if isinstance(given, int) else len(self._parts)
            part = self._parts.setdefault(index, {"id": "", "name": "", "arguments": ""})
            function = delta.get("function") or {}
            part["id"] = part["id"] or str(delta.get("id") or "")
            part["name"] += str(function.get("name") or "")
            part["arguments"] += str(function.get("arguments") or "")

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in order; a call without an id is given one, arguments left empty become ``{}``."""
        return tuple(
            ToolCall(part["id"] or new_call_id(), part["name"], part["arguments"] or "{}")
            for _, part in sorted(self._parts.items())
        )


def new_call_id() -> str:
    """A call id as OpenAI writes them."""
    return "call_" + secrets.token_hex(12)


def call_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """The JSON schema of one call of one of these tools: ``{"name", "arguments"}``. A grammar made of it leaves a model no other way."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": dict(tool.parameters or ANY_ARGUMENTS)},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }


def call_from_json(text: str) -> ToolCall:
    """Read a call written to `call_schema`. Raises `ModelError` when it was cut off."""
    try:
        call = json.loads(text)
        return ToolCall(new_call_id(), str(call["name"]), json.dumps(call["arguments"], ensure_ascii=False))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError("the model did not finish the function call: allow it more tokens (max_tokens)") from error
