"""Conversations out and in: Markdown for reading, JSON for keeping and moving; the JSON of ``samovar chat`` is taken in too.

Our JSON: ``{"format": "samovar-conversation", "version": 1, "id", "title", "model", "created_at", "updated_at", "messages": [{"role", "text", "at",
"status", "model", "answer"}]}``. What comes in is a stranger's file: every value is checked, an answer's record is rebuilt from the fields we know and
marked ``imported``, since nobody can vouch for its quotations. Knows no database and no HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from samovar.errors import UsageError
from samovar.serve.store.moments import read, written
from samovar.serve.store.records import ChatMessage, Conversation, MessageStatus
from samovar.serve.store.tables import storable

FORMAT = "samovar-conversation"
VERSION = 1
MOST_MESSAGES = 10_000
LONGEST_TEXT = 1_000_000  # characters of one message
UNTITLED = "—"
MOST_ITEMS = 1000  # citations or sentences of one answer


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """One message of an export; `at` is "" when it does not say."""

    role: Literal["user", "assistant"]
    text: str
    at: str = ""
    status: MessageStatus = "complete"
    model: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """A conversation read from an export."""

    title: str
    model: str
    created_at: str
    messages: tuple[ImportedMessage, ...]


def _without_texts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer whose found passages are named and not spelled out: 250 answers would be 8 MB, more than an import may have."""
    found = [
        {
            "document_id": hit.get("document", {}).get("id", ""),
            "title": hit.get("document", {}).get("title", ""),
            "start": hit.get("passage", {}).get("start", 0),
            "end": hit.get("passage", {}).get("end", 0),
        }
        for hit in _items(answer.get("found"))
        if isinstance(hit, Mapping)
    ]
    return {**answer, **({"found": found} if "found" in answer else {})}


# -- out ------------------------------------------------------------------------------------------------------------
def export_json(conversation: Conversation, messages: Sequence[ChatMessage]) -> dict[str, Any]:
    """Return a conversation as plain dicts and lists."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": conversation.id,
        "title": conversation.title,
        "model": conversation.model,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "messages": [
            {
                "role": m.role,
                "text": m.text,
                "at": m.created_at,
                "status": m.status,
                "model": m.model,
                "answer": _without_texts(m.answer) or None,
            }
            for m in messages
        ],
    }


def export_text(conversation: Conversation, messages: Sequence[ChatMessage]) -> str:
    """Return the JSON as text."""
    return json.dumps(export_json(conversation, messages), ensure_ascii=False, indent=2) + "\n"


def export_markdown(conversation: Conversation, messages: Sequence[ChatMessage]) -> str:
    """Return a conversation for reading: questions as headings, answers, their sources as numbered quotations."""
    lines = [f"# {_line(conversation.title) or UNTITLED}", "", f"*{conversation.created_at}*", ""]
    for message in messages:
        if message.role == "user":
            lines += [f"## {_line(message.text)}", ""]
            continue
        lines += [message.text, ""]
        for citation in message.answer.get("citations") or ():
            quote, title, uri = (_line(str(citation.get(name, ""))) for name in ("quote", "title", "uri"))
            lines += [f"{citation.get('number', '')}. {title} ({uri})", f"   > {quote}", ""]
    return "\n".join(lines).rstrip() + "\n"


def file_name(conversation: Conversation, ending: str) -> str:
    """Return a name for an exported file: the title's letters and digits, never a path."""
    words = re.findall(r"\w+", conversation.title)
    return ("-".join(words)[:60].strip("-_") or conversation.id) + "." + ending


def _line(text: str) -> str:
    return " ".join(text.split())


# -- in -------------------------------------------------------------------------------------------------------------
def read_export(data: Any) -> Imported:
    """Read our JSON or that of ``samovar chat``: text, bytes, or already parsed.

    Raises:
        UsageError: it is neither; the message says what was expected where.
    """
    record = _parse(data) if isinstance(data, (str, bytes, bytearray)) else data
    if not isinstance(record, Mapping):
        raise UsageError("expected an exported conversation (a JSON object), found something else.")
    if "messages" in record and record.get("format", FORMAT) != FORMAT:
        raise UsageError(f"expected the format {FORMAT}, found {repr(record.get('format'))[:100]}.")
    if (version := record.get("version", VERSION)) != VERSION:
        raise UsageError(f"expected version {VERSION} of an exported conversation, found {repr(version)[:100]}.")
    rows = record.get("messages", record.get("turns"))
    if not isinstance(rows, Sequence) or isinstance(rows, (str, bytes)):
        raise UsageError("expected the list messages (or turns) in an exported conversation, found none.")
    if len(rows) > MOST_MESSAGES:
        raise UsageError(f"expected at most {MOST_MESSAGES} messages, found {len(rows)}.")
    messages = tuple(_message(row, number) for number, row in enumerate(rows, 1))
    title = _text(record.get("title")) or next((m.text for m in messages if m.role == "user"), "")[:80] or UNTITLED
    return Imported(title, _text(record.get("model"))[:200], _moment(record.get("created_at")), messages)


def _parse(data: str | bytes | bytearray) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"expected an exported conversation (JSON), found: {str(error)[:200]}.") from error


def _message(row: Any, number: int) -> ImportedMessage:
    role = row.get("role") if isinstance(row, Mapping) else None
    text = row.get("text") if isinstance(row, Mapping) else None
    if role not in ("user", "assistant") or not isinstance(text, str):
        raise UsageError(f"expected in message {number} the role user or assistant and a text, found another thing.")
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"expected at most {LONGEST_TEXT} characters in message {number}, found {len(text)}.")
    status = row.get("status")
    return ImportedMessage(
        role,
        storable(text),
        _moment(row.get("at")),
        status if status in ("complete", "stopped", "failed") else "complete",
        _text(row.get("model"))[:200],
        clean_answer(row.get("answer"), text) if role == "assistant" else {},
    )


def clean_answer(record: Any, text: str) -> dict[str, Any]:
    """Return an answer's record made anew from the fields we know, of the right kinds; {} when it is none. Offsets lie within `text`."""
    if not isinstance(record, Mapping) or record.get("status") not in ("answered", "abstained"):
        return {}
    citations = [c for c in map(_citation, _items(record.get("citations"))) if c is not None]
    sentences = [s for s in (_sentence(item, len(text)) for item in _items(record.get("sentences"))) if s is not None]
    confidence: Any = record.get("confidence")
    return {
        "text": storable(text),
        "status": record["status"],
        "citations": citations,
        "model": _text(record.get("model"))[:200],
        "timings": {},
        "sentences": sentences,
        "short": None,
        "confidence": float(confidence) if _is_number(confidence) and 0 <= confidence <= 1 else None,
        "query": _text(record.get("query"))[:LONGEST_TEXT],
        "notes": [_text(note)[:1000] for note in _items(record.get("notes")) if isinstance(note, str)],
        "stop_reason": "stop",
        "found": [],
        "imported": True,
    }


def _citation(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, Mapping):
        return None
    numbers = [item.get(name) for name in ("number", "start", "end")]
    if not all(_is_whole(n) for n in numbers) or not all(
        isinstance(item.get(name), str) for name in ("document_id", "quote")
    ):
        return None
    return {
        "number": item["number"],
        "document_id": storable(item["document_id"])[:200],
        "start": item["start"],
        "end": item["end"],
        "quote": storable(item["quote"]),
        "title": _text(item.get("title"))[:1000],
        "uri": _text(item.get("uri"))[:4000],
    }


def _sentence(item: Any, length: int) -> dict[str, Any] | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("supported"), bool):
        return None
    start: Any = item.get("start")
    end: Any = item.get("end")
    if not (_is_whole(start) and _is_whole(end)) or not start <= end <= length:
        return None
    numbers = [n for n in _items(item.get("citations")) if _is_whole(n)]
    return {"start": start, "end": end, "supported": item["supported"], "citations": numbers}


def _items(value: Any) -> Sequence[Any]:
    return value[:MOST_ITEMS] if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _moment(value: Any) -> str:
    try:
        return written(read(value)) if isinstance(value, str) else ""
    except (ValueError, OverflowError):
        return ""
