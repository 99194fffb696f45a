"""What the dialect takes. Fields that are not here are passed over; null stands for "not given" in every optional field.

Content may be a text or parts in v1 (the OpenAI client is used against it, too) and in v2. Texts are without lone surrogates, and what has
no fixed shape (JSON schemas, arguments) is checked to be JSON that can be written again.
Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

LONGEST_TEXT = 2_000_000  # characters; the body limit comes first by default
MOST_MESSAGES = 5_000
MOST_TOOLS = 128
MOST_ATTACHMENTS = 100
LARGEST = 2**63 - 1


def json_value(value: Any) -> Any:
    """Refuse what cannot be written as JSON in UTF-8: lone surrogates, NaN, endless nesting."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("expected JSON in valid Unicode, with finite numbers and not too deeply nested") from error
    return value


Json = Annotated[Any, AfterValidator(json_value)]
JsonObject = Annotated[dict[str, Any], AfterValidator(json_value)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ModelId = Annotated[str, StringConstraints(max_length=512)]
Id = Annotated[str, StringConstraints(max_length=256)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Temperature = Annotated[Finite, Field(ge=0, le=2)]
Share = Annotated[Finite, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=LARGEST)]
Attachments = Annotated[list[Id], Field(max_length=MOST_ATTACHMENTS)]

RoleName = Literal[
    "system", "developer", "user", "assistant", "function", "function_in_progress", "tool", "search_result"
]


class Body(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="ignore")


class CalledBody(Body):
    """A function call: GigaChat writes the arguments as an object, OpenAI as a text."""

    name: Name
    arguments: Json = None


class ToolCallBody(Body):
    """The same, wrapped as OpenAI does."""

    id: Id = ""
    function: CalledBody


class FunctionBody(Body):
    """A function on offer."""

    name: Name
    description: Text | None = None
    parameters: JsonObject | None = None


class ToolBody(Body):
    """The same, wrapped as OpenAI does."""

    type: Name = "function"
    function: FunctionBody | None = None


class ChosenBody(Body):
    """A function that must be called; OpenAI puts the name one level deeper."""

    name: Name | None = None
    function: ChosenBody | None = None


class PartBody(Body):
    """A part of a v1 message's content, as OpenAI has it. Only text is read."""

    type: Name = "text"
    text: Text | None = None


class SchemaBody(Body):
    """OpenAI's wrapping of a schema."""

    schema_: JsonObject | None = Field(None, alias="schema")


class FormatBody(Body):
    """The form an answer must have."""

    type: Name = "text"
    schema_: JsonObject | Text | None = Field(None, alias="schema")
    json_schema: SchemaBody | None = None
    regex: Text | None = None


class StorageBody(Body):
    """Conversations that the service would keep."""

    thread_id: Id | None = None
    assistant_id: Id | None = None
    is_stateful: bool | None = None


class MessageV1(Body):
    """A message of v1."""

    role: RoleName
    content: Text | list[PartBody] | None = None
    name: Name | None = None
    function_call: CalledBody | None = None
    tool_calls: list[ToolCallBody] | None = Field(None, max_length=MOST_TOOLS)
    tool_call_id: Id | None = None
    attachments: Attachments | None = None


class ChatV1(Body):
    """A request for a completion, v1. `samovar` is ours: ``{"draft": true}`` asks for the unchecked draft in the stream, too."""

    model: ModelId | None = None
    messages: Annotated[list[MessageV1], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    n: int | None = Field(None, ge=1, le=LARGEST)
    temperature: Temperature | None = None
    top_p: Share | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    seed: int | None = Field(None, ge=-LARGEST, le=LARGEST)
    functions: Annotated[list[FunctionBody], Field(max_length=MOST_TOOLS)] | None = None
    function_call: Literal["auto", "none"] | ChosenBody | None = None
    tools: Annotated[list[ToolBody], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChosenBody | None = None
    response_format: FormatBody | None = None
    storage: StorageBody | None = None
    samovar: VendorBody | None = None


class VendorBody(Body):
    """Our own field of a request."""

    draft: bool = False


class FileBody(Body):
    """A file by its id."""

    id: Id


class ResultBody(Body):
    """What a called function returned."""

    name: Name
    result: Json = None


class PartV2(Body):
    """A part of a v2 message's content: one of its fields is set; beside a text of ours there are its sources."""

    text: Text | None = None
    files: Annotated[list[FileBody], Field(max_length=MOST_ATTACHMENTS)] | None = None
    function_call: CalledBody | None = None
    function_result: ResultBody | None = None
    inline_data: Json = None


class MessageV2(Body):
    """A message of v2."""

    role: RoleName
    content: Annotated[list[PartV2], Field(max_length=MOST_MESSAGES)] | None = None
    function_call: CalledBody | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _as_parts(cls, value: Any) -> Any:
        """Take a text, a part, or a list of both."""
        if isinstance(value, (str, dict)):
            value = [value]
        return (
            [{"text": part} if isinstance(part, str) else part for part in value] if isinstance(value, list) else value
        )


class OptionsV2(Body):
    """How to generate, v2."""

    temperature: Temperature | None = None
    top_p: Share | None = None
    max_tokens: Tokens | None = None
    response_format: FormatBody | None = None


class FunctionsV2(Body):
    """The functions on offer, v2."""

    specifications: Annotated[list[FunctionBody], Field(max_length=MOST_TOOLS)] | None = None


class ToolV2(Body):
    """A tool of v2: the client's functions, or one that the service would run itself (of these only the name is read)."""

    model_config = ConfigDict(extra="allow")

    functions: FunctionsV2 | None = None


class ToolConfigV2(Body):
    """Which tool must be used, v2."""

    mode: Name | None = None
    function_name: Name | None = None


class ChatV2(Body):
    """A request for a completion, v2."""

    model: ModelId | None = None
    messages: Annotated[list[MessageV2], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    model_options: OptionsV2 | None = None
    tools: Annotated[list[ToolV2], Field(max_length=MOST_TOOLS)] | None = None
    tool_config: ToolConfigV2 | None = None
    assistant_id: Id | None = None
    storage: StorageBody | bool | None = None
    samovar: VendorBody | None = None

    @field_validator("tools", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take a tool's name for the tool, as the client does."""
        return [{tool: {}} if isinstance(tool, str) else tool for tool in value] if isinstance(value, list) else value


ChatV1.model_rebuild()
