"""A GGUF model in this process through llama.cpp: streaming, cancellable, counted exactly, several requests at once.

The model's own chat template is applied by llama.cpp; "thinking" of reasoning models is switched off through the template
and, where a model thinks all the same, is kept out of the text. Nothing here listens to the network (see `llama_engine`).
Knows nothing about documents.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from samovar.errors import ModelError, ModelRequestError, PromptTooLongError
from samovar.generate.gguf import read_header
from samovar.generate.llama_engine import LlamaEngine, raise_for_error
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece, StopReason, Usage
from samovar.generate.pieces import PieceChannel, as_model_error
from samovar.generate.schema_size import check_schema
from samovar.generate.tools import ToolCallCollector, call_from_json, call_schema, messages_as_openai, tools_as_openai

_STOP_REASONS: dict[str, StopReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


class LlamaModel:
    """A `Model` over one GGUF file.

    Args:
        path: the file; must carry a chat template.
        context_tokens: context of each request, at most what the model was trained for; `parallel` requests run at once, each with its own.
        threads: 0 means cores - 1.
        thinking: let a reasoning model think before it answers (slower; the thoughts are never part of the text).
        batch_tokens: prompt tokens worked on at once, the grain of cancelling; 0 means 64 on a CPU, 512 on a GPU.
        check_memory: refuse to load what the machine seems unable to hold.
        chat_template: a Jinja template to use instead of the file's own.

    Raises:
        ModelError: the file is missing, damaged, not a chat model, unknown to this llama.cpp, or too large for the memory.
        MissingExtraError: `xllamacpp` is not installed.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        context_tokens: int = 4096,
        threads: int = 0,
        parallel: int = 1,
        thinking: bool = False,
        batch_tokens: int = 0,
        check_memory: bool = True,
        chat_template: str = "",
    ) -> None:
        path = Path(path).expanduser()
        header = read_header(path)
        if not (header.has_chat_template or chat_template):
            raise ModelError(f"expected a chat model, found no chat template in {path}: take the -Instruct or -it file")
        context_tokens = min(context_tokens, header.trained_context_tokens or context_tokens)
        self._engine = LlamaEngine(
            path,
            context_tokens=context_tokens,
            parallel=parallel,
            threads=threads,
            batch_tokens=batch_tokens,
            check_memory=check_memory,
            chat_template=chat_template,
        )
        self._name = f"llama:{path.stem.lower()}"
        self._context_tokens = context_tokens
        self._thinking = thinking
        self._control = _match_any(header.control_tokens)

    @property
    def name(self) -> str:
        """``llama:`` and the file's name without its ending, in lower case."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """Context of one request, in tokens."""
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Exact number of prompt tokens, the model's template included."""
        return self._engine.count_chat_tokens(self._request(messages, GenerationOptions()))

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Generate. Dropping the iterator stops the generation as cancelling does.

        With a temperature above 0, llama.cpp's top-k 40 and min-p 0.05 stay on beside `options.top_p`. A call that is required is forced by a
        grammar, one at a time.
        """
        check_schema({"answer": options.json_schema, "tools": [tool.parameters for tool in options.tools]})
        request = self._request(messages, options)
        prompt_tokens = self._engine.count_chat_tokens(request)
        if options.tools and prompt_tokens == self._engine.count_chat_tokens(self._request(messages, _bare(options))):
            raise ModelRequestError(
                f"{self._name} knows no tools: its chat template leaves them out. Send the request without tools or take another model"
            )
        if prompt_tokens >= self._context_tokens:
            raise PromptTooLongError(
                f"the prompt has {prompt_tokens} tokens, the context of {self._name} holds {self._context_tokens}: "
                "show fewer passages or raise generate.context_tokens"
            )
        channel = PieceChannel(cancel)
        forced = bool(options.tools) and options.tool_choice == "required"
        # Not a daemon: a daemon thread inside llama.cpp aborts the interpreter at exit. The engine stops it at exit instead.
        threading.Thread(
            target=self._generate, args=(request, channel, prompt_tokens, forced), name="samovar-llama"
        ).start()
        yield from channel.drain()

    def close(self) -> None:
        """Stop all requests and free the model."""
        self._engine.close()

    def _generate(self, request: dict[str, Any], channel: PieceChannel, prompt_tokens: int, forced: bool) -> None:
        collector = _Collector(channel, prompt_tokens, forced)
        try:
            self._engine.chat(request, collector.take)
            collector.finish()
        except Exception as error:  # raised again in the reader's thread
            channel.fail(as_model_error(error, f"{self._name} failed"))

    def _request(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        if not messages:
            raise ModelError("expected at least one message, found none")
        request: dict[str, Any] = {
            "messages": messages_as_openai(messages, self._clean),
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # a chunk per prompt batch, so that a long prompt can be cancelled
            "temperature": options.temperature,
            "top_p": options.top_p,
            "chat_template_kwargs": {"enable_thinking": self._thinking},
        }
        if options.max_tokens is not None:
            request["max_tokens"] = options.max_tokens
        if options.stop:
            request["stop"] = list(options.stop)
        if options.seed is not None:
            request["seed"] = options.seed
        if options.json_schema is not None:
            schema = {"name": "answer", "schema": options.json_schema}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        return request | self._tool_fields(options)

    def _tool_fields(self, options: GenerationOptions) -> dict[str, Any]:
        """The tools go into the prompt by the template. llama.cpp's own "required" lets a model write text for ever before it calls, so a
        required call is made the only thing its grammar allows."""
        if not options.tools:
            return {}
        fields: dict[str, Any] = {
            "tools": tools_as_openai(options.tools, self._clean),
            "tool_choice": "auto" if options.tool_choice == "auto" else "none",
        }
        if options.tool_choice == "required":
            schema = {"name": "call", "schema": call_schema(options.tools)}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
            fields["stop"] = []  # they are for text
        elif options.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = options.parallel_tool_calls
        return fields

    def _clean(self, text: str) -> str:
        return self._defuse(_valid_unicode(text))

    def _defuse(self, text: str) -> str:
        """Break up spellings of control tokens, with a space after their first character.

        llama.cpp would turn ``<|im_end|>`` in a quoted document into the token that ends the turn, and what follows it
        would speak with the system's voice.
        """
        return self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text) if self._control else text


class _Collector:
    """Turns llama.cpp's chunks into pieces; the last piece waits for the usage that follows the finish. `forced`: the text is a call."""

    def __init__(self, channel: PieceChannel, prompt_tokens: int, forced: bool = False) -> None:
        self._channel = channel
        self._forced = forced
        self._calls = ToolCallCollector()
        self._text = ""
        self._finish: str | None = None
        self._usage = Usage(prompt_tokens, 0)

    def take(self, chunk: dict[str, Any]) -> bool:
        """Handle one chunk; True asks llama.cpp to stop."""
        if self._channel.abandoned:
            return True
        raise_for_error(chunk)
        if usage := chunk.get("usage"):
            self._usage = Usage(int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            self._calls.take(delta.get("tool_calls"))
            if (text := delta.get("content")) and self._forced:
                self._text += text
            elif text:
                self._channel.put(Piece(text))
            self._finish = choice.get("finish_reason") or self._finish
        return False

    def finish(self) -> None:
        """Send the last piece, or fail if llama.cpp ended without saying why."""
        if self._channel.abandoned:
            return
        if self._finish is None:
            raise ModelError("llama.cpp ended the answer without a reason (was the model closed meanwhile?)")
        calls = self._calls.calls()
        reason = _STOP_REASONS.get(self._finish, "error")
        if self._forced and reason == "stop":
            calls = (call_from_json(self._text),)
        self._channel.put(
            Piece("", "tool_calls" if calls and reason == "stop" else reason, self._usage, tool_calls=calls)
        )


def _bare(options: GenerationOptions) -> GenerationOptions:
    """The same without tools."""
    return replace(options, tools=())


def _match_any(literals: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern for any of these texts, longest first; None for none. Single characters are left alone."""
    chosen = sorted({literal for literal in literals if len(literal) > 1}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, chosen))) if chosen else None


def _valid_unicode(text: str) -> str:
    """Replace lone surrogates, which JSON cannot carry to llama.cpp, with U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
