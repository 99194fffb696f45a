"""The `Model` protocol: messages in, a cancellable stream of pieces out. Knows nothing about documents or HTTP.

Every implementation (extractive, llama.cpp, OpenAI-compatible, GigaChat, scripted) is used through these names alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant", "tool"]
StopReason = Literal["stop", "length", "cancelled", "refused", "tool_calls", "error"]
ToolChoice = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of the caller's that a model may ask to have called; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a function called; `arguments` is JSON as the model wrote it, which may not fit the schema."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `tool_calls` are those of an assistant's turn; a turn of the role ``tool`` is the result of the call `tool_call_id` of the
    function `name`. `passages` are quoted data shown with the turn (already rendered into `content` for language models;
    a model that works on texts directly, like the extractive one, reads them from here, `question` with them, `priors`: rank scores, the best 1, and `titles`)."""

    role: Role
    content: str
    passages: tuple[str, ...] = ()
    question: str = ""
    language: str = ""
    priors: tuple[float, ...] = ()
    titles: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How to generate. `max_tokens` None means "until the context is full"; `stop` are literal strings. With `tools`, `tool_choice` says
    whether one may or must be called (one certain function: give only that one, and ``required``); `parallel_tool_calls` None leaves it to
    the model whether several are called at once."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json_schema: dict[str, Any] | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the completion. The last piece, and only it, has a `stop_reason` (and `usage` where known); its text may be empty.
    It also carries the `tool_calls`; when the stop reason is ``length``, the last of them may be cut off.

    `spans`, `short` and `confidence` are for extractive models only: `spans` are (passage index, start, end) of each quoted stretch, in order of
    quotation; `short` the same for the short answer inside; `confidence` the probability, 0..1, that the quotation answers.
    """

    text: str
    stop_reason: StopReason | None = None
    usage: Usage | None = None
    spans: tuple[tuple[int, int, int], ...] = field(default=())
    short: tuple[int, int, int] | None = None
    confidence: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()


class Cancel:
    """A thread-safe flag. `set()` asks the model to stop; the stream then ends with a ``cancelled`` piece within a token."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask for the stop."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`, less if the flag is raised meanwhile; True when it is raised."""
        return self._event.wait(seconds)

    def __bool__(self) -> bool:
        return self._event.is_set()


@runtime_checkable
class Model(Protocol):
    """What every model offers. Errors are `samovar.errors.ModelError`; a stream that fails raises, it never ends quietly."""

    @property
    def name(self) -> str:
        """The public name, e.g. ``extractive`` or ``llama:qwen3-4b-q4_k_m``."""

    @property
    def context_tokens(self) -> int:
        """Size of the context in tokens (prompt and completion together)."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Number of prompt tokens these messages cost, template included (an upper estimate where it cannot be exact)."""

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Generate. Raises `PromptTooLongError` before the first piece rather than cutting the prompt, and `ModelRequestError` for what
        this model cannot do (tools, a schema)."""

    def close(self) -> None:
        """Free what is held; safe to call twice."""
