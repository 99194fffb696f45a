"""From the messages and items of a request to those of `samovar.generate` (bare models) and `samovar.serve.dialogue` (the grounded one)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from samovar.errors import UsageError
from samovar.generate.model import Message, Role, ToolCall
from samovar.serve.dialogue import Said
from samovar.serve.openai.schemas import ItemBody, MessageBody, Part

TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
SKIPPED_ITEMS = frozenset({"reasoning"})
ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


def chat_messages(bodies: Sequence[MessageBody]) -> list[Message]:
    """Return the messages of a chat completions request. Raises `UsageError` for content that is not text."""
    return [
        Message(
            ROLES[body.role],
            text_of(body.content),
            tool_calls=tuple(
                ToolCall(call.id, call.function.name, call.function.arguments) for call in body.tool_calls or ()
            ),
            tool_call_id=body.tool_call_id or "",
            name=body.name or "",
        )
        for body in bodies
    ]


def response_messages(items: str | Sequence[ItemBody], instructions: str | None) -> list[Message]:
    """Return the messages of a Responses request; calls of one turn are put together again."""
    out = [Message("system", instructions)] if instructions else []
    if isinstance(items, str):
        return [*out, Message("user", items)]
    for item in items:
        kind = item.type or "message"
        if kind == "message":
            if item.role is None:
                raise UsageError("expected a role in each message of the input, found none.")
            out.append(Message(ROLES[item.role], text_of(item.content)))
        elif kind == "function_call":
            _add_call(out, ToolCall(item.call_id or "", item.name or "", item.arguments or ""))
        elif kind == "function_call_output":
            out.append(Message("tool", text_of(item.output), tool_call_id=item.call_id or ""))
        elif kind not in SKIPPED_ITEMS:
            raise UsageError(
                f"expected items of the type message, function_call or function_call_output in the input, found {kind!r}."
            )
    return out


def _add_call(out: list[Message], call: ToolCall) -> None:
    """Add a call to the assistant's turn it belongs to."""
    last = out[-1] if out else None
    if last is not None and last.role == "assistant":
        out[-1] = Message("assistant", last.content, tool_calls=(*last.tool_calls, call))
    else:
        out.append(Message("assistant", "", tool_calls=(call,)))


def text_of(content: str | Sequence[Part] | None) -> str:
    """Return the text of a content; parts are joined by line ends. Raises `UsageError` for images, sound and files."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(_text_of_part(part) for part in content)


def _text_of_part(part: Part) -> str:
    if part.type in TEXT_PARTS and part.text is not None:
        return part.text
    if part.type == "refusal":
        return part.refusal or ""
    raise UsageError(
        f"expected content parts of the type text, found {part.type!r}: images, sound and files are not read here. "
        "Add documents to the library instead."
    )


def said(bodies: Sequence[MessageBody], messages: Sequence[Message]) -> list[Said]:
    """Return what the grounded model reads; `bodies` may carry what we said about an earlier answer."""
    out = [Said(message.role, message.content) for message in messages]
    for i, body in enumerate(bodies):
        if body.role == "assistant" and (title := first_title(body.model_extra or {})):
            out[i] = Said("assistant", out[i].text, title)
    return out


def first_title(extra: dict[str, Any]) -> str:
    """Return the title of the first citation that an assistant's message brings back to us ("" for none): for follow-up questions."""
    annotations = extra.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    cited = first.get("url_citation") if isinstance(first, dict) else None
    title = cited.get("title") if isinstance(cited, dict) else None
    return title.encode("utf-8", "replace").decode()[:300] if isinstance(title, str) else ""
