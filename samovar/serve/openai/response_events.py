"""The stream of the Responses API: every event has a name, a type and the next sequence number.

Order: created, in_progress, output_item.added, content_part.added, output_text.delta*, output_text.annotation.added*, output_text.done,
content_part.done, output_item.done, completed (or incomplete, or failed). Function calls are items of their own after the message.
Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Any

from samovar.serve.completion import End
from samovar.serve.openai.response_object import ResponseObject, call_item
from samovar.serve.sse import event_bytes


class Writer:
    """Writes the events of one response. Each method returns bytes, which may hold several events."""

    def __init__(self, made: ResponseObject) -> None:
        self._made = made
        self._next = 0
        self._items = 0
        self._message = False

    def begin(self, found: list[dict[str, Any]] | None) -> bytes:
        """The response begins; `found` are the heads of the sources of a grounded answer."""
        more = {} if found is None else {"samovar": {"found": found}}
        made = self._made.as_json() | more
        return self._event("response.created", response=made) + self._event("response.in_progress", response=made)

    def text(self, text: str) -> bytes:
        """Some of the text."""
        return self._open_message() + self._in_part("response.output_text.delta", delta=text, logprobs=[])

    def draft(self, text: str) -> bytes:
        """Some of the draft, for those who asked for it."""
        return self._event("samovar.draft.delta", delta=text)

    def end(self, text: str, end: End) -> bytes:
        """Whatever is left, and the end."""
        out = b""
        if text or not end.tool_calls:
            out += self._open_message() + self._close_message(text, end)
        for call in end.tool_calls:
            item = call_item(call)
            index = {"output_index": self._items}
            named = index | {"item_id": item["id"]}
            out += self._event("response.output_item.added", item=call_item(call, begun=True), **index)
            out += self._event("response.function_call_arguments.delta", delta=call.arguments, **named)
            done = {"arguments": call.arguments, "name": call.name}
            out += self._event("response.function_call_arguments.done", **done, **named)
            out += self._event("response.output_item.done", item=item, **index)
            self._items += 1
        self._made.finish(text, end)
        made = self._made.as_json()
        return out + self._event(f"response.{made['status']}", response=made)

    def failed(self, message: str) -> bytes:
        """The response has failed after it had begun."""
        self._made.fail(message)
        return self._event("response.failed", response=self._made.as_json())

    def _open_message(self) -> bytes:
        if self._message:
            return b""
        self._message = True
        self._items = 1
        item = self._made.message("", None)
        part = self._made.part("", None)
        return self._event("response.output_item.added", item=item, output_index=0) + self._in_part(
            "response.content_part.added", part=part
        )

    def _close_message(self, text: str, end: End) -> bytes:
        part = self._made.part(text, end)
        out = b""
        for i, annotation in enumerate(part["annotations"]):
            out += self._in_part("response.output_text.annotation.added", annotation=annotation, annotation_index=i)
        out += self._in_part("response.output_text.done", text=text, logprobs=[])
        out += self._in_part("response.content_part.done", part=part)
        return out + self._event("response.output_item.done", item=self._made.message(text, end), output_index=0)

    def _in_part(self, kind: str, **fields: Any) -> bytes:
        """An event about the one text part of the message."""
        return self._event(kind, item_id=self._made.message_id, output_index=0, content_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._next = self._next, self._next + 1
        return event_bytes({"type": kind, "sequence_number": number, **fields}, kind)
