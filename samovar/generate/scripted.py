"""A model that says what it is told to: the public test seam of `samovar.generate`.

Use it to test code that talks to a `Model` without any weights or network: it streams, counts, cancels, runs out of
context and fails like a real one, and remembers every request it saw. Knows nothing about documents.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from samovar.errors import ModelError, PromptTooLongError
from samovar.generate.model import Cancel, GenerationOptions, Message, Piece, StopReason, Usage

Reply = str | Piece | ModelError
Script = Sequence[Reply] | Callable[[Sequence[Message]], Reply]
PieceSize = Literal["word", "character", "whole"]

MESSAGE_TOKENS = 4  # what a chat template adds around one message, roughly; fixed so that tests can count by hand

_WORDS = re.compile(r"\s*\S+\s*\Z|\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Request:
    """What one call of `ScriptedModel.stream` was asked."""

    messages: tuple[Message, ...]
    options: GenerationOptions


class ScriptedModel:
    """Streams given replies in order (the last one repeats), or what `replies(messages)` returns.

    A reply is a text, a `Piece` (its text, stop reason and tool calls are used, e.g. ``Piece("no", "refused")``) or a `ModelError`
    to raise. `fail_after` raises in the middle of every reply after that many pieces. One token is one word.
    With `remembers` False no request is kept (for load tests; replies must then be one, or a function).
    """

    def __init__(
        self,
        replies: Script = ("",),
        *,
        delay_seconds: float = 0.0,
        pieces: PieceSize = "word",
        context_tokens: int = 4096,
        fail_after: int | None = None,
        name: str = "scripted",
        remembers: bool = True,
    ) -> None:
        if not callable(replies) and not replies:
            raise ValueError("ScriptedModel needs at least one reply, or a function that makes them")
        self._replies = replies
        self._delay_seconds = delay_seconds
        self._pieces = pieces
        self._context_tokens = context_tokens
        self._fail_after = fail_after
        self._name = name
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self._remembers = remembers
        self.closed = False

    @property
    def name(self) -> str:
        """The name given, ``scripted`` by default."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """The context given, in words."""
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words of all messages, plus `MESSAGE_TOKENS` for each."""
        return sum(MESSAGE_TOKENS + len(message.content.split()) for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions = GenerationOptions(),
        cancel: Cancel | None = None,
    ) -> Iterator[Piece]:
        """Stream the next reply. Raises `PromptTooLongError`, or the scripted failure."""
        reply = self._next_reply(messages, options)
        prompt_tokens = self.count_tokens(messages)
        if prompt_tokens >= self._context_tokens:
            raise PromptTooLongError(
                f"the prompt has {prompt_tokens} tokens, the context of {self._name} holds {self._context_tokens}: shorten it"
            )
        if isinstance(reply, ModelError):
            raise reply
        if isinstance(reply, str):
            reply = Piece(reply)
        stop_reason: StopReason = reply.stop_reason or ("tool_calls" if reply.tool_calls else "stop")
        text = _cut_at_stop(reply.text, options.stop)
        limit = min(options.max_tokens or self._context_tokens, self._context_tokens - prompt_tokens)
        words = text.split()
        if len(words) > limit:
            text, stop_reason = _first_words(text, limit), "length"
        num_sent = 0
        for num_sent, part in enumerate(split_text(text, self._pieces), start=1):
            if self._fail_after is not None and num_sent > self._fail_after:
                raise ModelError(f"{self._name} was told to fail after {self._fail_after} pieces")
            if self._wait(cancel):
                yield Piece("", "cancelled", Usage(prompt_tokens, num_sent - 1))
                return
            yield Piece(part)
        if self._fail_after is not None and num_sent <= self._fail_after:
            raise ModelError(f"{self._name} was told to fail after {self._fail_after} pieces")
        usage = Usage(prompt_tokens, min(len(words), limit))
        yield Piece("", stop_reason, usage, tool_calls=reply.tool_calls if stop_reason == "tool_calls" else ())

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _next_reply(self, messages: Sequence[Message], options: GenerationOptions) -> Reply:
        with self._lock:
            if self._remembers:
                self.requests.append(Request(tuple(messages), options))
            index = max(0, len(self.requests) - 1)
        if callable(self._replies):
            return self._replies(messages)
        return self._replies[min(index, len(self._replies) - 1)]

    def _wait(self, cancel: Cancel | None) -> bool:
        """Sleep for the delay; True when cancelled before or meanwhile."""
        if cancel is None:
            if self._delay_seconds:
                threading.Event().wait(self._delay_seconds)
            return False
        return cancel.wait(self._delay_seconds) if self._delay_seconds else bool(cancel)


def split_text(text: str, pieces: PieceSize) -> list[str]:
    """Cut a text into pieces that join back to it exactly; an empty text has none."""
    if not text:
        return []
    if pieces == "whole":
        return [text]
    return list(text) if pieces == "character" else _WORDS.findall(text)


def _cut_at_stop(text: str, stop: Sequence[str]) -> str:
    cuts = [index for literal in stop if literal and (index := text.find(literal)) >= 0]
    return text[: min(cuts)] if cuts else text


def _first_words(text: str, limit: int) -> str:
    ends = [match.end() for match in re.finditer(r"\S+", text)][:limit]
    return text[: ends[-1]] if ends else ""


def echo_model(setting: str) -> ScriptedModel:
    """Make a model for load tests from ``echo,words=40,delay=0.25``: see `echo_of`. Unknown names raise `ModelError`."""
    values = {"words": 40.0, "delay": 0.0}
    for part in setting.split(",")[1:]:
        name, _, value = part.partition("=")
        if name not in values or not re.fullmatch(r"\d+(\.\d+)?", value):
            raise ModelError(f"expected scripted:echo,words=NUMBER,delay=SECONDS, found scripted:{setting}")
        values[name] = float(value)
    words = int(values["words"])
    return ScriptedModel(
        lambda messages: echo_of(messages[-1].content, words), delay_seconds=values["delay"], remembers=False
    )


def echo_of(question: str, words: int) -> str:
    """Return that many words which all carry the question's first word, so that an answer that is cut or crossed with another's is known by any part.

    >>> echo_of("q17 what?", 3)
    'q17.0 q17.1 q17.2'
    """
    token = (question.split() or ["-"])[0]
    return " ".join(f"{token}.{number}" for number in range(words))
