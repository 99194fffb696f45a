"""From the options of a request to those of `samovar.generate`, and the clear refusals of what is not offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samovar.errors import UsageError
from samovar.generate.model import GenerationOptions, Tool, ToolChoice
from samovar.serve.openai.schemas import ChatBody, Choice, FlatTool, FormatBody, NamedTool, ResponsesBody, ToolBody
from samovar.settings import GenerateSettings

ANY_OBJECT: dict[str, Any] = {"type": "object"}
SEED_BITS = 0x7FFFFFFF  # llama.cpp's seeds have 32 bits; a longer one is cut to 31


def check_chat(body: ChatBody) -> None:
    """Raise `UsageError` for what chat completions here cannot do."""
    if (body.n or 1) != 1:
        raise UsageError(f"expected n = 1, found {body.n}: send the request again for another answer.")
    _check_logprobs(body.logprobs, body.top_logprobs)
    if any(kind != "text" for kind in body.modalities or ()):
        raise UsageError("expected the modality text alone: sound is not made here.")
    if body.functions:
        raise UsageError("expected tools, found the older field functions: send them as tools.")


def check_responses(body: ResponsesBody) -> None:
    """Raise `UsageError` for what Responses here cannot do: nothing is kept between requests."""
    if body.previous_response_id is not None or body.conversation is not None:
        field = "previous_response_id" if body.previous_response_id is not None else "conversation"
        raise UsageError(
            f"responses are not kept here, so {field} cannot be used: send the whole conversation as input."
        )
    if body.background:
        raise UsageError("responses are not kept here, so background cannot be used: read the stream instead.")
    _check_logprobs(None, body.top_logprobs)


def _check_logprobs(logprobs: bool | None, top: int | None) -> None:
    if logprobs or top:
        raise UsageError("log probabilities are not offered here: leave out logprobs and top_logprobs.")


def check_grounded(choice: Choice | None, format_: FormatBody | None) -> None:
    """Raise `UsageError` for what the grounded model cannot do: it writes cited text and calls nothing."""
    if choice == "required" or isinstance(choice, NamedTool):
        raise UsageError(
            "the model that answers from the library calls no tools: take a bare model, see GET /v1/models."
        )
    if format_ is not None and format_.type != "text":
        raise UsageError(
            f"the model that answers from the library writes text, not {format_.type}: take a bare model, see GET /v1/models."
        )


def chat_options(body: ChatBody, generate: GenerateSettings, context_tokens: int) -> GenerationOptions:
    """Return the options of a chat completions request."""
    tools, choice = _chosen(chat_tools(body.tools or ()), body.tool_choice)
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return GenerationOptions(
        temperature=generate.temperature if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        max_tokens=min(body.max_completion_tokens or body.max_tokens or generate.max_tokens, context_tokens),
        stop=tuple(text for text in stop if text),
        seed=None if body.seed is None else body.seed & SEED_BITS,
        json_schema=_schema(body.response_format),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
    )


def response_options(body: ResponsesBody, generate: GenerateSettings, context_tokens: int) -> GenerationOptions:
    """Return the options of a Responses request."""
    tools, choice = _chosen(flat_tools(body.tools or ()), body.tool_choice)
    return GenerationOptions(
        temperature=generate.temperature if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        max_tokens=min(body.max_output_tokens or generate.max_tokens, context_tokens),
        json_schema=_schema(body.text.format if body.text else None),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
    )


def chat_tools(bodies: Sequence[ToolBody]) -> tuple[Tool, ...]:
    """Return the functions of a chat completions request."""
    out = []
    for body in bodies:
        if body.type != "function" or body.function is None:
            raise _not_a_function(body.type)
        out.append(Tool(body.function.name, body.function.description or "", body.function.parameters))
    return tuple(out)


def flat_tools(bodies: Sequence[FlatTool]) -> tuple[Tool, ...]:
    """Return the functions of a Responses request."""
    out = []
    for body in bodies:
        if body.type != "function" or body.name is None:
            raise _not_a_function(body.type)
        out.append(Tool(body.name, body.description or "", body.parameters))
    return tuple(out)


def _not_a_function(kind: str) -> UsageError:
    return UsageError(
        f"expected tools of the type function with a name, found {kind!r}: nothing is run on this server."
    )


def _chosen(tools: tuple[Tool, ...], choice: Choice | None) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools that count and how; one certain function is the only one, and required."""
    if not tools:
        if choice == "required" or isinstance(choice, NamedTool):
            raise UsageError("expected tools beside tool_choice, found none.")
        return (), "auto"
    if isinstance(choice, NamedTool):
        name = choice.function.name if choice.function else choice.name
        wanted = tuple(tool for tool in tools if tool.name == name)
        if not wanted:
            raise UsageError(
                f"expected one of the tools {', '.join(t.name for t in tools)} in tool_choice, found {name!r}."
            )
        return wanted[:1], "required"
    return tools, choice or "auto"


def _schema(format_: FormatBody | None) -> dict[str, Any] | None:
    if format_ is None or format_.type == "text":
        return None
    if format_.type == "json_object":
        return ANY_OBJECT
    schema = format_.json_schema.schema_ if format_.json_schema else format_.schema_
    if schema is None:
        raise UsageError("expected a schema in the response format json_schema, found none.")
    return schema
