"""One completion as a stream of events, the same for all dialects, for bare models and the grounded one.

The grounded model's text is sent only when it has been checked: its draft may still be replaced by an abstention, and words once sent
cannot be taken back in any dialect. So the text of a stream is always the text of the plain answer. What was found comes at once, and
the draft, marked as such, to those who ask for it (``"samovar": {"draft": true}``). Knows nothing about HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from samovar.assistant.answer import Answer, Delta, Done, Found
from samovar.errors import ModelError, OverloadedError
from samovar.generate.model import GenerationOptions, Message, Piece, StopReason, ToolCall, Usage
from samovar.search.query import NO_FILTERS, Filters
from samovar.serve.dialogue import Said, dialogue_of, notes_on
from samovar.serve.engine import Engine, ModelCard
from samovar.serve.grounded import found_heads, in_sentences, vendor_key
from samovar.serve.principal import Principal
from samovar.serve.queue import Ticket
from samovar.serve.state import ServerState


@dataclass(frozen=True, slots=True)
class Sources:
    """First event of a grounded completion: the heads of what was found."""

    found: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DraftText:
    """What the model is writing, before it is checked."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A part of the content."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """Last event. `answer` and `samovar` (the vendor key) are the grounded model's."""

    reason: StopReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    answer: Answer | None = None
    samovar: dict[str, Any] = field(default_factory=dict)


CompletionEvent = Sources | DraftText | Text | End


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks for. `said` is the conversation for the grounded model; `ignored` are phrases of what it does not read."""

    card: ModelCard
    messages: Sequence[Message]
    said: Sequence[Said]
    options: GenerationOptions
    base: str
    ignored: Sequence[str] = ()
    filters: Filters = NO_FILTERS
    k: int | None = None
    draft: bool = False


async def complete(state: ServerState, principal: Principal, asked: Asked) -> AsyncGenerator[CompletionEvent]:
    """Yield the events of a completion; admitted (or refused) before the first. Leaving the iterator stops the model."""
    ticket = state.engine.admit(principal)
    try:
        work = _grounded if asked.card.grounded else _bare
        async with aclosing(work(state, principal, asked, ticket)) as events:
            async for event in events:
                yield event
    finally:
        ticket.leave_if_waiting()


async def _bare(
    state: ServerState, principal: Principal, asked: Asked, ticket: Ticket
) -> AsyncGenerator[CompletionEvent]:
    engine = state.engine
    pieces = engine.complete(principal, asked.card.id, asked.messages, asked.options, ticket=ticket)
    text: list[str] = []
    async with aclosing(pieces) as stream:
        async for piece in stream:
            if piece.text:
                text.append(piece.text)
                yield Text(piece.text)
            if piece.stop_reason is not None:
                yield await _ended(engine, asked, piece, "".join(text))


async def _ended(engine: Engine, asked: Asked, piece: Piece, text: str) -> End:
    if piece.stop_reason == "cancelled":
        raise _stopping()
    if piece.stop_reason == "error":
        raise ModelError("the model stopped with an error: ask again")
    usage = piece.usage
    if usage is None:
        usage = await count_usage(engine, asked, text)
    return End(piece.stop_reason or "stop", usage, piece.tool_calls)


async def _grounded(
    state: ServerState, principal: Principal, asked: Asked, ticket: Ticket
) -> AsyncGenerator[CompletionEvent]:
    engine = state.engine
    languages = await engine.work(lambda: engine.samovar.languages)
    dialogue = await engine.work(lambda: dialogue_of(asked.said, languages))
    notes = notes_on(list(dict.fromkeys([*dialogue.ignored, *asked.ignored])), dialogue.question, languages)
    events = engine.answer(
        principal,
        dialogue.question,
        model=asked.card.id,
        history=dialogue.history,
        filters=asked.filters,
        ticket=ticket,
    )
    async with aclosing(events) as stream:
        async for event in stream:
            if isinstance(event, Found):
                yield Sources(found_heads(event.hits, asked.base, asked.k))
            elif isinstance(event, Delta):
                if asked.draft:
                    yield DraftText(event.text)
            elif isinstance(event, Done):
                answer = event.answer
                if answer.stop_reason == "cancelled":
                    raise _stopping()
                for part in in_sentences(answer):
                    yield Text(part)
                usage = await count_usage(engine, asked, answer.text)
                yield End(_reason(answer), usage, (), answer, vendor_key(answer, asked.base, notes, asked.k))


def _stopping() -> OverloadedError:
    """Nobody but a server that stops cancels an answer whose reader is still there; a part of it must not look like the whole."""
    return OverloadedError("the server is stopping: ask again in a moment", 5.0)


def _reason(answer: Answer) -> StopReason:
    """An abstention is a complete answer."""
    return "length" if answer.status == "answered" and answer.stop_reason == "length" else "stop"


async def count_usage(engine: Engine, asked: Asked, text: str) -> Usage:
    """Count what was sent and what was written with the model's own counter, where no better number is known.

    For the grounded model that is the conversation and the answer, without the passages shown to the model behind it.
    """

    def count() -> Usage:
        model = engine.model(asked.card.raw)
        try:
            prompt = model.count_tokens(asked.messages)
            both = model.count_tokens([*asked.messages, Message("assistant", text)])
        except ModelError:  # a template that refuses this order of roles
            return Usage()
        return Usage(prompt, max(both - prompt, 0))

    return await engine.work(count)
