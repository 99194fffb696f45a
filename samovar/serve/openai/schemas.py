"""What the OpenAI dialect takes. Fields that are not here are ignored, as clients expect, and logged once.

Null stands for "not given" in every optional field. Texts are without lone surrogates (pydantic refuses them); what has no fixed shape
(JSON schemas) is checked to be JSON that can be written again.
Source: https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from samovar.serve.native.bodies import FilterBody

log = logging.getLogger("samovar.serve.openai")

LONGEST_TEXT = 2_000_000  # characters; the body limit comes first by default
MOST_MESSAGES = 5_000
MOST_TOOLS = 128
MOST_INPUTS = 2_048  # texts in one embeddings request, as OpenAI has it
LARGEST = 2**63 - 1


def json_object(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot be written as JSON in UTF-8: lone surrogates, NaN, endless nesting."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(
            "expected a JSON object in valid Unicode, with finite numbers and not too deeply nested"
        ) from error
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(json_object)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
CallId = Annotated[str, StringConstraints(max_length=256)]
StopText = Annotated[str, StringConstraints(max_length=1_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Temperature = Annotated[Finite, Field(ge=0, le=2)]
Share = Annotated[Finite, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=LARGEST)]


class Lenient(BaseModel):
    """Base of all parts: fields we do not know are kept aside."""

    model_config = ConfigDict(extra="allow")


class Vendor(BaseModel):
    """Our own field ``samovar`` of a request: which documents count, how many passages are listed, whether the draft is streamed, too."""

    model_config = ConfigDict(extra="forbid")

    filters: FilterBody = Field(default_factory=FilterBody)
    k: int | None = Field(None, ge=1, le=200)
    draft: bool = False


class Part(Lenient):
    """A part of a message's content. Only text is read."""

    type: Name
    text: Text | None = None
    refusal: Text | None = None


class FunctionBody(Lenient):
    """A function on offer, or one called."""

    name: Name
    description: Text | None = None
    parameters: JsonObject | None = None


class ToolBody(Lenient):
    """A tool of chat completions."""

    type: Name
    function: FunctionBody | None = None


class CalledFunction(Lenient):
    """What a call calls; `arguments` is JSON as a text."""

    name: Name
    arguments: Text = ""


class CallBody(Lenient):
    """A call in an earlier answer."""

    id: CallId = ""
    type: Literal["function"] = "function"
    function: CalledFunction


class NamedFunction(Lenient):
    """Only the name of a function."""

    name: Name


class NamedTool(Lenient):
    """The one tool that must be called: ``{"type": "function", "function": {"name"}}``, in Responses without the inner object."""

    type: Literal["function"]
    function: NamedFunction | None = None
    name: Name | None = None


Choice = Literal["auto", "none", "required"] | NamedTool


class MessageBody(Lenient):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[Part] | None = None
    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    tool_calls: Annotated[list[CallBody], Field(max_length=MOST_TOOLS)] | None = None
    tool_call_id: CallId | None = None


class SchemaBody(Lenient):
    """A JSON schema with a name."""

    name: Annotated[str, StringConstraints(max_length=256)] = ""
    schema_: JsonObject | None = Field(None, alias="schema")


class FormatBody(Lenient):
    """How the answer shall look. In Responses the schema stands beside the type, in chat completions one level below."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaBody | None = None
    schema_: JsonObject | None = Field(None, alias="schema")


class StreamOptions(Lenient):
    """Options of a stream."""

    include_usage: bool | None = None


class ChatBody(Lenient):
    """``POST /v1/chat/completions``."""

    model: ModelId
    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=LARGEST)
    stop: StopText | Annotated[list[StopText], Field(max_length=16)] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    seed: int | None = Field(None, ge=-LARGEST, le=LARGEST)
    response_format: FormatBody | None = None
    tools: Annotated[list[ToolBody], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=LARGEST)
    modalities: list[Name] | None = None
    functions: list[Any] | None = None
    samovar: Vendor | None = None


class EmbeddingsVendor(BaseModel):
    """Our own field of an embeddings request: some models embed queries and passages differently."""

    model_config = ConfigDict(extra="forbid")

    input_type: Literal["passage", "query"] = "passage"


class EmbeddingsBody(Lenient):
    """``POST /v1/embeddings``."""

    model: ModelId
    input: Text | Annotated[list[Text], Field(max_length=MOST_INPUTS)] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Tokens | None = None
    samovar: EmbeddingsVendor | None = None


class ItemBody(Lenient):
    """One item of a Responses input: a message (the type may be left out), a call, or its result."""

    type: Name | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Text | list[Part] | None = None
    call_id: CallId | None = None
    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    arguments: Text | None = None
    output: Text | list[Part] | None = None


class FlatTool(Lenient):
    """A tool of Responses."""

    type: Name
    name: Name | None = None
    description: Text | None = None
    parameters: JsonObject | None = None


class TextOptions(Lenient):
    """Options of the text."""

    format: FormatBody | None = None


class ResponsesBody(Lenient):
    """``POST /v1/responses``."""

    model: ModelId
    input: Text | Annotated[list[ItemBody], Field(min_length=1, max_length=MOST_MESSAGES)]
    instructions: Text | None = None
    stream: bool | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    text: TextOptions | None = None
    tools: Annotated[list[FlatTool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=LARGEST)
    previous_response_id: Text | None = None
    conversation: Any = None
    background: bool | None = None
    metadata: JsonObject | None = None
    samovar: Vendor | None = None


def log_unknown(body: Lenient, path: str) -> None:
    """Note the fields of a request that have no effect here, each once in the life of the process."""
    for name in list(body.model_extra or {})[:64]:
        _log_once(path, name[:64])


@lru_cache(maxsize=1_000)
def _log_once(path: str, name: str) -> None:
    log.info("%s: the field %r has no effect here", path, name)
