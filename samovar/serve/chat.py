"""Conversations that are answered and kept: a question is on the disk before anything is answered, the answer when it is done.

Both the web page and the native API talk through this. Knows nothing about HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samovar.assistant.answer import Answer, Delta, Done, Found
from samovar.assistant.as_json import answer_as_json, answer_from_json
from samovar.assistant.assistant import Turn
from samovar.errors import ConflictError, NotFoundError, UsageError
from samovar.generate.model import Cancel, GenerationOptions, Message
from samovar.search.as_json import hit_as_json
from samovar.search.query import Filters
from samovar.serve.access import NOT_THERE, authorise
from samovar.serve.engine import GROUNDED, Engine
from samovar.serve.principal import Principal
from samovar.serve.queue import Ticket
from samovar.serve.store.records import ChatMessage, Conversation, MessageStatus

if TYPE_CHECKING:
    from samovar.serve.store.store import Store

LONGEST_QUESTION = 20_000  # characters
TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Accepted:
    """First event: the question is on the disk."""

    conversation: Conversation
    question: ChatMessage


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event: the answer is on the disk. `answer` is None for a bare model."""

    message: ChatMessage
    answer: Answer | None


ChatEvent = Accepted | Found | Delta | Finished


@dataclass(slots=True)
class _Draft:
    """What has been written of an answer so far."""

    text: str = ""
    found: list[dict[str, Any]] = field(default_factory=list)
    query: str = ""
    kept: bool = False


class ChatService:
    """Conversations of all users over one engine and one store."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.engine = engine
        self.store = store
        self._busy: set[str] = set()
        self._cancels: dict[str, Cancel] = {}

    # -- reading and changing -----------------------------------------------------------------------------------------
    def open(self, principal: Principal, conversation_id: str) -> Conversation:
        """Return one of the caller's conversations (blocking). Raises `NotFoundError` for none, or another's."""
        conversation = self.store.conversations.get(conversation_id)
        if conversation is None:
            raise NotFoundError(NOT_THERE)
        authorise(principal, "use_conversation", conversation.owner_id)
        return conversation

    def messages(self, principal: Principal, conversation_id: str) -> list[ChatMessage]:
        """Return its messages in order, without those edited or regenerated away (blocking)."""
        return self.store.conversations.messages(self.open(principal, conversation_id).id)

    def is_busy(self, conversation_id: str) -> bool:
        """Whether an answer is being written in it."""
        return conversation_id in self._busy

    def stop(self, principal: Principal, conversation_id: str) -> bool:
        """Stop the answer that is being written in one of the caller's conversations; False when none is (blocking)."""
        cancel = self._cancels.get(self.open(principal, conversation_id).id)
        if cancel is None:
            return False
        cancel.set()
        return True

    # -- answering ----------------------------------------------------------------------------------------------------
    async def reply(
        self,
        principal: Principal,
        conversation_id: str,
        text: str,
        *,
        model: str = GROUNDED,
        filters: Filters = Filters(),
        replaces: str = "",
        cancel: Cancel | None = None,
        ticket: Ticket | None = None,
    ) -> AsyncGenerator[ChatEvent, None]:
        """Keep a question and answer it; "" as `conversation_id` starts a conversation.

        `replaces` is the id of one of the caller's own questions in it: that question and all after it are superseded, and `text` (or, when it is
        empty, the same text) is asked in its place: "edit and resend", and "regenerate". Leaving the iterator stops the model and keeps what
        was written; setting `cancel` does the same and yields the rest of the events.

        Raises:
            NotFoundError: the conversation or the message is not there, or not the caller's.
            ConflictError: an answer is being written in this conversation.
            UsageError: the text is empty or too long.
            OverloadedError: no place in line; nothing was kept.
        """
        ticket = ticket or self.engine.admit(principal)
        cancel = cancel if cancel is not None else Cancel()
        busy = ""
        try:
            card = self.engine.card(model)
            if conversation_id:  # whose it is comes before whether it is busy: a stranger learns neither
                await self.engine.work(lambda: self.open(principal, conversation_id))
            if conversation_id in self._busy:
                raise ConflictError("an answer is being written in this conversation: stop it or wait for it")
            busy = conversation_id
            if busy:
                self._busy.add(busy)
            conversation, question, before = await self.engine.work(
                lambda: self._accept(principal, conversation_id, text, replaces, model)
            )
            if not busy:
                busy = conversation.id
                self._busy.add(busy)
            self._cancels[busy] = cancel
            yield Accepted(conversation, question)
            draft = _Draft()
            try:
                stream: AsyncGenerator[Found | Delta | Done | _BareDone, None]
                if card.grounded:
                    stream = self._grounded(principal, question.text, before, model, filters, cancel, ticket, draft)
                else:
                    stream = self._bare(principal, question.text, before, model, cancel, ticket, draft)
                async with aclosing(stream):
                    async for event in stream:
                        if isinstance(event, Done):
                            status: MessageStatus = "stopped" if event.answer.stop_reason == "cancelled" else "complete"
                            keeping = self._keep(
                                draft, conversation.id, event.answer.text, status, model, _kept(event.answer)
                            )
                            yield Finished(await keeping, event.answer)
                        elif isinstance(event, _BareDone):
                            keeping = self._keep(draft, conversation.id, draft.text, event.status, model, {})
                            yield Finished(await keeping, None)
                        else:
                            yield event
            # the reader left, between two events or while waiting for one
            except (GeneratorExit, asyncio.CancelledError):
                self._keep_draft(draft, conversation.id, "stopped", model)  # no await is possible here
                raise
            except BaseException:
                self._keep_draft(draft, conversation.id, "failed", model)
                raise
        finally:
            cancel.set()
            self._busy.discard(busy)
            if self._cancels.get(busy) is cancel:
                del self._cancels[busy]
            ticket.leave_if_waiting()

    def _accept(
        self, principal: Principal, conversation_id: str, text: str, replaces: str, model: str
    ) -> tuple[Conversation, ChatMessage, list[ChatMessage]]:
        """Write the question down; return it with the messages before it."""
        conversations = self.store.conversations
        if len(text) > LONGEST_QUESTION:
            raise UsageError(
                f"expected at most {LONGEST_QUESTION} characters, found {len(text)}. Add a long text to the library instead."
            )
        if replaces:
            conversation = self.open(principal, conversation_id)
            old = next(
                (m for m in conversations.messages(conversation.id) if m.id == replaces and m.role == "user"), None
            )
            if old is None:
                raise NotFoundError("there is no such question in this conversation.")
            text = text.strip() or old.text
            conversations.supersede_from(conversation.id, old.position)
        elif not text.strip():
            raise UsageError("expected a question, found nothing.")
        elif conversation_id:
            conversation = self.open(principal, conversation_id)
        else:
            authorise(principal, "use_conversation")
            conversation = conversations.create(principal.user_id, _title_of(text), model)
        before = conversations.messages(conversation.id)
        question = conversations.append(conversation.id, "user", text.strip())
        return conversation, question, before

    async def _grounded(
        self,
        principal: Principal,
        text: str,
        before: Sequence[ChatMessage],
        model: str,
        filters: Filters,
        cancel: Cancel,
        ticket: Ticket,
        draft: _Draft,
    ) -> AsyncGenerator[Found | Delta | Done | _BareDone, None]:
        history = turns_of(before)
        answer = self.engine.answer(
            principal, text, model=model, history=history, filters=filters, cancel=cancel, ticket=ticket
        )
        async with aclosing(answer):
            async for event in answer:
                if isinstance(event, Found):
                    draft.found, draft.query = [hit_as_json(h) for h in event.hits], event.query
                elif isinstance(event, Delta):
                    draft.text += event.text
                yield event

    async def _bare(
        self,
        principal: Principal,
        text: str,
        before: Sequence[ChatMessage],
        model: str,
        cancel: Cancel,
        ticket: Ticket,
        draft: _Draft,
    ) -> AsyncGenerator[Found | Delta | Done | _BareDone, None]:
        generate = self.engine.settings.generate
        messages = [Message(m.role, m.text) for m in before] + [Message("user", text)]
        options = GenerationOptions(temperature=generate.temperature, max_tokens=generate.max_tokens)
        pieces = self.engine.complete(principal, model, messages, options, cancel=cancel, ticket=ticket)
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.text:
                    draft.text += piece.text
                    yield Delta(piece.text)
                if piece.stop_reason is not None:
                    yield _BareDone("stopped" if piece.stop_reason == "cancelled" else "complete")

    async def _keep(
        self,
        draft: _Draft,
        conversation_id: str,
        text: str,
        status: MessageStatus,
        model: str,
        answer: dict[str, Any],
    ) -> ChatMessage:
        """Keep an answer, once: a caller who is cancelled meanwhile does not undo it, and does not keep it again."""
        draft.kept = True
        keeping = self.engine.work(lambda: self._keep_now(conversation_id, text, status, model, answer))
        return await asyncio.shield(asyncio.ensure_future(keeping))

    def _keep_draft(self, draft: _Draft, conversation_id: str, status: MessageStatus, model: str) -> None:
        """Keep what had been written when it ended early, if anything, and if the conversation is still there."""
        if draft.text and not draft.kept:
            with suppress(NotFoundError):
                self._keep_now(conversation_id, draft.text, status, model, {"found": draft.found, "query": draft.query})

    def _keep_now(
        self, conversation_id: str, text: str, status: MessageStatus, model: str, answer: dict[str, Any]
    ) -> ChatMessage:
        return self.store.conversations.append(
            conversation_id, "assistant", text, status=status, model=model, answer=answer
        )


@dataclass(frozen=True, slots=True)
class _BareDone:
    status: MessageStatus


def turns_of(messages: Sequence[ChatMessage]) -> list[Turn]:
    """Return the exchanges among these messages; a question without an answer is left out."""
    turns: list[Turn] = []
    question = ""
    for message in messages:
        if message.role == "user":
            question = message.text
        elif question and message.answer.get("status"):
            turns.append(Turn(question, answer_from_json(message.text, message.answer)))
            question = ""
    return turns


def _kept(answer: Answer) -> dict[str, Any]:
    """The answer as JSON, for the store: hits under ``found``, without explanations (they belong to the search page)."""
    record = answer_as_json(answer)
    record["found"] = [{k: v for k, v in hit.items() if k != "explain"} for hit in record.pop("hits")]
    return record


def _title_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"
