"""One open chat page: questions come up from the browser, events of the answer go down, at most about thirty messages a second.

Each question is checked against the caller's login as it is now, not as it was when the page was loaded. A page that is gone stops its model.
Knows nothing about how things look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from nicegui import Client, background_tasks

from samovar.assistant.answer import Delta, Found
from samovar.errors import (
    LibraryBusyError,
    ModelError,
    NotAuthenticatedError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    SamovarError,
)
from samovar.generate.model import Cancel
from samovar.search.as_json import hit_as_json
from samovar.search.query import Filters
from samovar.serve.chat import Accepted, ChatEvent, Finished
from samovar.serve.engine import GROUNDED
from samovar.serve.failures import message_of, status_of
from samovar.serve.login import principal_of
from samovar.serve.web.conversation_view import card_view, conversation_view, message_view, spread_of
from samovar.serve.web.page import PageContext
from samovar.serve.web.sockets import same_caller

log = logging.getLogger("samovar.serve.web")
FLUSH_SECONDS = 1 / 30
PAGE_MESSAGES = 30  # messages sent at once when scrolling back
MOST_DOCUMENTS = 20  # a question may be restricted to
LONGEST_ID = 64
MOST_AT_ONCE = 8  # things one page may have in work; what comes above that is refused


class ChatSession:
    """What goes on behind one chat page. Make it while the page is built; it lives as long as the page's client."""

    def __init__(self, context: PageContext, client: Client, conversation_id: str) -> None:
        self.context = context
        self.conversation_id = conversation_id
        self._client = client
        self._cancel: Cancel | None = None
        self._num_working = 0
        self._draft: list[str] = []
        self._flush: asyncio.TimerHandle | None = None
        self._works = {
            "ask": self._ask,
            "older": self._older,
            "read": self._read,
            "rate": self._rate,
            "wait": self._wait,
        }
        client.on_delete(self.leave)

    def handle(self, data: Any) -> None:
        """Take a message of the browser: ``{"op": "ask" | "stop" | "older" | "read" | "rate" | "wait", …}``."""
        if not isinstance(data, Mapping):
            return
        work = self._works.get(str(data.get("op")))
        if data.get("op") == "stop":
            self.stop()
        elif work is not None:
            background_tasks.create(self._guarded(work, data), name="chat")

    def stop(self) -> None:
        """Stop the answer that is being written; what there is of it comes as the answer."""
        if self._cancel is not None:
            self._cancel.set()

    def leave(self) -> None:
        """The page is gone: stop what runs for it."""
        self.stop()
        if self._flush is not None:
            self._flush.cancel()

    async def _guarded(self, work: Any, data: Mapping[str, Any]) -> None:
        self._num_working += 1
        try:
            if self._num_working > MOST_AT_ONCE:
                raise RateLimitedError(f"expected at most {MOST_AT_ONCE} things at once from a page, found more", 1.0)
            if not same_caller(self.context.principal, await principal_of(self.context.request)):
                raise NotAuthenticatedError("expected a login, found one that has ended. Log in again.")
            await work(data)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._send(op="failed", about=str(data.get("op")), key=_text(data, "key"), **self._failure(error))
        finally:
            self._num_working -= 1

    # -- asking -----------------------------------------------------------------------------------------------------
    async def _ask(self, data: Mapping[str, Any]) -> None:
        if self._cancel is not None:
            return
        state, principal = self.context.state, self.context.principal
        self._cancel = cancel = Cancel()
        key = _text(data, "key")
        given = data.get("documents")
        documents = tuple(str(d)[:LONGEST_ID] for d in given[:MOST_DOCUMENTS]) if isinstance(given, list) else ()
        try:
            events = state.chat.reply(
                principal,
                self.conversation_id,
                str(data.get("text", "")),
                model=_text(data, "model") or GROUNDED,
                filters=Filters(document_ids=documents),
                replaces=_text(data, "replaces"),
                cancel=cancel,
            )
            try:
                async for event in events:
                    self._tell(event, key)
            finally:
                await events.aclose()
        finally:
            self._cancel = None
            self._flush_now()

    def _tell(self, event: ChatEvent, key: str) -> None:
        words = self.context.words
        if isinstance(event, Accepted):
            self.conversation_id = event.conversation.id
            self._send(
                op="accepted",
                key=key,
                conversation=conversation_view(event.conversation),
                question=message_view(event.question, words),
            )
        elif isinstance(event, Found):
            found = [hit_as_json(hit) for hit in event.hits]
            cards = [card_view(hit, words) for hit in found]
            self._send(op="found", key=key, cards=cards, spread=spread_of(found, words), query=event.query)
        elif isinstance(event, Delta):
            self._draft.append(event.text)
            if self._flush is None:
                self._flush = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_now)
        elif isinstance(event, Finished):
            self._flush_now()
            self._send(op="finished", key=key, message=message_view(event.message, words))

    def _flush_now(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if self._draft:
            self._send(op="delta", text="".join(self._draft))
            self._draft.clear()

    # -- reading ----------------------------------------------------------------------------------------------------
    async def _older(self, data: Mapping[str, Any]) -> None:
        before = data.get("before")
        views, more = await self.context.state.engine.work(
            lambda: load_views(self.context, self.conversation_id, before if isinstance(before, int) else None)
        )
        self._send(op="older", messages=views, more=more)

    async def _read(self, data: Mapping[str, Any]) -> None:
        from samovar.serve.web.pages.document import render_reader

        start, end = data.get("start"), data.get("end")
        html = await render_reader(
            self.context,
            _text(data, "document_id"),
            start if isinstance(start, int) else None,
            end if isinstance(end, int) else None,
        )
        self._send(op="reader", key=_text(data, "key"), html=str(html))

    async def _rate(self, data: Mapping[str, Any]) -> None:
        """Keep an opinion about an answer of this conversation; 0 takes it back."""
        state, principal = self.context.state, self.context.principal
        message_id, value = _text(data, "id"), data.get("value")

        def work() -> None:
            conversation = state.chat.open(principal, self.conversation_id)
            message = state.store.conversations.message(message_id)
            if message is None or message.conversation_id != conversation.id or message.role != "assistant":
                raise NotFoundError("there is no such answer in this conversation.")
            state.store.feedback.set(
                message_id, principal.user_id, value if isinstance(value, int) else 0, str(data.get("comment", ""))
            )

        await state.engine.work(work)
        self._send(op="rated", key=_text(data, "key"))

    async def _wait(self, data: Mapping[str, Any]) -> None:
        """Tell when the answer that another page of the caller is getting has been written."""
        await self.context.state.engine.work(
            lambda: self.context.state.chat.open(self.context.principal, self.conversation_id)
        )
        while self.context.state.chat.is_busy(self.conversation_id) and not self._client.is_deleted:
            await asyncio.sleep(0.3)
        self._send(op="reload")

    # -- telling ----------------------------------------------------------------------------------------------------
    def _send(self, **message: Any) -> None:
        if not self._client.is_deleted:
            with suppress(RuntimeError):
                self._client.outbox.enqueue_message("samovar", message, self._client.id)

    def _failure(self, error: Exception) -> dict[str, Any]:
        kind = kind_of(error)
        if kind == "internal":
            log.error("chat failed", exc_info=error)
        retry = error.retry_after_seconds if isinstance(error, OverloadedError) else 0
        return {"kind": kind, "message": message_of(error), "status": status_of(error), "retry_seconds": round(retry)}


def kind_of(error: Exception) -> str:
    """Return the name of the words that explain a failure: ``chat.failed_<kind>``."""
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (NotAuthenticatedError, "login"),
        ((OverloadedError, LibraryBusyError), "busy"),
        (ModelError, "model"),
        (SamovarError, "other"),
    )
    return next((name for classes, name in kinds if isinstance(error, classes)), "internal")


def load_views(
    context: PageContext, conversation_id: str, before: int | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """Return the last messages (before a position) as the browser gets them, and whether there are earlier ones (blocking)."""
    state = context.state
    messages = state.chat.messages(context.principal, conversation_id)
    if before is not None:
        messages = [m for m in messages if m.position < before]
    shown = messages[-PAGE_MESSAGES:]
    user = context.principal.user_id
    views = [
        message_view(m, context.words, state.store.feedback.get(m.id, user) if m.role == "assistant" else None)
        for m in shown
    ]
    return views, len(messages) > len(shown)


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name) or "")[:200]
