"""From a request of either version to what is asked: which model, what was said, how to write, which files count."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samovar.errors import UsageError
from samovar.generate.model import GenerationOptions, Message, Role, Tool, ToolCall, ToolChoice
from samovar.serve.completion import Asked
from samovar.serve.dialogue import Said
from samovar.serve.engine import Engine, ModelCard
from samovar.serve.gigachat.bodies import (
    CalledBody,
    ChatV1,
    ChatV2,
    ChosenBody,
    FormatBody,
    FunctionBody,
    MessageV1,
    MessageV2,
    PartBody,
    StorageBody,
)
from samovar.serve.gigachat.names import find_card
from samovar.settings import GenerateSettings

SEED_BITS = 0x7FFFFFFF  # llama.cpp's seeds have 32 bits; a longer one is cut to 31
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "function": "tool", "tool": "tool",
    "function_in_progress": "assistant", "search_result": "user",
}  # fmt: skip
"""What bare models know; results of a search are shown to them as the user's words, and the grounded one does not read them."""

ANY_OBJECT: dict[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request read. `openai_tools` says that calls are wanted in OpenAI's form, too; `attachments` are ids of uploads."""

    asked: Asked
    attachments: tuple[str, ...] = ()
    openai_tools: bool = False


def read_v1(body: ChatV1, engine: Engine, base: str) -> Request:
    """Read a v1 request. Raises `UsageError` for what cannot be done, `ModelNotFoundError`."""
    if (body.n or 1) != 1:
        raise UsageError(f"expected n = 1, found {body.n}: send the request again for another answer.")
    _check_storage(body.storage)
    card = find_card(engine, body.model)
    functions = [*(body.functions or ()), *(tool.function for tool in body.tools or () if tool.function)]
    choice = body.function_call if body.function_call is not None else body.tool_choice
    tools, tool_choice = _chosen(functions, choice if isinstance(choice, str) else _name_of(choice))
    generate, stop = engine.settings.generate, body.stop
    options = GenerationOptions(
        temperature=generate.temperature if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        max_tokens=_limit(body.max_tokens or body.max_completion_tokens, card, generate),
        stop=tuple(text for text in ((stop,) if isinstance(stop, str) else stop or ()) if text),
        seed=None if body.seed is None else body.seed & SEED_BITS,
        json_schema=_schema(body.response_format),
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=None if body.tools else False if tools else None,
    )
    messages = _link_calls(message for item in body.messages for message in _message_v1(item))
    sampling = (body.temperature, body.top_p, body.max_tokens, body.max_completion_tokens, body.stop, body.seed)
    attachments = tuple(dict.fromkeys(id for item in body.messages for id in item.attachments or ()))
    said = [_said(item.role, message) for item in body.messages for message in _message_v1(item)]
    ignored = _ignored(bool(functions), (), any(value is not None for value in sampling))
    draft = bool(body.samovar and body.samovar.draft)
    return _checked(
        Request(Asked(card, messages, said, options, base, ignored, draft=draft), attachments, bool(body.tools))
    )


def read_v2(body: ChatV2, engine: Engine, base: str) -> Request:
    """Read a v2 request. Raises `UsageError` for what cannot be done, `ModelNotFoundError`."""
    _check_storage(StorageBody(assistant_id=body.assistant_id))
    _check_storage(body.storage)
    card = find_card(engine, body.model)
    given, config = body.model_options, body.tool_config
    functions = [f for tool in body.tools or () if tool.functions for f in tool.functions.specifications or ()]
    others = tuple(name for tool in body.tools or () for name in tool.model_extra or {})
    mode = config.mode if config and config.mode in ("none", "required") else "auto"
    tools, tool_choice = _chosen(
        functions, ChosenBody(name=config.function_name) if config and config.function_name else mode
    )
    generate = engine.settings.generate
    options = GenerationOptions(
        temperature=generate.temperature if given is None or given.temperature is None else given.temperature,
        top_p=1.0 if given is None or given.top_p is None else given.top_p,
        max_tokens=_limit(given.max_tokens if given else None, card, generate),
        json_schema=_schema(given.response_format if given else None),
        tools=tools,
        tool_choice=tool_choice,
    )
    messages = _link_calls(message for item in body.messages for message in _messages_v2(item))
    sampling = (given.temperature, given.top_p, given.max_tokens) if given else ()
    files = dict.fromkeys(file.id for item in body.messages for part in item.content or () for file in part.files or ())
    said = [_said(item.role, message, _first_title(item)) for item in body.messages for message in _messages_v2(item)]
    ignored = _ignored(bool(functions), others, any(value is not None for value in sampling))
    draft = bool(body.samovar and body.samovar.draft)
    return _checked(Request(Asked(card, messages, said, options, base, ignored, draft=draft), tuple(files)))


def _checked(request: Request) -> Request:
    """Refuse what this kind of model cannot do."""
    asked, options = request.asked, request.asked.options
    if asked.card.grounded and options.tool_choice == "required":
        raise UsageError(
            "the model that answers from the library calls no functions: take a bare model, see GET /models."
        )
    if asked.card.grounded and options.json_schema is not None:
        raise UsageError(
            "the model that answers from the library writes text, not JSON: take a bare model, see GET /models."
        )
    if request.attachments and not asked.card.grounded:
        raise UsageError(
            f"files are read by the model that answers from the library, not by {asked.card.id}: see GET /models."
        )
    return request


def _check_storage(storage: StorageBody | bool | None) -> None:
    kept = (
        storage
        if isinstance(storage, bool) or storage is None
        else storage.is_stateful or storage.thread_id or storage.assistant_id
    )
    if kept:
        raise UsageError(
            "conversations and assistants are not kept in this dialect: send the whole conversation each time."
        )


def _limit(given: int | None, card: ModelCard, generate: GenerateSettings) -> int:
    return min(given or generate.max_tokens, card.context_tokens)


def _ignored(functions: bool, others: Sequence[str], sampling: bool) -> tuple[str, ...]:
    """What of the request's options the grounded model does not use."""
    kinds = {
        "tool": functions or any(name != "web_search" for name in others),
        "web": "web_search" in others,
        "options": sampling,
    }
    return tuple(kind for kind, found in kinds.items() if found)


# -- functions ----------------------------------------------------------------------------------------------------------
def _name_of(choice: ChosenBody | None) -> ChosenBody | str:
    return "auto" if choice is None else choice.function or choice


def _chosen(bodies: Sequence[FunctionBody], choice: ChosenBody | str) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The functions that count and how; one certain function is the only one, and required."""
    tools = tuple(Tool(body.name, body.description or "", body.parameters) for body in bodies)
    if isinstance(choice, ChosenBody):
        wanted = tuple(tool for tool in tools if tool.name == choice.name)
        if not wanted:
            known = ", ".join(tool.name for tool in tools) or "none"
            raise UsageError(f"expected one of the functions sent ({known}) to be asked for, found {choice.name!r}.")
        return wanted[:1], "required"
    if choice == "required" and not tools:
        raise UsageError("expected functions beside the demand to call one, found none.")
    return tools, "none" if choice == "none" else "required" if choice == "required" else "auto"


def _schema(wanted: FormatBody | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return ANY_OBJECT
    schema = wanted.json_schema.schema_ if wanted.json_schema else wanted.schema_
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError):
            schema = None
    if wanted.type != "json_schema" or not isinstance(schema, dict):
        raise UsageError(
            f"expected text, json_object or json_schema with a schema as response format, found {wanted.type!r}."
        )
    return schema


# -- messages -----------------------------------------------------------------------------------------------------------
def _message_v1(body: MessageV1) -> Iterable[Message]:
    calls = [_call(body.function_call)] if body.function_call else []
    calls += [_call(call.function, call.id) for call in body.tool_calls or ()]
    yield Message(
        ROLES[body.role],
        _text(body.content),
        tool_calls=tuple(calls) if ROLES[body.role] == "assistant" else (),
        tool_call_id=body.tool_call_id or "",
        name=body.name or "",
    )


def _text(content: str | Sequence[PartBody] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.text is None:
            raise UsageError(
                f"expected content parts of the type text, found {part.type!r}: send files by POST /files."
            )
    return "\n".join(part.text or "" for part in content)


def _messages_v2(body: MessageV2) -> Iterable[Message]:
    """A v2 message may hold several results; each is a message of its own."""
    parts = body.content or []
    calls = [_call(p.function_call) for p in parts if p.function_call]
    calls += [_call(body.function_call)] if body.function_call else []
    text = "\n".join(p.text for p in parts if p.text is not None)
    results = [p.function_result for p in parts if p.function_result]
    for result in results:
        content = result.result if isinstance(result.result, str) else json.dumps(result.result, ensure_ascii=False)
        yield Message("tool", content, name=result.name)
    if text or calls or not results:
        role = ROLES[body.role]
        yield Message(role, text, tool_calls=tuple(calls) if role == "assistant" else ())


def _call(body: CalledBody, id: str = "") -> ToolCall:
    arguments = body.arguments
    if not isinstance(arguments, str):
        arguments = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    return ToolCall(id, body.name, arguments or "{}")


def _link_calls(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Give calls and their results the ids that this dialect does not have: results answer the calls before them, by name, then in order."""
    out: list[Message] = []
    waiting: list[ToolCall] = []
    number = 0
    for message in messages:
        if message.tool_calls:
            calls = []
            for call in message.tool_calls:
                number += 1
                calls.append(replace(call, id=call.id or f"call_{number}"))
            waiting = list(calls)
            message = replace(message, tool_calls=tuple(calls))
        elif message.role == "tool" and not message.tool_call_id and waiting:
            call = next((call for call in waiting if call.name == message.name), waiting[0])
            waiting.remove(call)
            message = replace(message, tool_call_id=call.id, name=message.name or call.name)
        out.append(message)
    return tuple(out)


def _said(role: str, message: Message, title: str = "") -> Said:
    """What the grounded model reads."""
    if role == "search_result":
        return Said("tool", message.content)
    return Said(message.role, message.content, title if message.role == "assistant" else "")


def _first_title(body: MessageV2) -> str:
    """The title of the first source that an answer of ours brings back to us ("" for none): for follow-up questions."""
    for part in body.content or ():
        sources = part.inline_data.get("sources") if isinstance(part.inline_data, dict) else None
        source = sources.get("1") if isinstance(sources, dict) else None
        title = source.get("title") if isinstance(source, dict) else None
        if isinstance(title, str):
            return title[:300]
    return ""
